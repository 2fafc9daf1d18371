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
    _ configuration: ModelConfiguration, batch: Int, segment: Int, in folder: String,
    _ change: (inout TrainingSettings) -> Void = { _ in }
  ) throws -> Int {
    let text = chains([2000], vocabulary: configuration.vocabularySize, seed: 5)
    let corpus = try makeCorpus(text, vocabulary: configuration.vocabularySize, in: folder)
    var settings = TrainingSettings()
    (settings.batch, settings.segment, settings.budget) = (batch, segment, .steps(3))
    (settings.validationInterval, settings.validationTokens) = (2, 2)
    change(&settings)
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
      #expect(
        said.total == said.parameters + said.gradients + said.moments + said.averages + said.activations)
      #expect(abs(Double(said.total) / Double(taken) - 1) < 0.15, "\(name): said \(said), taken \(taken)")
    }
  }

  @Test(
    "a run takes what was said, whatever moves its weights and is kept of them",
    arguments: OptimizerName.allCases,
    [1, 2])
  func estimate(optimizer: OptimizerName, accumulate: Int) throws {
    try withFolder { folder in
      let configuration = ModelConfiguration(GLA.self, vocabularySize: 32, width: 192, layers: 2)
      func change(_ settings: inout TrainingSettings) {
        (settings.optimizer, settings.accumulate, settings.average) = (optimizer, accumulate, .ema(0.9))
        if optimizer == .sgd { settings.momentum = 0 }
      }
      var settings = TrainingSettings()
      (settings.batch, settings.segment) = (1, 32)
      change(&settings)
      let said = try TrainingMemory(configuration, settings)
      let taken = try peak(configuration, batch: 1, segment: 32, in: folder, change)
      #expect(abs(Double(said.total) / Double(taken) - 1) < 0.15, "said \(said), taken \(taken)")
    }
  }

  @Test("without kept activations it takes less, and what was said", arguments: Registry.names)
  func estimateOfRecomputation(name: String) throws {
    try withFolder { folder in
      let configuration = ModelConfiguration(
        try Registry.mixer(named: name), vocabularySize: 32, width: 64, layers: 6)
      var settings = TrainingSettings()
      (settings.batch, settings.segment) = (4, 128)
      let kept = try TrainingMemory(configuration, settings)
      settings.recomputes = true
      let said = try TrainingMemory(configuration, settings)
      let taken = try peak(configuration, batch: 4, segment: 128, in: folder) { $0.recomputes = true }
      #expect(abs(Double(said.total) / Double(taken) - 1) < 0.15, "\(name): said \(said), taken \(taken)")
      // The windows of attention, which go on from layer to layer, are most of what it takes.
      let share = ["attention", "flash"].contains(name) ? 0.9 : 0.5
      #expect(
        Double(said.activations) < share * Double(kept.activations),
        "\(name): \(said.activations) of \(kept.activations)")
    }
  }

  @Test(
    "sixteen bytes per parameter, whatever its layers are: a step changes numbers in place and keeps none it derives",
    arguments: Registry.names)
  func nothingTwice(name: String) throws {
    let mixer = try Registry.mixer(named: name), width = 256
    /// The most bytes, those of the parameters and those of the state.
    func bytes(layers: Int) throws -> (taken: Int, parameters: Int, state: Int) {
      let configuration = ModelConfiguration(mixer, vocabularySize: 32, width: width, layers: layers)
      let model = try LanguageModel(configuration, seed: 1)
      let taken = try withFolder { try peak(configuration, batch: 1, segment: 1, in: $0) }
      return (taken, 4 * model.parameterCount, model.initialState(batch: 1).byteCount)
    }
    // What one layer at a time takes beside falls out of what two more take.
    let few = try bytes(layers: 2), more = try bytes(layers: 4)
    let parameters = more.parameters - few.parameters, state = more.state - few.state
    // A state is there before the token, behind it, and where the tape goes on from; as many numbers are Mamba's A. A row of a
    // matrix makes of the token one number, which passes at most eight operations; most rows are as long as the model is wide.
    let allowed = 4 * parameters + 4 * state + 8 * parameters / width
    #expect(
      more.taken - few.taken <= allowed,
      "\(name): \(more.taken - few.taken) bytes for \(parameters) of parameters and \(state) of state, not \(allowed)"
    )
  }

  @Test(
    "a step leaves every parameter and both its moments where they are in memory", arguments: Registry.names)
  func inPlace(name: String) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws {
      try withFolder { folder in
        var trainer = try TrainerTests.trainer(type, TrainerTests.corpus(in: folder))
        func places() -> [[UnsafePointer<Float>]] {
          zip(trainer.model.parameters, trainer.optimizer.moments).map {
            [$0.value.base, $1.first.base, $1.second.base]
          }
        }
        // Parameters that began as one tensor part ways in the first step.
        _ = try trainer.step()
        let before = places(), numbers = trainer.model.fingerprint
        for _ in 0..<2 { _ = try trainer.step() }
        #expect(trainer.model.fingerprint != numbers)
        for (parameter, (old, new)) in zip(trainer.model.parameters, zip(before, places())) {
          #expect(old == new, "\(name): \(parameter.name)")
        }
      }
    }
    try check(try Registry.mixer(named: name))
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
        && text.contains("lower --batch or --segment, take --recompute, or"), "\(text)")
    try TrainingMemory(configuration, batch: 1, segment: 16).check()
    for (batch, segment, name) in [(1, 0, "segment is 0"), (0, 1, "batch is 0")] {
      let text = sentence { _ = try TrainingMemory(configuration, batch: batch, segment: segment) }
      #expect(text.contains(name), "\(text)")
    }
  }
}
