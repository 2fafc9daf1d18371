/// How a model is said in another library's words, checked by reading them back: what the reader of the family
/// understands must be this model, or it is not written.

import Foundation
import RunnelFiles
import RunnelMixers
import RunnelModels
import RunnelTensors

/// The way from our models to a family's folders. The names of tensors are the reader's.
struct ForeignWriting: Sendable {
  /// The class that loads such folders.
  let architecture: String
  /// The libraries that load a configuration, where not all of the family's do.
  var library: @Sendable (ModelConfiguration) -> String? = { _ in nil }
  /// The same function with its numbers as the family has them; of most models there is only one way.
  var restated: @Sendable (LanguageModel) throws -> LanguageModel = { $0 }
  /// The fields of `config.json` beside the common ones. What the family has no word for is left out.
  let fields: @Sendable (ModelConfiguration) -> [String: ForeignValue]

  /// Of models of one mixer.
  static func of<Mixer: SequenceMixer>(
    _ mixer: Mixer.Type, _ architecture: String,
    library: @escaping @Sendable (ModelConfiguration) -> String? = { _ in nil },
    restated: @escaping @Sendable (LanguageModel) throws -> LanguageModel = { $0 },
    fields: @escaping @Sendable (ModelConfiguration, Mixer.Configuration) -> [String: ForeignValue]
  ) -> ForeignWriting {
    ForeignWriting(architecture: architecture, library: library, restated: restated) { configuration in
      configuration.first(mixer).map { fields(configuration, $0) } ?? [:]
    }
  }
}

/// Why a model cannot be written for another library.
public struct ForeignWritingError: Error, Sendable, Equatable, CustomStringConvertible {
  public let description: String
  /// How far a family is from the model, to show the nearest one.
  var distance = 0

  init(_ description: String) { self.description = description }
}

/// A model in the words of a family.
struct ForeignDraft {
  var family: ForeignFamily
  var library: String
  var model: LanguageModel
  var fields: [String: ForeignValue]
  var names: ForeignNames
}

extension ForeignFamily {
  /// The model as the first family that can say it.
  ///
  /// - Throws: `ForeignWritingError` where none can, with what the nearest one has otherwise.
  static func draft(_ model: LanguageModel) throws -> ForeignDraft {
    let own = Set(model.configuration.mixers.map(\.name))
    let writable = all.filter { $0.writing != nil }
    let families = writable.filter { own.isSubset(of: $0.mixers) }
    var nearest: ForeignWritingError?
    for family in families {
      do { return try family.draft(model) } catch let error as ForeignWritingError {
        if error.distance < nearest?.distance ?? .max { nearest = error }
      }
    }
    let known = Registry.names.filter { name in writable.contains { $0.mixers.contains(name) } }
    throw nearest
      ?? ForeignWritingError(
        "no family of transformers or flash-linear-attention has layers of \(model.mixerName); "
          + "models of one of \(known.joined(separator: ", ")) can be written")
  }

  private func draft(_ model: LanguageModel) throws -> ForeignDraft {
    guard let writing else { throw ForeignWritingError("\(modelType) of \(library) is only read") }
    let restated = try writing.restated(model)
    let configuration = restated.configuration
    let fields = writing.fields(configuration).merging(
      [
        "model_type": .text(modelType), "architectures": .list([.text(writing.architecture)]),
        "vocab_size": .count(configuration.vocabularySize), "hidden_size": .count(configuration.width),
        "num_hidden_layers": .count(configuration.layers),
        "tie_word_embeddings": .flag(configuration.tiesEmbedding),
      ], uniquingKeysWith: { own, _ in own })
    // What the family has no word for is null; its reader then takes the default, and the difference is told.
    let json = ForeignConfiguration(path: "config.json", fields: fields.filter { $0.value != .null })
    let subject = "\(model.mixerName) cannot be written as \(modelType) of \(library)"
    let read: ForeignModel
    do { read = try self.read(json, NoTensors()) } catch {
      throw ForeignWritingError("\(subject): \(error)")
    }
    let differences = try read.configuration.differences(from: configuration)
    guard differences.isEmpty else {
      let shown = differences.prefix(6).map { "\($0.field) \($0.own), not \($0.other)" }
      let rest = differences.count > shown.count ? ", and \(differences.count - shown.count) more" : ""
      var error = ForeignWritingError(
        "\(subject), which has \(shown.joined(separator: ", "))\(rest); keep it in this library's form")
      error.distance = differences.count
      throw error
    }
    return ForeignDraft(
      family: self, library: writing.library(configuration) ?? library, model: restated, fields: fields,
      names: read.names)
  }
}

