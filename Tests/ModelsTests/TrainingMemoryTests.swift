import Foundation
import RunnelCorpora
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import Testing

@testable import RunnelTensors
@testable import RunnelTraining

@Suite("the memory of training is known before, and holds nothing twice")
struct TrainingMemoryTests {
  /// The most bytes of tensors that a run of a few steps had.
  private func peak(
    _ configuration: ModelConfiguration, batch: Int, segment: Int, in folder: String
  ) throws -> Int {
    let text = chains([2000], vocabulary: configuration.vocabularySize, seed: 5)
    let corpus = try makeCorpus(text, vocabulary: configuration.vocabularySize, in: folder)
    var settings = TrainingSettings()
    (settings.batch, settings.segment, settings.budget) = (batch, segment, .steps(3))
    (settings.validationInterval, settings.validationTokens) = (2, 2)
    let gauge = MemoryGauge()
    try gauge.measure {
      var run = TrainingRun(
        Trainer(
          try LanguageModel(configuration, seed: 1), settings: settings,
          sampler: try SegmentSampler(corpus, lanes: batch, length: segment, seed: 1), prefetches: false),
        folder: folder + "/run")
      _ = try run.run(shouldStop: { false }, report: { _ in })
    }
    return gauge.peak
  }

  @Test("a run takes what was said, whatever its layers are", arguments: Registry.names)
  func estimate(name: String) throws {
    try withFolder { folder in
      let mixer = try Registry.mixer(named: name)
      let configuration = ModelConfiguration(mixer, vocabularySize: 32, width: 64, layers: 4)
      let said = try TrainingMemory(configuration, batch: 4, segment: 128)
      let taken = try peak(configuration, batch: 4, segment: 128, in: folder)
      #expect(said.total == said.parameters + said.gradients + said.moments + said.activations)
      #expect(abs(Double(said.total) / Double(taken) - 1) < 0.15, "\(name): said \(said), taken \(taken)")
    }
  }

  @Test(
    "sixteen bytes per parameter: a step changes parameters and moments where they are",
    arguments: ["mamba", "retnet", "rwkv7", "gla"], [true, false])
  func nothingTwice(name: String, isTied: Bool) throws {
    try withFolder { folder in
      let configuration = ModelConfiguration(
        try Registry.mixer(named: name), vocabularySize: 32, width: 256, layers: 6, tiesEmbedding: isTied)
      let bytes = 4 * (try LanguageModel(blank: configuration).parameterCount)
      let taken = try peak(configuration, batch: 1, segment: 2, in: folder)
      // What a layer derives from its parameters is there beside, for a moment.
      #expect(Double(taken) < 4.4 * Double(bytes), "\(name): \(Double(taken) / Double(bytes)) times")
    }
  }

  @Test("a fork of a trainer keeps its own numbers when the other goes on")
  func fork() throws {
    try withFolder { folder in
      var trainer = try TrainerTests.trainer(Mamba2.self, TrainerTests.corpus(in: folder))
      _ = try trainer.step()
      let fork = trainer, before = fork.model.fingerprint
      _ = try trainer.step()
      #expect(fork.model.fingerprint == before && trainer.model.fingerprint != before)
      var late = fork
      _ = try late.step()
      #expect(late.model.fingerprint == trainer.model.fingerprint)
    }
  }

  @Test("what cannot fit is refused in one sentence that says what it is made of")
  func refusal() throws {
    let configuration = ModelConfiguration(Mamba.self, vocabularySize: 256, width: 64, layers: 2)
    let memory = try TrainingMemory(configuration, batch: 1 << 20, segment: 1 << 20)
    let text = sentence { try memory.check(fitsInto: 1 << 34) }
    #expect(
      text.contains("training takes about") && text.contains("activations") && text.contains("17 GB")
        && text.contains("lower --batch or --segment"), "\(text)")
    try TrainingMemory(configuration, batch: 1, segment: 16).check()
  }
}
