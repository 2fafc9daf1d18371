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

@Suite("training: the same bits for a seed, straight or resumed")
struct TrainingTests {
  let folder: TemporaryFolder
  let corpus: Corpus

  init() throws {
    folder = try TemporaryFolder()
    try Stories.write(to: folder.path + "/c.tokens.zst", bytes: 60_000, seed: 4)
    corpus = try Corpus(path: folder.path + "/c.tokens.zst")
  }

  func trainer<Mixer: SequenceMixer>(_ mixer: Mixer.Type, steps: Int = 12) throws -> Trainer<
    LanguageModel<Mixer>
  > {
    var settings = TrainingSettings()
    (settings.batch, settings.segment, settings.budget) = (3, 40, .steps(steps))
    let sampler = try LaneSampler(
      corpus, lanes: settings.batch, length: settings.segment, seed: settings.seed)
    let model = try LanguageModel(
      ModelConfiguration<Mixer>(vocabularySize: 256, width: 32, layers: 2), seed: settings.seed)
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
      let model = try #require(try ModelFolder.load(run) as? LanguageModel<Mixer>)
      var resumed = TrainingRun(
        try RunFolder.resume(run, model: model, corpus: corpus), corpus: corpus, folder: run)
      _ = try resumed.run(shouldStop: { false }, report: { _ in })
      #expect(resumed.trainer.model.fingerprint == straight.trainer.model.fingerprint)
    }
    try check(Registry.mixer(named: name))
  }

  @Test func learnsARepetitiveText() throws {
    let path = folder.path + "/r.tokens.zst"
    let text = folder.path + "/r.txt"
    try String(repeating: "the cat sat on the mat. ", count: 800).write(
      toFile: text, atomically: true, encoding: .utf8)
    try CorpusBuilder.build(inputs: [text], output: path, validation: .tail(0.1))
    let corpus = try Corpus(path: path)
    var settings = TrainingSettings()
    (settings.batch, settings.segment, settings.budget, settings.learningRate) = (4, 48, .steps(120), 5e-3)
    let sampler = try LaneSampler(corpus, lanes: 4, length: 48, seed: 1)
    let model = try LanguageModel(
      ModelConfiguration<Mamba>(vocabularySize: 256, width: 32, layers: 1), seed: 1)
    var trainer = Trainer(model, settings: settings, sampler: sampler)
    for _ in 0..<120 { _ = try trainer.step() }
    let losses = try Form.allCases.map {
      try evaluate(
        trainer.model, on: corpus, range: corpus.range(of: .validation), lanes: 2, length: 64, form: $0
      ).loss
    }
    #expect(losses[0] < 0.3)
    for loss in losses { #expect(abs(loss - losses[0]) < 1e-5 * losses[0]) }
  }

  @Test func aNaNStopsWithItsNameAndChangesNothing() throws {
    let whole = try trainer(RetNet.self)
    let broken = whole.model.replacingParameters {
      guard $0.name == "layers.1.mixer.k_proj.weight" else { return $0.value }
      var value = $0.value
      value[3] = .nan
      return value
    }
    var trainer = Trainer(broken, settings: whole.settings, sampler: whole.sampler)
    let error = #expect(throws: TrainingError.self) { try trainer.step() }
    #expect(error?.description.contains("layers.1.mixer.k_proj.weight") == true)
    #expect(trainer.steps == 0 && trainer.sampler.cursor == whole.sampler.cursor)
  }

  @Test func aCopiedTrainerGoesOnAlike() throws {
    var a = try trainer(Mamba2.self)
    _ = try a.step()
    var b = a
    for _ in 0..<3 { #expect(try a.step().loss == b.step().loss) }
  }

  @Test func schedulesRiseAndFall() {
    for schedule in Schedule.allCases {
      #expect(abs(schedule.factor(progress: 0.1, warmup: 0.1, final: 0.02) - 1) < 1e-9)
      #expect(schedule.factor(progress: 0.05, warmup: 0.1, final: 0.02) == 0.5)
    }
    #expect(abs(Schedule.cosine.factor(progress: 1, warmup: 0.1, final: 0.02) - 0.02) < 1e-9)
    #expect(abs(Schedule.linear.factor(progress: 0.55, warmup: 0.1, final: 0) - 0.5) < 1e-9)
  }
}
