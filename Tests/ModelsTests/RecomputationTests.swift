/// Training that computes its activations twice: the bits of the training that keeps them.

import RunnelCorpora
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@testable import RunnelTraining

@Suite("activations computed twice")
struct RecomputationTests {
  /// Loss, gradients and the state behind a segment that begins in the middle of a document and has another in it.
  private func step(_ model: LanguageModel, segments: Int = 2, recomputes: Bool) -> (
    loss: Float, all: [[Float]], state: [[Float]]
  ) {
    let ids = (0..<3 * 37).map { Int32($0 * 7 % model.vocabularySize) }
    var leaves: [Tensor] = []
    let tracked = model.replacingParameters { parameter in
      leaves.append(parameter.value.tracked())
      return leaves[leaves.count - 1]
    }
    // Where an initial state is a parameter, its gradient comes through the state.
    var state = tracked.initialState(batch: 3)
    let losses = (0..<segments).map { _ in
      tracked.loss(
        ids, targets: ids.map { ($0 + 1) % Int32(model.vocabularySize) }, batch: 3,
        resets: Resets(rows: [[], [11, 12], [36]]), state: &state, recomputes: recomputes
      ).mean
    }
    let loss = losses.dropFirst().reduce(losses[0], +)
    return (
      loss.scalar, gradients(of: loss, for: leaves).map(\.scalars), state.tensors.map(\.value.scalars)
    )
  }

  @Test("loss, gradients and state have the bits of those with kept activations", arguments: Registry.names)
  func sameBits(name: String) throws {
    let model = try LanguageModel(
      ModelConfiguration(try Registry.pattern(name), vocabularySize: 48, width: 32, layers: 3), seed: 3
    ).perturbed(seed: 4)
    let (kept, twice) = (step(model, recomputes: false), step(model, recomputes: true))
    #expect(kept.loss == twice.loss && kept.state == twice.state)
    for (parameter, (a, b)) in zip(model.parameters, zip(kept.all, twice.all)) {
      #expect(a == b, "\(name): \(parameter.name)")
    }
  }

  @Test("a pattern of mixers, and tuned initial states")
  func patterns() throws {
    // Where segments follow each other on one tape, the gradients of a tuned state are summed in another order.
    let patterns = [
      (try Registry.pattern("mamba,attention,rwkv7").map { MixerChoice($0, width: 32) }, 2),
      ([try MixerChoice(RWKV7.self, width: 32, settings: [("starts_tuned", "true")])], 1),
    ]
    for (pattern, segments) in patterns {
      let model = try LanguageModel(
        ModelConfiguration(pattern, vocabularySize: 48, width: 32, layers: 3), seed: 3
      ).perturbed(seed: 4)
      let kept = step(model, segments: segments, recomputes: false)
      let twice = step(model, segments: segments, recomputes: true)
      #expect(kept.loss == twice.loss && kept.state == twice.state)
      for (parameter, (a, b)) in zip(model.parameters, zip(kept.all, twice.all)) {
        #expect(a == b, "\(parameter.name)")
      }
    }
  }

  @Test("a run may change to it and back: no bit of the model knows")
  func resumes() throws {
    let folder = try TemporaryFolder()
    let corpora = try CorpusMixture([
      (try makeCorpus(chains([3000, 900], vocabulary: 32, seed: 1), vocabulary: 32, in: folder.path), 1)
    ])
    func trainer() throws -> Trainer {
      var settings = TrainingSettings()
      (settings.batch, settings.segment, settings.budget) = (3, 24, .steps(12))
      return Trainer(
        try LanguageModel(.init(Mamba2.self, vocabularySize: 32, width: 32, layers: 2), seed: 1),
        settings: settings,
        sampler: try SegmentSampler(corpora, strategy: .lanes, lanes: 3, length: 24, seed: 1))
    }
    var whole = TrainingRun(try trainer(), folder: folder.path + "/whole")
    _ = try whole.run()
    var cut = TrainingRun(try trainer(), folder: folder.path + "/cut")
    nonisolated(unsafe) var steps = 0
    _ = try cut.run(shouldStop: { steps >= 5 }, report: { _ in steps += 1 })
    var options = TrainingOptions()
    options.recomputes = true
    var resumed = try TrainingPlan(
      resuming: folder.path + "/cut", options: options
    ).begin()
    _ = try resumed.run()
    #expect(resumed.trainer.settings.recomputes)
    #expect(resumed.trainer.changes.map(\.setting) == ["recompute"])
    #expect(resumed.trainer.model.fingerprint == whole.trainer.model.fingerprint)
  }
}
