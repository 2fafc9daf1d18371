/// What the suites above the recurrences share: small models, a folder that vanishes, a corpus made to order.

import Foundation
import RunnelCorpora
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

/// A small model of any mixer, all its parameters moved, so that no bias is zero and no scale one.
func smallModel<M: SequenceMixer>(
  _: M.Type, vocabulary: Int = 64, width: Int = 32, layers: Int = 2, tied: Bool = true, seed: UInt64 = 1
) throws -> LanguageModel {
  let configuration = ModelConfiguration(
    M.self, vocabularySize: vocabulary, width: width, layers: layers, tiesEmbedding: tied)
  return try LanguageModel(configuration, seed: seed).perturbed(seed: seed)
}

/// The gradient of the mean loss over two rows of half of `text` each, a reset within the first: one tensor for every
/// parameter.
func lossGradients(_ model: LanguageModel, _ text: [Int32], form: Form) -> [Tensor] {
  var leaves: [Tensor] = []
  let tracked = model.replacingParameters {
    let leaf = $0.value.tracked()
    leaves.append(leaf)
    return leaf
  }
  let rows = [text.prefix(text.count / 2), text.suffix(text.count / 2)]
  var state = tracked.initialState(batch: 2)
  let loss = tracked.loss(
    rows.flatMap { $0.dropLast() }, targets: rows.flatMap { $0.dropFirst() }, batch: 2, form: form,
    resets: Resets(rows: [[31], []]), state: &state)
  return gradients(of: loss.mean, for: leaves)
}

/// Holds gradients of a model, one tensor for every parameter, against those that `gradients` gives, within 1e-4. One that
/// is what is left of larger terms, as for a parameter of one number, may be as far off as rounding moves it. A sum of n
/// terms is off by about √n roundings of their size, and n, tokens times channels, is below 2¹⁴ here: so as far as
/// `gradients` moves where every parameter is off by up to 2⁷ roundings, the worst of three times.
func expectGradients(
  _ values: [Tensor], of model: LanguageModel, _ what: String,
  sourceLocation: SourceLocation = #_sourceLocation,
  are gradients: (LanguageModel) -> [Tensor]
) {
  func distances(_ a: [Tensor], _ b: [Tensor]) -> [Double] {
    zip(a, b).map {
      zip($0.doubles, $1.doubles).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
    }
  }
  let expected = gradients(model)
  let far = zip(values, expected).map { !(relativeError($0, $1) <= 1e-4) }
  #expect(values.count == expected.count, "\(what)", sourceLocation: sourceLocation)
  guard far.contains(true) else { return }
  var generator = SeededGenerator(seed: 16)
  let moved = (0..<3).map { _ in
    let near = model.replacingParameters {
      $0.value * Tensor.uniform($0.value.shape, in: (1 - 0x1p-17)...(1 + 0x1p-17), using: &generator)
    }
    return distances(gradients(near), expected)
  }
  let found = distances(values, expected)
  for (i, parameter) in model.parameters.enumerated() where far[i] {
    let allowed = moved.map { $0[i] }.max() ?? 0
    #expect(
      found[i] <= allowed,
      "\(what), \(parameter.name): relative error \(relativeError(values[i], expected[i]))",
      sourceLocation: sourceLocation)
  }
}

func tokens(_ count: Int, below vocabulary: Int, seed: UInt64) -> [Int32] {
  var generator = SeededGenerator(seed: seed)
  return (0..<count).map { _ in Int32.random(in: 0..<Int32(vocabulary), using: &generator) }
}

/// A folder that exists while `body` runs.
func withFolder<R>(_ body: (String) throws -> R) throws -> R {
  let folder = FileManager.default.temporaryDirectory.path + "/runnel-models-" + UUID().uuidString
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  return try body(folder)
}

func bytes(of path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }
func write(_ bytes: [UInt8], to path: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: path)) }

/// The sentence that `body` fails with.
func sentence(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "no error"
  } catch { return "\(error)" }
}

/// A corpus of one text for every element of `documents`.
func makeCorpus(_ documents: [[Int32]], vocabulary: Int, in folder: String) throws -> Corpus {
  let path = folder + "/text.tokens.zst"
  var writer = try CorpusWriter(path: path, vocabularySize: vocabulary, frameBytes: 4096)
  for document in documents {
    writer.beginDocument()
    try writer.append(document)
  }
  _ = try writer.finish(validation: .tail(0.25))
  return try Corpus(path: path)
}

/// Texts in which each token mostly follows from the one before, so that there is something to learn.
func chains(_ lengths: [Int], vocabulary: Int, seed: UInt64) -> [[Int32]] {
  var generator = SeededGenerator(seed: seed)
  return lengths.map { length in
    var token = Int32(1)
    return (0..<length).map { _ in
      let isSurprise = generator.uniform() < 0.2
      let step = Int32(generator.next() % 3)
      token = (isSurprise ? Int32(generator.next() % 1000) : 5 * token + 1 + step) % Int32(vocabulary)
      return token
    }
  }
}
