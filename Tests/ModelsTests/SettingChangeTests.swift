/// What may be told to a run that is resumed: every setting is applied and recorded, or refused.

import Foundation
import RunnelCorpora
import RunnelKernels
import RunnelMixers
import RunnelModels
import Testing

@testable import RunnelTraining

@Suite("a resumed run takes other settings, or says why not")
struct SettingChangeTests {
  let folder: TemporaryFolder
  let corpora: CorpusMixture

  init() throws {
    folder = try TemporaryFolder()
    corpora = CorpusMixture(
      try makeCorpus(chains([300, 20, 90, 400], vocabulary: 32, seed: 3), vocabulary: 32, in: folder.path))
  }

  /// Another value of a setting, and as what it is shown.
  static func changed(
    _ key: TrainingSettings.CodingKeys, _ settings: inout TrainingSettings
  ) -> (from: String?, to: String) {
    switch key {
    case .batch:
      settings.batch = 3
      return ("2", "3")
    case .sampling:
      settings.sampling = .segments
      return ("lanes", "segments")
    case .segment:
      settings.segment = 8
      return ("16", "8")
    case .precision:
      settings.precision = .bf16
      return ("f32", "bf16")
    case .recomputes:
      settings.recomputes = true
      return ("no", "yes")
    case .accumulate:
      settings.accumulate = 3
      return ("1", "3")
    case .optimizer:
      settings.optimizer = .lion
      return ("adamw", "lion")
    case .momentum:
      settings.momentum = 0.5
      return (nil, "0.5")
    case .nesterov:
      settings.nesterov = true
      return ("no", "yes")
    case .rates:
      settings.rates = RateFactors(["embedding": 0.5])
      return (nil, "embedding=0.5")
    case .decayShare:
      settings.decayShare = 0.5
      return ("0.2", "0.5")
    case .offset:
      settings.offset = 7
      return ("1000", "7")
    case .exponent:
      settings.exponent = 0.5
      return ("0.75", "0.5")
    case .spikeGuard:
      settings.spikeGuard = 7
      return (nil, "7")
    case .average:
      settings.average = .polyak(from: 0.5)
      return (nil, "polyak:0.5")
    case .keepBest:
      settings.keepBest = true
      return ("no", "yes")
    case .patience:
      settings.patience = 7
      return (nil, "7")
    case .schedule:
      settings.schedule = .linear
      return ("cosine", "linear")
    case .warmup:
      settings.warmup = 0.5
      return ("0.05", "0.5")
    case .beta1:
      settings.beta1 = 0.5
      return ("0.9", "0.5")
    case .beta2:
      settings.beta2 = 0.5
      return ("0.98", "0.5")
    case .epsilon:
      settings.epsilon = 0.5
      return ("1e-08", "0.5")
    case .clip:
      settings.clip = 0.5
      return ("1", "0.5")
    case .targets:
      settings.targets = .all
      return ("answers", "all")
    case .budget:
      settings.budget = .tokens(900)
      return ("24 steps", "900 tokens")
    case .seed:
      settings.seed = 18_446_744_073_709_551_615
      return ("1", "18446744073709551615")
    case .origin:
      settings.origin = "there"
      return (nil, "there")
    case .learningRate:
      settings.learningRate = 0.5
      return ("0.002", "0.5")
    case .finalRate:
      settings.finalRate = 0.5
      return ("0.02", "0.5")
    case .weightDecay:
      settings.weightDecay = 0.5
      return ("0.1", "0.5")
    case .carryState:
      settings.carryState = false
      return ("yes", "no")
    case .resetAtDocuments:
      settings.resetAtDocuments = false
      return ("yes", "no")
    case .validationInterval:
      settings.validationInterval = 7
      return ("6", "7")
    case .validationTokens:
      settings.validationTokens = 9
      return (nil, "9")
    case .logInterval:
      settings.logInterval = 7
      return ("10", "7")
    case .checkpointInterval:
      settings.checkpointInterval = 7
      return ("0", "7")
    case .checkpointMinutes:
      settings.checkpointMinutes = 7
      return ("5", "7")
    case .keptCheckpoints:
      settings.keptCheckpoints = 7
      return ("1", "7")
    }
  }

  @Test(
    "every setting is applied and recorded with its step, or refused",
    // A machine that has no bf16 does not go on in it.
    arguments: TrainingSettings.CodingKeys.allCases.filter { $0 != .precision || Gemm.hasBF16 })
  func table(key: TrainingSettings.CodingKeys) throws {
    let run = folder.path + "/run"
    var settings = TrainingSettings()
    (settings.batch, settings.segment, settings.budget) = (2, 16, .steps(24))
    settings.validationInterval = 6
    let model = try LanguageModel(.init(LRU.self, vocabularySize: 32, width: 16, layers: 1), seed: 3)
    var stopped = TrainingRun(
      Trainer(
        model, settings: settings,
        sampler: try SegmentSampler(corpora, lanes: 2, length: 16, seed: 1)), folder: run)
    nonisolated(unsafe) var steps = 0
    _ = try stopped.run(shouldStop: { steps >= 12 }, report: { if $0.validated == nil { steps += 1 } })

    var other = settings
    let (from, to) = Self.changed(key, &other)
    #expect(other != settings)
    let change = SettingChange(step: 12, setting: key.rawValue, from: from, to: to)
    guard TrainingSettings.changeable.contains(key) else {
      let text = sentence { _ = try RunFolder.resume(run, corpora: corpora, settings: other) }
      #expect(text.contains(key.rawValue) && text.contains(to) && text.contains("begin a new run"), "\(text)")
      return
    }
    var resumed = TrainingRun(
      try RunFolder.resume(run, corpora: corpora, settings: other), folder: run)
    #expect(resumed.trainer.settings == other && resumed.trainer.changes == [change])
    _ = try resumed.run(shouldStop: { false }, report: { _ in })
    let record = try RunFolder.record(run)
    #expect(record.settings == other && record.changes == [change])
    let lines = try metrics(run).filter { $0["setting"] != nil }
    #expect(lines.count == 1 && lines[0]["step"] as? Int == 12 && lines[0]["to"] as? String == to, "\(lines)")
    // A change that no checkpoint knows of is no part of the course.
    var again = TrainingRun(try RunFolder.resume(run, corpora: corpora), folder: run)
    _ = try again.run(shouldStop: { true }, report: { _ in })
    #expect(try metrics(run).filter { $0["setting"] != nil }.count == 1)
    #expect(try RunFolder.record(run).changes == [change])
  }

