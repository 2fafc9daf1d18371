import Foundation
import RunnelCheckpoints
import RunnelCorpora
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelReference
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

  func trainer<Mixer: SequenceMixer>(_ mixer: Mixer.Type, steps: Int = 12) throws -> Trainer<LanguageModel> {
    var settings = TrainingSettings()
    (settings.batch, settings.segment, settings.budget) = (3, 40, .steps(steps))
    let sampler = try LaneSampler(
      corpus, lanes: settings.batch, length: settings.segment, seed: settings.seed)
    let model = try LanguageModel(
      ModelConfiguration(mixer, vocabularySize: 256, width: 32, layers: 2), seed: settings.seed)
    return Trainer(model, settings: settings, sampler: sampler)
  }

  @Test("a resumed run is the uninterrupted one, bit for bit", arguments: Registry.names)
  func resume(name: String) throws {
    func check<Mixer: SequenceMixer>(_ mixer: Mixer.Type) throws {
      let run = folder.path + "/" + name
      var straight = TrainingRun(try trainer(mixer), corpus: corpus, folder: run + "-straight")
      _ = try straight.run(shouldStop: { false }, report: { _ in })
      var stopped = TrainingRun(try trainer(mixer), corpus: corpus, folder: run)
      nonisolated(unsafe) var steps = 0
      _ = try stopped.run(shouldStop: { steps >= 5 }, report: { _ in steps += 1 })
      #expect(try RunFolder.record(run).steps == 5)
      let model = try #require(try ModelFolder.load(run) as? LanguageModel)
      var resumed = TrainingRun(
        try RunFolder.resume(run, model: model, corpus: corpus), corpus: corpus, folder: run)
      _ = try resumed.run(shouldStop: { false }, report: { _ in })
      #expect(resumed.trainer.model.fingerprint == straight.trainer.model.fingerprint)
    }
    try check(Registry.mixer(named: name))
  }
}
