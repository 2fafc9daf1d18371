/// Optimisers, rates, accumulation and the guard against spikes in a trainer.

import Foundation
import RunnelCheckpoints
import RunnelCorpora
import RunnelFiles
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@testable import RunnelTraining

@Suite("what moves the weights")
struct OptimizationTests {
  let folder: TemporaryFolder
  let corpora: CorpusMixture

  init() throws {
    folder = try TemporaryFolder()
    corpora = CorpusMixture(
      try makeCorpus(chains([300, 20, 1, 90, 900], vocabulary: 32, seed: 3), vocabulary: 32, in: folder.path))
  }

  private func trainer(
    steps: Int = 14, _ change: (inout TrainingSettings) -> Void
  ) throws -> Trainer {
    var settings = TrainingSettings()
    (settings.batch, settings.segment, settings.budget) = (2, 16, .steps(steps))
    change(&settings)
    try settings.validate()
    let model = try LanguageModel(
      .init(GLA.self, vocabularySize: 32, width: 16, layers: 2, tiesEmbedding: false), seed: 3)
    return Trainer(
      model, settings: settings,
      sampler: try SegmentSampler(
        corpora, lanes: settings.batch, length: settings.segment, seed: settings.seed))
  }

  @Test(
    "a resumed run has the bits of the uninterrupted one, whatever moves its weights and is kept of them",
    arguments: OptimizerName.allCases,
    [(nil, 1), (nil, 3), (.ema(0.9), 1), (.ema(0.9), 3), (.polyak(from: 0.3), 1), (.polyak(from: 0.3), 3)]
      as [(WeightAverage?, Int)])
  func resumes(optimizer: OptimizerName, kept: (average: WeightAverage?, accumulate: Int)) throws {
    let (average, accumulate) = kept
    func make() throws -> Trainer {
      try trainer {
        $0.suit(optimizer)
        ($0.average, $0.accumulate, $0.spikeGuard) = (average, accumulate, 1.1)
        $0.rates = RateFactors(["embedding": 0.5])
      }
    }
    let path = folder.path + "/run"
    var straight = TrainingRun(try make(), folder: path + "-straight")
    _ = try straight.run()
    var stopped = TrainingRun(try make(), folder: path), steps = 0
    _ = try stopped.run(shouldStop: { steps >= 6 }, report: { if $0.validated == nil { steps += 1 } })
    #expect(try RunFolder.record(path).steps == 6)
    var resumed = TrainingRun(try RunFolder.resume(path, corpora: corpora), folder: path)
    _ = try resumed.run()
    #expect(essence(resumed.trainer) == essence(straight.trainer))
    #expect(resumed.trainer.tally == straight.trainer.tally)
    #expect(resumed.trainer.tokens == 14 * 2 * 16 * accumulate)
    #expect(
      try bytes(of: path + "/model.safetensors") == bytes(of: path + "-straight/model.safetensors"))
  }

  /// All that decides how a run goes on.
  private func essence(_ trainer: Trainer) -> [[Float]] {
    trainer.optimizer.moments.flatMap { [$0.first.scalars, $0.second.scalars] }
      + trainer.model.parameters.map(\.value.scalars) + trainer.state.tensors.map(\.value.scalars)
      + (trainer.average?.values.map(\.scalars) ?? [])
      + [[Float(trainer.steps), Float(trainer.tokens), Float(trainer.sampler.cursor.parts[0].assigned)]]
  }

  @Test(
    "a checkpoint holds just what the optimiser keeps, and the memory is told with it",
    arguments: [
      (.adamw, nil, 2, 2), (.adam, nil, 2, 2), (.sgd, nil, 1, 1), (.sgd, 0, 0, 0), (.lion, nil, 1, 1),
      (.muon, nil, 1, 2),
    ] as [(OptimizerName, Double?, Int, Int)])
  func kept(optimizer: OptimizerName, momentum: Double?, ofMatrices: Int, ofOthers: Int) throws {
    let trainer = try trainer {
      ($0.optimizer, $0.momentum, $0.average, $0.accumulate) = (optimizer, momentum, .ema(0.5), 2)
    }
    let path = folder.path + "/run"
    try RunFolder.save(trainer, record: RunRecord(trainer, threads: 1), to: path)
    let file = try SafetensorsFile(RunFolder.checkpointPath(path))
    var bytes = 0
    for parameter in trainer.model.parameters {
      let isHidden = parameter.name.hasPrefix("layers.") && parameter.name.hasSuffix("proj.weight")
      let kept = ["first.", "second."].filter { file.contains($0 + parameter.name) }
      let expected = isHidden ? ofMatrices : ofOthers
      // Matrices whose names end otherwise are Muon's too, and vectors never are.
      if isHidden || parameter.value.shape.rank < 2 || !parameter.name.hasPrefix("layers.") {
        #expect(kept == ["first.", "second."].prefix(expected).map { $0 }, "\(parameter.name)")
      }
      #expect(file.contains("average." + parameter.name))
      bytes += 4 * kept.count * parameter.value.count
    }
    let memory = try TrainingMemory(trainer.model.configuration, trainer.settings)
    #expect(memory.moments == bytes && memory.averages == memory.parameters)
    #expect(memory.gradients == 2 * memory.parameters)
    let again = try RunFolder.resume(path, corpora: corpora)
    #expect(essence(again) == essence(trainer))
  }

  @Test("a text that repeats itself is learnt by every optimiser", arguments: OptimizerName.allCases)
  func learns(optimizer: OptimizerName) throws {
    let text: [Int32] = (0..<4000).map { Int32([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8][$0 % 12]) }
    let corpus = try makeCorpus([text], vocabulary: 16, in: folder.path)
    var settings = TrainingSettings()
    (settings.batch, settings.segment, settings.learningRate) = (4, 32, 1e-2)
    settings.budget = .steps(150)
    settings.suit(optimizer)
    let model = try LanguageModel(.init(MinGRU.self, vocabularySize: 16, width: 32, layers: 2), seed: 3)
    var trainer = Trainer(
      model, settings: settings, sampler: try SegmentSampler(corpus, lanes: 4, length: 32, seed: 1))
    let losses = try (0..<150).map { _ in try trainer.step().loss }
    #expect(losses[0] > 2.2 && losses.suffix(10).reduce(0, +) / 10 < 0.5, "\(losses.suffix(10))")
  }

  @Test(
    "gradients accumulated over segments are those of a batch of all their lanes, whatever targets they lack",
    arguments: OptimizerName.allCases)
  func accumulation(optimizer: OptimizerName) throws {
    let text = tokens(8 * 17, below: 32, seed: 4)
    /// Lanes of sixteen tokens that begin afresh, of which lane b has some targets less.
    func segment(_ lanes: Range<Int>) -> Segment {
      var segment = Segment(lanes: lanes.count, length: 16)
      for (row, lane) in lanes.enumerated() {
        for t in 0..<16 {
          segment.inputs[row * 16 + t] = text[lane * 17 + t]
          segment.targets[row * 16 + t] = t < lane ? -1 : text[lane * 17 + t + 1]
        }
        segment.resets[row] = [0]
      }
      return segment
    }
    func weights(_ segments: [Segment], lanes: Int) throws -> [Double] {
      // Small moments would be divided by the noise in them.
      var optimizer = try trainer {
        $0.suit(optimizer)
        ($0.batch, $0.epsilon, $0.clip) = (lanes, 1e-3, 1e-2)
      }.optimizer
      var state = optimizer.model.initialState(batch: lanes), tally = RunTally()
      for _ in 0..<4 {
        let report = try optimizer.step(segments, state: &state, tally: &tally, progress: 0.5)
        #expect(report.gradientNorm > 1e-2)
      }
      #expect(optimizer.steps == 4)
      return optimizer.model.parameters.flatMap(\.value.doubles)
    }
    let together = try weights([segment(0..<8)], lanes: 8)
    let apart = try weights([segment(0..<2), segment(2..<4), segment(4..<6), segment(6..<8)], lanes: 2)
    let start = try trainer { _ in }.model.parameters.flatMap(\.value.doubles)
    // Of the way that they went. Lion's signs turn where a gradient is nothing but rounding.
    let way = zip(together, start).map { $0 - $1 }, other = zip(apart, start).map { $0 - $1 }
    #expect(relativeError(other, way) < (optimizer == .lion ? 0.05 : 1e-3))
    #expect(dot(way, way) > 0)
  }

  @Test("states go on through the segments of a step, or none does", arguments: [true, false])
  func states(carries: Bool) throws {
    func make(_ accumulate: Int) throws -> Trainer {
      try trainer { ($0.carryState, $0.accumulate, $0.learningRate) = (carries, accumulate, 1e-12) }
    }
    var once = try make(1), thrice = try make(3)
    // With a rate that moves nothing, three steps read what one of three segments reads.
    let losses = try (0..<3).map { _ in try once.step().loss }
    #expect(abs(try thrice.step().loss - losses.reduce(0, +) / 3) < 1e-6)
    #expect(once.sampler.cursor == thrice.sampler.cursor && once.tokens == thrice.tokens)
    for (one, three) in zip(once.state.tensors, thrice.state.tensors) {
      #expect(relativeError(one.value, three.value) < 1e-6, "\(one.name)")
    }
  }

  @Test(
    "a pattern names the parameters that have its parts side by side",
    arguments: [
      ("embedding", ["embedding.weight"]), ("weight", ["embedding.weight", "layers.0.mixer.q_proj.weight"]),
      ("layers.0", ["layers.0.mixer.q_proj.weight", "layers.0.mixer.A_log"]),
      ("A_log", ["layers.0.mixer.A_log"]),
      ("layers.*.mixer", ["layers.0.mixer.q_proj.weight", "layers.0.mixer.A_log", "layers.10.mixer.D"]),
      ("*_proj", ["layers.0.mixer.q_proj.weight"]),
      ("*_*", ["layers.0.mixer.q_proj.weight", "layers.0.mixer.A_log"]),
      ("layers.1", []), ("proj", []), ("weight.embedding", []), ("layers.0.mixer.A_log.x", []), ("", []),
      ("1*", ["layers.10.mixer.D"]), ("mixer.D", ["layers.10.mixer.D"]),
    ])
  func patterns(pattern: String, named: [String]) {
    let all = [
      "embedding.weight", "layers.0.mixer.q_proj.weight", "layers.0.mixer.A_log", "layers.10.mixer.D",
    ]
    let factors = RateFactors([pattern: 0.5, "unknown": 7])
    #expect(all.filter { factors.factor(of: $0) == 0.5 } == named)
    #expect(all.allSatisfy { named.contains($0) || factors.factor(of: $0) == 1 })
  }

  @Test("a factor of the rate holds for the parameters that it names, and 0 keeps them")
  func rates() throws {
    func moved(_ rates: [String: Double]?) throws -> [String: Double] {
      var trainer = try trainer {
        ($0.optimizer, $0.learningRate, $0.weightDecay, $0.momentum) = (.sgd, 0.1, 0, 0)
        $0.rates = rates.map { RateFactors($0) }
      }
      let before = trainer.model.parameters
      _ = try trainer.step()
      return Dictionary(
        uniqueKeysWithValues: zip(before, trainer.model.parameters).map { old, new in
          let way = zip(old.value.doubles, new.value.doubles).map { $1 - $0 }
          return (old.name, dot(way, way).squareRoot())
        })
    }
    let usual = try moved(nil), other = try moved(["embedding": 0, "layers.1": 0.5, "norm": 3])
    for (name, way) in usual {
      let factor =
        (name.hasPrefix("embedding") ? 0 : 1) * (name.hasPrefix("layers.1.") ? 0.5 : 1.0)
        * (name.split(separator: ".").contains("norm") ? 3 : 1)
      #expect(abs((other[name] ?? -1) - factor * way) <= 2e-3 * way + 1e-7, "\(name)")
    }
  }

  @Test("a step whose gradient is a spike moves nothing, and a run whose gradients grow for good goes on")
  func guardsAgainstSpikes() {
    var tally = RunTally()
    func skips(_ norm: Double) -> Bool { tally.skips(norm: norm, above: 3) }
    // Nothing is known of the first steps.
    let calm = ([1.0, 50] + [Double](repeating: 1, count: 200)).map { skips($0) }
    #expect(!calm.contains(true))
    let isSpike = skips(4)
    #expect(isSpike && tally.skippedSteps == 1)
    let isNext = skips(2.5)
    #expect(!isNext)
    var silent = RunTally()
    // Where nothing has had a gradient, the first one is none.
    let first = (0..<30).map { silent.skips(norm: $0 == 29 ? 1 : 0, above: 3) }
    #expect(!first.contains(true))
    var skipped = 0
    while skips(40) { skipped += 1 }
    #expect(skipped > 20 && skipped < 200, "\(skipped)")
  }

  @Test("a guard that is taken on again knows nothing of the norms before it was taken off")
  func forgets() throws {
    var trainer = try trainer { _ in }
    for _ in 0..<30 { trainer.tally.gradientNorm.add(1e-9) }
    _ = try trainer.step()
    #expect(trainer.tally.gradientNorm.isEmpty)
  }

  @Test("what the guard leaves out is counted and in the log, and the data goes on")
  func skips() throws {
    let path = folder.path + "/run"
    var run = TrainingRun(try trainer(steps: 80) { $0.spikeGuard = 1.05 }, folder: path)
    let summary = try run.run()
    let log = String(decoding: try bytes(of: path + "/metrics.jsonl"), as: UTF8.self).split(separator: "\n")
    #expect(summary.skippedSteps > 0 && summary.skippedSteps < 60)
    #expect(log.count { $0.contains("\"is_skipped\":true") } == summary.skippedSteps)
    #expect(try RunFolder.record(path).tally.skippedSteps == summary.skippedSteps)
    var trainer = try trainer(steps: 80) { $0.spikeGuard = 1.05 }
    while trainer.progress < 1 {
      let before = trainer.model.fingerprint, cursor = trainer.sampler.cursor
      let step = try trainer.step()
      #expect((trainer.model.fingerprint == before) == step.isSkipped)
      #expect(trainer.sampler.cursor != cursor)
    }
    #expect(trainer.model.fingerprint == run.trainer.model.fingerprint)
  }
}