  private func metrics(_ folder: String) throws -> [[String: Any]] {
    String(decoding: try bytes(of: folder + "/metrics.jsonl"), as: UTF8.self).split(separator: "\n")
      .compactMap {
        (try? JSONSerialization.jsonObject(with: Data($0.utf8))) as? [String: Any]
      }
  }

  @Test("factors of rates are told with their patterns")
  func factors() throws {
    var settings = TrainingSettings(), other = settings
    (settings.rates, other.rates) = (
      RateFactors(["layers": 1, "embedding": 0.25]), RateFactors(["layers": 2])
    )
    let change = SettingChange(
      step: 3, setting: "rates", from: "embedding=0.25, layers=1", to: "layers=2")
    #expect(try settings.changes(to: other, at: 3) == [change])
  }

  @Test("a momentum that is not given is the optimiser's usual one", arguments: [OptimizerName.sgd, .muon])
  func momentum(optimizer: OptimizerName) throws {
    let usual = try #require(optimizer.usualMomentum), run = folder.path + "/run"
    var chosen = TrainingSettings()
    chosen.suit(optimizer)
    #expect(chosen.momentum == usual)
    // As in a record of an earlier version.
    var settings = TrainingSettings()
    (settings.batch, settings.segment, settings.budget) = (2, 16, .steps(2))
    settings.optimizer = optimizer
    let model = try LanguageModel(.init(LRU.self, vocabularySize: 32, width: 16, layers: 1), seed: 3)
    var first = TrainingRun(
      Trainer(model, settings: settings, sampler: try SegmentSampler(corpora, lanes: 2, length: 16, seed: 1)),
      folder: run)
    _ = try first.run()
    #expect(try RunFolder.record(run).settings.momentum == nil)
    for told in [nil, usual] {
      var other = settings
      other.momentum = told
      #expect(try RunFolder.resume(run, corpora: corpora, settings: other).changes == [])
    }
    settings.momentum = 0.5
    let text = sentence { _ = try RunFolder.resume(run, corpora: corpora, settings: settings) }
    #expect(text.contains("has the momentum \(usual), and cannot go on with 0.5"), "\(text)")
    settings.optimizer = .adamw
    settings.momentum = nil
    let others = sentence { _ = try RunFolder.resume(run, corpora: corpora, settings: settings) }
    #expect(others.contains("leave --optimizer out"), "\(others)")
  }

  @Test("a longer budget does not warm up again, and a warm-up under way keeps its length")
  func extending() {
    var settings = TrainingSettings()
    (settings.budget, settings.warmup, settings.learningRate) = (.steps(1000), 0.1, 1)
    // Ended: its hundred steps of warm-up are behind it.
    let ended = settings.extended(to: .steps(20_000), steps: 1000, tokens: 0, seconds: 0)
    #expect(abs(ended.warmup - 0.005) < 1e-12)
    #expect(ended.learningRate(at: 0.05, steps: 0) > 0.99)
    // At step 50 of 100 steps of warm-up, the rate goes on where it was.
    let young = settings.extended(to: .steps(4000), steps: 50, tokens: 0, seconds: 0)
    #expect(
      abs(young.learningRate(at: 50.0 / 4000, steps: 50) - settings.learningRate(at: 0.05, steps: 50)) < 1e-12
    )
    #expect(abs(young.warmup * 4000 - 100) < 1e-9)
    // Another unit.
    let minutes = settings.extended(to: .minutes(10), steps: 500, tokens: 0, seconds: 60)
    #expect(abs(minutes.warmup - 0.02) < 1e-12)
    #expect(settings.extended(to: .steps(20), steps: 0, tokens: 0, seconds: 0).warmup == 0.1)
    // Less than is spent ends the run where it is, and what follows is as without it.
    for (budget, end) in [
      (Budget.steps(10), Budget.steps(1000)), (.tokens(3), .tokens(70_000)),
      (.minutes(0.001), .minutes(4.7 / 60)),
    ] {
      let short = settings.extended(to: budget, steps: 1000, tokens: 70_000, seconds: 4.7)
      #expect(short.budget == end && short.warmup == 0.1)
      #expect(short.budget.progress(steps: 1000, tokens: 70_000, seconds: 4.7) >= 1)
      let long = short.extended(to: .steps(2000), steps: 1000, tokens: 70_000, seconds: 4.7)
      #expect(long.warmup == 0.05)
    }
  }
}
