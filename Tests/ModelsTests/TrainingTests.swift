import Foundation
import RunnelCheckpoints
import RunnelCorpora
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelReference
import RunnelSynthesis
import RunnelTensors
import RunnelTraining
import Testing

/// A folder that goes away with the test.
final class TemporaryFolder: Sendable {
  let path = FileManager.default.temporaryDirectory.path + "/runnel-test-\(UUID().uuidString)"
  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }
}

@Suite("an interrupted run")
struct TrainingTests {
  let folder: TemporaryFolder
  let corpus: Corpus

  init() throws {
    folder = try TemporaryFolder()
    try Stories.write(to: folder.path + "/c.tokens.zst", bytes: 60_000, seed: 4)
    corpus = try Corpus(path: folder.path + "/c.tokens.zst")
  }

  func trainer(_ pattern: [any SequenceMixer.Type], steps: Int = 12) throws -> Trainer {
    var settings = TrainingSettings()
    (settings.batch, settings.segment, settings.budget) = (3, 40, .steps(steps))
    let sampler = try SegmentSampler(
      corpus, lanes: settings.batch, length: settings.segment, seed: settings.seed)
    let model = try LanguageModel(
      ModelConfiguration(pattern, vocabularySize: 256, width: 32, layers: max(2, pattern.count)),
      seed: settings.seed)
    return Trainer(model, settings: settings, sampler: sampler)
  }

  @Test(
    "a resumed run is the uninterrupted one, bit for bit", arguments: Registry.names + HybridTests.patterns)
  func resume(names: String) throws {
    let pattern = try Registry.pattern(names)
    let run = folder.path + "/" + names
    var straight = TrainingRun(try trainer(pattern), folder: run + "-straight")
    _ = try straight.run(shouldStop: { false }, report: { _ in })
    var stopped = TrainingRun(try trainer(pattern), folder: run)
    nonisolated(unsafe) var steps = 0
    _ = try stopped.run(shouldStop: { steps >= 5 }, report: { _ in steps += 1 })
    let record = try RunFolder.record(run)
    #expect(record.steps == 5 && record.mixer == names)
    var resumed = TrainingRun(
      try RunFolder.resume(run, corpora: CorpusMixture(corpus)), folder: run)
    _ = try resumed.run(shouldStop: { false }, report: { _ in })
    #expect(resumed.trainer.model.fingerprint == straight.trainer.model.fingerprint)
  }
}