/// Files that hold nothing: a configuration alone is read with them.
private struct NoTensors: TensorSource {
  let path = "config.json"
  let names: [String] = []
  let metadata: [String: String] = [:]
  func contains(_: String) -> Bool { false }
  func locate(_ name: String) throws(FileError) -> (any TensorFile, TensorEntry) {
    throw FileError(
      path, at: "tensors", expected: "\"\(name)\"", found: "none",
      remedy: "read a configuration that says all")
  }
}

extension ModelConfiguration {
  /// The first mixer of a type.
  func first<Mixer: SequenceMixer>(_: Mixer.Type) -> Mixer.Configuration? {
    mixers.lazy.compactMap { $0.configuration as? Mixer.Configuration }.first
  }

  /// The same with other numbers for the mixers of a type.
  func changing<Mixer: SequenceMixer>(
    _ mixer: Mixer.Type, _ change: (inout Mixer.Configuration) -> Void
  ) -> Self {
    var copy = self
    copy.mixers = mixers.map { choice in
      guard var own = choice.configuration as? Mixer.Configuration else { return choice }
      change(&own)
      return MixerChoice(mixer, own)
    }
    return copy
  }

  /// The same function said in one way.
  private var normalized: Self {
    var copy = self
    // A pattern that repeats itself is its shortest period.
    let period = (1...mixers.count).first { length in
      mixers.count % length == 0 && mixers.indices.allSatisfy { mixers[$0] == mixers[$0 % length] }
    }
    copy.mixers = Array(mixers.prefix(period ?? mixers.count))
    if lastNormEpsilon == normEpsilon { copy.lastNormEpsilon = nil }
    if norm == .rms { copy.hasNormBias = true }
    let gates = mixers.compactMap { choice -> Activation? in
      if case .gated(_, let activation) = choice.feedForward { activation } else { nil }
    }
    if gates.isEmpty { copy.hasFeedForwardBias = false }
    if let own = gates.first, gates.allSatisfy({ $0 == own }) { copy.activation = activation ?? own }
    if mixers.allSatisfy({ $0.feedForward == .none }) { copy.hiddenWidth = 0 }
    return copy
  }

  /// The fields, as `config.json` names them, in which this model's function is not the other's.
  fileprivate func differences(from other: Self) throws -> [(field: String, own: String, other: String)] {
    let (own, other) = (try normalized.fields(), try other.normalized.fields())
    return Set(own.keys).union(other.keys).sorted().compactMap { field in
      let (mine, theirs) = (own[field] ?? "none", other[field] ?? "none")
      return mine == theirs ? nil : (field, mine, theirs)
    }
  }

  private func fields() throws -> [String: String] {
    let encoder = JSONEncoder()
    var fields: [String: String] = [:]
    func collect(_ value: Any, _ path: [String]) {
      switch value {
      case let object as [String: Any]: for (key, value) in object { collect(value, path + [key]) }
      case let list as [Any]: for (i, value) in list.enumerated() { collect(value, path + ["\(i)"]) }
      default: fields[path.joined(separator: ".")] = "\(value)"
      }
    }
    collect(try JSONSerialization.jsonObject(with: encoder.encode(self)), [])
    return fields
  }
}

extension LanguageModel {
  /// A model of another configuration with the same parameters, some of them changed.
  func restated(_ configuration: ModelConfiguration, _ change: (Parameter) -> Tensor) throws -> Self {
    let own = Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0) })
    return try LanguageModel(configuration) { own[$0.name].map(change) ?? Tensor(zeros: $0.shape) }
  }
}
