/// Means of the weights: what they are, and which weights a run's folder holds.

import Foundation
import RunnelCheckpoints
import RunnelCorpora
import RunnelMixers
import RunnelModels
import RunnelReference
import RunnelTensors
import Testing

@testable import RunnelTraining

@Suite("averages of the weights")
struct AveragingTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private func trainer(_ corpus: Corpus, steps: Int, _ change: (inout TrainingSettings) -> Void) throws
    -> Trainer
  {
    var settings = TrainingSettings()
    (settings.batch, settings.segment, settings.budget) = (2, 16, .steps(steps))
    change(&settings)
    let model = try LanguageModel(.init(MinGRU.self, vocabularySize: 32, width: 16, layers: 1), seed: 3)
    return Trainer(
      model, settings: settings,
      sampler: try SegmentSampler(corpus, lanes: 2, length: 16, seed: settings.seed))
  }

  private func corpus(validation: Bool = true, repeats: Bool = false) throws -> Corpus {
    let text: [Int32] = (0..<2000).map { Int32([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8][$0 % 12]) }
    let texts = repeats ? [text] : chains([2000, 700], vocabulary: 32, seed: 3)
    if validation { return try makeCorpus(texts, vocabulary: 32, in: folder.path) }
    let path = folder.path + "/whole.tokens.zst"
    var writer = try CorpusWriter(path: path, vocabularySize: 32, frameBytes: 4096)
    writer.beginDocument()
    try writer.append(texts[0])
    _ = try writer.finish(validation: .tail(0))
    return try Corpus(path: path)
  }

  @Test(
    "the mean is the weights' own, corrected for its beginning, or of the run's tail",
    arguments: [.ema(0.7), .ema(0.99), .ema(0), .polyak(from: 0), .polyak(from: 0.5)] as [WeightAverage])
  func means(kind: WeightAverage) throws {
    let steps = 12
    var trainer = try trainer(corpus(), steps: steps) { ($0.average, $0.learningRate) = (kind, 0.05) }
    var weights: [[Double]] = []
    for step in 0..<steps {
      if case .polyak(let start) = kind, Double(step) / Double(steps) < start {
        #expect(trainer.averagedModel == nil)
      }
      _ = try trainer.step()
      weights.append(trainer.model.parameters.flatMap(\.value.doubles))
    }
    var mean = [Double](repeating: 0, count: weights[0].count), sum = 0.0
    for (step, weights) in weights.enumerated() {
      let share: Double
      switch kind {
      // Written as a weighted sum of all steps.
      case .ema(let decay): share = (1 - decay) * pow(decay, Double(steps - 1 - step))
      case .polyak(let start): share = Double(step) / Double(steps) >= start ? 1 : 0
      }
      for i in mean.indices { mean[i] += share * weights[i] }
      sum += share
    }
    let average = try #require(trainer.averagedModel).parameters.flatMap(\.value.doubles)
    #expect(relativeError(average, mean.map { $0 / sum }) < 1e-6)
    // The average has moved nothing.
    #expect(trainer.model.parameters.flatMap(\.value.doubles) == weights.last)
  }

  @Test(
    "a mean is named by its kind and a number",
    arguments: [
      ("ema", .ema(0.999)), ("ema:0.99", .ema(0.99)), ("polyak", .polyak(from: 0.5)),
      ("polyak:0.8", .polyak(from: 0.8)), ("ema:0", .ema(0)), ("ema:1", .ema(1)), ("ema:", nil),
      ("mean", nil),
      ("", nil), ("polyak:-1", .polyak(from: -1)), ("ema:x", nil), ("mean:0.5", nil),
    ] as [(String, WeightAverage?)])
  func names(text: String, kind: WeightAverage?) throws {
    #expect(WeightAverage(text) == kind)
    guard let kind else { return }
    #expect(WeightAverage(kind.text) == kind)
    #expect(try JSONDecoder().decode(WeightAverage.self, from: JSONEncoder().encode(kind)) == kind)
  }

  @Test(
    "the folder's model is the better of the last weights and their average, and both are validated",
    arguments: [
      // While a text is being learnt, the mean lags behind; where nothing is left to learn, large steps only make noise.
      (.ema(0.99), 40, true, false), (.polyak(from: 0.5), 40, true, false), (.ema(0.99), 12, false, true),
    ] as [(WeightAverage, Int, Bool, Bool)])
  func served(kind: WeightAverage, steps: Int, repeats: Bool, isAverage: Bool) throws {
    let corpus = try corpus(repeats: repeats)
    let path = folder.path + "/run"
    var run = TrainingRun(
      try trainer(corpus, steps: steps) {
        ($0.average, $0.learningRate, $0.validationInterval) = (kind, 1e-2, steps / 2)
      }, folder: path)
    let summary = try run.run()
    let (last, average) = (
      try #require(summary.validationLoss), try #require(summary.averageValidationLoss)
    )
    #expect((average < last) == isAverage && summary.servesAverage == isAverage, "\(average), \(last)")
    let averaged = try #require(run.trainer.averagedModel)
    let better = isAverage ? averaged : run.trainer.model
    #expect(try ModelFolder.load(path).fingerprint == better.fingerprint)
    #expect(averaged.fingerprint != run.trainer.model.fingerprint)
    let record = try RunFolder.record(path)
    #expect(record.tally.servesAverage == isAverage && record.tally.averagedSteps > 0)
    let log = String(decoding: try bytes(of: path + "/metrics.jsonl"), as: UTF8.self)
    #expect(log.split(separator: "\n").count { $0.contains("\"average_validation_loss\"") } >= 2)
    // Looked at again, the run says the same and changes nothing.
    let weights = try bytes(of: path + "/model.safetensors")
    var again = TrainingRun(try RunFolder.resume(path, corpora: CorpusMixture(corpus)), folder: path)
    let second = try again.run()
    #expect(second.averageValidationLoss == average && second.servesAverage == isAverage)
    #expect(try bytes(of: path + "/model.safetensors") == weights)
  }

  @Test("where a longer budget moves the beginning of the mean behind the run, the mean begins afresh")
  func longer() throws {
    let path = folder.path + "/run", corpus = try corpus(validation: false)
    var run = TrainingRun(
      try trainer(corpus, steps: 10) { ($0.average, $0.learningRate) = (.polyak(from: 0.5), 0.05) },
      folder: path)
    _ = try run.run()
    var record = try RunFolder.record(path)
    #expect(record.tally.averagedSteps == 5 && record.tally.servesAverage)
    record.settings.budget = .steps(40)
    var trainer = try RunFolder.resume(path, corpora: CorpusMixture(corpus), settings: record.settings)
    var weights: [[Double]] = []
    for step in 10..<24 {
      _ = try trainer.step()
      #expect(trainer.tally.averagedSteps == max(0, step - 19) && !trainer.tally.servesAverage)
      #expect((trainer.averagedModel == nil) == (step < 20))
      if step >= 20 { weights.append(trainer.model.parameters.flatMap(\.value.doubles)) }
    }
    let mean = weights[0].indices.map { i in weights.reduce(0) { $0 + $1[i] } / Double(weights.count) }
    let average = try #require(trainer.averagedModel).parameters.flatMap(\.value.doubles)
    #expect(relativeError(average, mean) < 1e-6)
  }

  @Test(
    "a mean that is none is refused before the first step",
    arguments: [.ema(1), .ema(.nan), .ema(-0.1), .polyak(from: 1)] as [WeightAverage])
  func refused(kind: WeightAverage) throws {
    var run = TrainingRun(
      try trainer(corpus(), steps: 4) { $0.average = kind }, folder: folder.path + "/run")
    let text = sentence { _ = try run.run() }
    #expect(text == "average is \(kind.text); it must have a number in [0, 1)")
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/run"))
  }

  @Test("without a validation split the folder's model is the average that was asked for")
  func unseen() throws {
    let path = folder.path + "/run"
    var run = TrainingRun(
      try trainer(corpus(validation: false), steps: 5) { $0.average = .ema(0.5) }, folder: path)
    let summary = try run.run()
    #expect(summary.validationLoss == nil && summary.servesAverage == true)
    #expect(try ModelFolder.load(path).fingerprint == run.trainer.averagedModel?.fingerprint)
  }
}
