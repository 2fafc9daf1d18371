import Foundation
import RunnelCorpora
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@testable import RunnelTraining

@Suite("training is repeatable, resumable, and stops at what is not a number")
struct TrainerTests {
  static let vocabulary = 32

  static func corpus(in folder: String) throws -> Corpus {
    try makeCorpus(
      chains([700, 90, 1, 1300, 400], vocabulary: vocabulary, seed: 21), vocabulary: vocabulary, in: folder)
  }

  static var settings: TrainingSettings {
    var settings = TrainingSettings()
    (settings.batch, settings.segment, settings.seed) = (3, 40, 7)
    (settings.budget, settings.warmup) = (.steps(40), 0.1)
    return settings
  }

  static func trainer<M: SequenceMixer>(
    _: M.Type, _ corpus: Corpus, settings: TrainingSettings = settings
  ) throws -> Trainer {
    let model = try LanguageModel(.init(M.self, vocabularySize: vocabulary, width: 32, layers: 2), seed: 3)
    return Trainer(
      model, settings: settings,
      sampler: try SegmentSampler(
        corpus, lanes: settings.batch, length: settings.segment, seed: settings.seed,
        resetAtDocuments: settings.resetAtDocuments))
  }

  static func losses(_ trainer: inout Trainer, _ count: Int) throws -> [Double] {
    try (0..<count).map { _ in try trainer.step().loss }
  }

  /// Recorded on x86-64 with AVX-512. They move when the mathematics, the initialisation, the order of the data or the
  /// update moves, and then a commit says why.
  static let pinned: [String: [Double]] = [
    "mamba2": [
      3.487716, 3.477330, 3.474117, 3.459581, 3.436873, 3.438366, 3.393001, 3.407991, 3.394842, 3.385840,
    ],
    "retnet": [
      3.475375, 3.482038, 3.459171, 3.469361, 3.424921, 3.407390, 3.379647, 3.369851, 3.365465, 3.352869,
    ],
  ]

  @Test("the first ten losses of a pinned model are the recorded ones", arguments: ["mamba2", "retnet"])
  func firstLosses(name: String) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws {
      try withFolder { folder in
        var trainer = try Self.trainer(type, Self.corpus(in: folder))
        let losses = try Self.losses(&trainer, 10), expected = try #require(Self.pinned[name])
        let isSame =
          losses.count == expected.count && zip(losses, expected).allSatisfy { abs($0 / $1 - 1) < 1e-3 }
        #expect(isSame, "\(name): \(losses)")
      }
    }
    try check(try Registry.mixer(named: name))
  }

  @Test("the same seed gives the same bits, and a copy goes on as the original", arguments: Registry.names)
  func repeatable(name: String) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws {
      try withFolder { folder in
        let corpus = try Self.corpus(in: folder)
        var first = try Self.trainer(type, corpus), second = try Self.trainer(type, corpus)
        #expect(try Self.losses(&first, 4) == Self.losses(&second, 4))
        #expect(first.model.fingerprint == second.model.fingerprint)
        var fork = first
        let forked = try Self.losses(&fork, 3)
        #expect(first.steps == 4 && first.model.fingerprint == second.model.fingerprint)
        #expect(try Self.losses(&first, 3) == forked)
        #expect(first.model.fingerprint == fork.model.fingerprint && first.tokens == 7 * 3 * 40)
      }
    }
    try check(try Registry.mixer(named: name))
  }

  @Test("a resumed run has the bits of the uninterrupted one", arguments: Registry.names)
  func resumes(name: String) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws {
      try withFolder { folder in
        let corpus = try Self.corpus(in: folder)
        var trainer = try Self.trainer(type, corpus)
        _ = try Self.losses(&trainer, 5)
        let record = RunRecord(
          mixer: name, settings: trainer.settings, corpus: corpus.path,
          cursor: trainer.sampler.cursor, steps: trainer.steps, tokens: trainer.tokens, seconds: 1.5,
          threads: 2)
        try RunFolder.save(trainer, record: record, to: folder + "/run")
        #expect(try RunFolder.record(folder + "/run") == record)
        var resumed = try RunFolder.resume(folder + "/run", corpora: CorpusMixture(corpus))
        #expect(resumed.steps == 5 && resumed.tokens == trainer.tokens && resumed.seconds == 1.5)
        // Past the end of the first epoch, whose seed is then needed.
        #expect(try Self.losses(&resumed, 15) == Self.losses(&trainer, 15))
        #expect(resumed.model.fingerprint == trainer.model.fingerprint)
        #expect(resumed.sampler.cursor == trainer.sampler.cursor)
      }
    }
    try check(try Registry.mixer(named: name))
  }

  @Test("a run does not go on with another corpus")
  func otherCorpus() throws {
    try withFolder { folder in
      let corpus = try Self.corpus(in: folder)
      let trainer = try Self.trainer(LRU.self, corpus)
      let record = RunRecord(
        mixer: "lru", settings: trainer.settings, corpus: corpus.path,
        cursor: trainer.sampler.cursor, steps: 0, tokens: 0, seconds: 0, threads: 1)
      try RunFolder.save(trainer, record: record, to: folder + "/run")
      let other = try makeCorpus(chains([500], vocabulary: 32, seed: 1), vocabulary: 32, in: folder)
      let text = sentence {
        _ = try RunFolder.resume(folder + "/run", corpora: CorpusMixture(other))
      }
      #expect(text.contains("500 tokens") && text.contains("2491"))
    }
  }

  @Test("a text that repeats itself is learnt to below half a nat in 150 steps", arguments: Registry.names)
  func learns(name: String) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws {
      try withFolder { folder in
        let text: [Int32] = (0..<4000).map { Int32([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8][$0 % 12]) }
        let corpus = try makeCorpus([text], vocabulary: 16, in: folder)
        var settings = TrainingSettings()
        (settings.batch, settings.segment, settings.learningRate) = (4, 32, 5e-3)
        settings.budget = .steps(150)
        let model = try LanguageModel(.init(M.self, vocabularySize: 16, width: 32, layers: 2), seed: 3)
        var trainer = Trainer(
          model, settings: settings, sampler: try SegmentSampler(corpus, lanes: 4, length: 32, seed: 1))
        let losses = try Self.losses(&trainer, 150)
        #expect(losses[0] > 2.2 && losses[0] < 3.4, "\(name): \(losses[0])")
        #expect(losses.suffix(10).reduce(0, +) / 10 < 0.5, "\(name): \(losses.suffix(10))")
      }
    }
    try check(try Registry.mixer(named: name))
  }

  @Test("what is not a number stops the run, is named, and changes nothing")
  func notANumber() throws {
    try withFolder { folder in
      let corpus = try Self.corpus(in: folder)
      let good = try Self.trainer(Mamba.self, corpus)
      for name in ["layers.1.mixer.A_log", "embedding.weight", "norm.weight"] {
        let broken = good.model.replacingParameters {
          var value = $0.value
          if $0.name == name { value[0] = .nan }
          return value
        }
        var trainer = Trainer(broken, settings: Self.settings, sampler: good.sampler)
        let before = (trainer.model.fingerprint, trainer.sampler.cursor)
        let text = sentence { _ = try trainer.step() }
        #expect(text.contains(name) && text.contains("step 1"), "\(text)")
        #expect(trainer.model.fingerprint == before.0 && trainer.sampler.cursor == before.1)
        #expect(trainer.steps == 0 && trainer.tokens == 0)
      }
    }
  }

  @Test(
    "finite parameters whose numbers overflow are told by the place where they first do",
    arguments: [
      // What is made large; the place and the operation in it.
      (
        ["norm.weight": 1e38, "embedding.weight": 1e3],
        "embedding: linearCrossEntropy, at embedding.weight, gives"
      ),
      (
        ["layers.1.mixer.in_proj.weight": 3e38],
        "layers.1.mixer: linear, at layers.1.mixer.in_proj.weight, gives"
      ),
      (["layers.0.norm.weight": 3e38, "layers.1.norm.weight": 3e38], "layers.0."),
      (["layers.0.mixer.in_proj.weight": 3e38, "layers.1.norm.weight": 3e38], "layers.0.mixer: linear"),
    ] as [([String: Float], String)])
  func overflow(factors: [String: Float], place: String) throws {
    try withFolder { folder in
      let good = try Self.trainer(Mamba.self, Self.corpus(in: folder))
      let huge = good.model.replacingParameters { (factors[$0.name] ?? 1) * $0.value }
      for recomputes in [false, true] {
        var settings = Self.settings
        settings.recomputes = recomputes
        var trainer = Trainer(huge, settings: settings, sampler: good.sampler)
        let before = trainer.model.fingerprint
        let text = sentence { _ = try trainer.step() }
        #expect(text.contains("overflow in step 1") && text.contains(place), "\(text)")
        #expect(trainer.steps == 0 && trainer.model.fingerprint == before)
      }
    }
  }

  @Test("a gradient that overflows behind a finite loss is told by its place on the way back")
  func gradientOverflow() throws {
    try withFolder { folder in
      let corpus = try Self.corpus(in: folder)
      var configuration = ModelConfiguration(
        Mamba.self, vocabularySize: Self.vocabulary, width: 32, layers: 2, tiesEmbedding: false)
      // Of tokens that are all zero, the model makes zero; but what goes back to them is multiplied, too.
      configuration.embeddingScale = 3e38
      let model = try LanguageModel(configuration, seed: 3).replacingParameters {
        $0.name == "embedding.weight" ? Tensor(zeros: $0.value.shape) : $0.value
      }
      var trainer = Trainer(
        model, settings: Self.settings, sampler: try SegmentSampler(corpus, lanes: 3, length: 40, seed: 7))
      let text = sentence { _ = try trainer.step() }
      #expect(
        text.contains("in step 1: embedding: the gradient behind *, at embedding.weight, is"), "\(text)")
      #expect(trainer.steps == 0 && trainer.model.fingerprint == model.fingerprint)
    }
  }

  @Test("a gradient that overflows within a layer is told by its operation, kept activations or not")
  func layerGradientOverflow() throws {
    try withFolder { folder in
      let good = try Self.trainer(GLA.self, Self.corpus(in: folder))
      // What the layer gives is zero; what goes back into it is not.
      let steep = good.model.replacingParameters {
        switch $0.name {
        case "layers.1.mixer.g_proj.weight": Tensor(zeros: $0.value.shape)
        case "layers.1.mixer.o_proj.weight": Tensor(repeating: 3e38, $0.value.shape)
        case "norm.weight": 1e6 * $0.value
        default: $0.value
        }
      }
      let told = [false, true].map { recomputes in
        var settings = Self.settings
        settings.recomputes = recomputes
        var trainer = Trainer(steep, settings: settings, sampler: good.sampler)
        return sentence { _ = try trainer.step() }
      }
      #expect(told[0] == told[1] && told[0].contains("layers.1.mixer: the gradient"), "\(told)")
    }
  }

  @Test("the state goes on into the next segment, or is forgotten", arguments: [true, false])
  func carry(carries: Bool) throws {
    try withFolder { folder in
      let corpus = try makeCorpus(chains([3000], vocabulary: 32, seed: 22), vocabulary: 32, in: folder)
      var settings = Self.settings
      settings.carryState = carries
      var trainer = try Self.trainer(RetNet.self, corpus, settings: settings)
      _ = try Self.losses(&trainer, 3)
      var sampler = trainer.sampler
      let segment = try sampler.next()
      func loss(_ state: ModelState) -> Double {
        var state = state
        let loss = trainer.model.loss(
          segment.inputs, targets: segment.targets, batch: 3, resets: Resets(rows: segment.resets),
          state: &state)
        return Double(loss.mean.scalar)
      }
      let (kept, fresh) = (loss(trainer.state), loss(trainer.model.initialState(batch: 3)))
      #expect(abs(kept - fresh) > 1e-6)
      let measured = try trainer.step().loss
      #expect(abs(measured - (carries ? kept : fresh)) < 1e-6)
    }
  }

  @Test("a stretch of a corpus has one loss in all forms", arguments: Registry.names, [1, 3])
  func evaluation(name: String, lanes: Int) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws {
      try withFolder { folder in
        let corpus = try Self.corpus(in: folder)
        let model = try smallModel(type, vocabulary: Self.vocabulary)
        let stretches = evenStretches(of: corpus.range(of: .train), limit: 1201, length: 64)
        let scores = try Form.allCases.map {
          try evaluate(model, on: corpus, stretches: stretches, lanes: lanes, length: 64, form: $0)
        }
        for score in scores {
          #expect(score.tokens == 1200)
          #expect(abs(score.loss / scores[0].loss - 1) < 1e-5, "\(name): \(scores.map(\.loss))")
        }
      }
    }
    try check(try Registry.mixer(named: name))
  }
}

@Suite("schedules and budgets")
struct ScheduleTests {
  @Test(
    "the rate at the start, where the warm-up ends, in the middle and at the end",
    arguments: [
      (Schedule.cosine, [1e-3, 0.5, 1, 0.55, 0.1]), (.linear, [1e-3, 0.5, 1, 0.55, 0.1]),
      (.constant, [1e-3, 0.5, 1, 1, 1]), (.wsd, [1e-3, 0.5, 1, 1, 0.1]),
      (.robbinsMonro, [1e-3, 0.5, 1, 1, 1]),
    ])
  func factors(schedule: Schedule, expected: [Double]) {
    func at(_ progress: Double, warmup: Double = 0.2, final: Double = 0.1) -> Double {
      Self.factor(schedule, progress, warmup: warmup, final: final)
    }
    for (progress, factor) in zip([0, 0.1, 0.2, 0.6, 1], expected) {
      #expect(abs(at(progress) - factor) < 1e-12)
    }
    // A quarter down half a cosine is above the line.
    let quarter = at(0.4, final: 0)
    let shares: [Schedule: Double] = [.cosine: (1 + 0.5.squareRoot()) / 2, .linear: 0.75]
    #expect(abs(quarter - (shares[schedule] ?? 1)) < 1e-12)
    #expect(at(0, warmup: 0) == 1)
    #expect(at(1.5) == at(1))
    #expect(at(0.5, warmup: 1, final: 0) == 0.5)
  }

  /// Before the first step, of a peak of 1.
  private static func factor(
    _ schedule: Schedule, _ progress: Double, warmup: Double, final: Double, decay: Double = 0.2
  ) -> Double {
    var settings = TrainingSettings()
    (settings.schedule, settings.learningRate) = (schedule, 1)
    (settings.warmup, settings.finalRate, settings.decayShare) = (warmup, final, decay)
    return settings.learningRate(at: progress, steps: 0)
  }

  @Test(
    "a rate that decays at the end stays until then and falls as one minus the root of what is left behind")
  func warmupStableDecay() {
    func factor(_ progress: Double, decay: Double = 0.4, warmup: Double = 0.1) -> Double {
      Self.factor(.wsd, progress, warmup: warmup, final: 0.2, decay: decay)
    }
    for (progress, expected) in [(0.1, 1), (0.6, 1), (0.7, 0.6), (0.8, 1 - 0.8 * 0.5.squareRoot()), (1, 0.2)]
    {
      #expect(abs(factor(progress) - expected) < 1e-12, "\(progress)")
    }
    #expect(factor(1, decay: 0) == 1 && abs(factor(0.25, decay: 1, warmup: 0) - 0.6) < 1e-12)
    #expect(factor(0.5, decay: 1, warmup: 0.5) == 1)
  }

  @Test("Robbins and Monro's rate is a / (t + b)^γ, counted in steps, whatever the budget")
  func robbinsMonro() {
    var settings = TrainingSettings()
    (settings.schedule, settings.warmup, settings.learningRate) = (.robbinsMonro, 0, 0.5)
    (settings.offset, settings.exponent) = (20, 0.6)
    let a = 0.5 * pow(20, 0.6)
    for t in [0, 1, 7, 500, 100_000] {
      let expected = a / pow(Double(t) + 20, 0.6)
      for progress in [0, 0.3, 1] {
        #expect(abs(settings.learningRate(at: progress, steps: t) / expected - 1) < 1e-12)
      }
    }
    settings.warmup = 0.5
    #expect(abs(settings.learningRate(at: 0.25, steps: 0) - 0.25) < 1e-12)
  }

  @Test("a budget counts what it is made of")
  func budgets() {
    func shares(_ budget: Budget) -> [Double] {
      [(0, 0, 0.0), (5, 300, 90.0), (10, 600, 180.0)].map {
        budget.progress(steps: $0.0, tokens: $0.1, seconds: $0.2)
      }
    }
    #expect(shares(.steps(10)) == [0, 0.5, 1])
    #expect(shares(.tokens(600)) == [0, 0.5, 1])
    #expect(shares(.minutes(3)) == [0, 0.5, 1])
  }

  @Test("settings refuse nonsense by name")
  func settings() throws {
    func refusal(_ change: (inout TrainingSettings) -> Void) -> String {
      var settings = TrainingSettings()
      change(&settings)
      return sentence { try settings.validate() }
    }
    #expect(refusal { _ in } == "no error")
    #expect(refusal { $0.batch = 0 }.contains("batch is 0"))
    #expect(refusal { $0.learningRate = .nan }.contains("learning_rate"))
    #expect(refusal { $0.beta2 = 1 }.contains("beta2 is 1.0"))
    #expect(refusal { $0.warmup = -0.1 }.contains("warmup"))
    #expect(refusal { $0.budget = .minutes(0) }.contains("budget"))
    #expect(refusal { $0.accumulate = 0 }.contains("accumulate is 0"))
    #expect(refusal { $0.accumulate = 1 << 20 + 1 }.contains("between 1 and 1048576"))
    #expect(refusal { $0.batch = 1 << 25 }.contains("batch is 33554432"))
    #expect(refusal { $0.average = .ema(1) }.contains("average is ema:1.0"))
    #expect(refusal { $0.validationInterval = -1 }.contains("validation_interval is -1"))
    #expect(refusal { $0.validationTokens = -1 }.contains("validation_limit is -1"))
    #expect(refusal { $0.checkpointMinutes = .infinity }.contains("checkpoint_minutes is inf"))
    #expect(refusal { $0.keptCheckpoints = 1001 }.contains("kept_checkpoints is 1001"))
    #expect(refusal { $0.momentum = 0.5 }.contains("momentum goes with the optimizer sgd or muon"))
    #expect(refusal { ($0.optimizer, $0.momentum) = (.muon, 1) }.contains("momentum is 1.0"))
    #expect(refusal { $0.nesterov = true }.contains("nesterov goes with the momentum of sgd"))
    #expect(refusal { ($0.optimizer, $0.nesterov) = (.muon, true) }.contains("that of muon is Nesterov's"))
    #expect(refusal { ($0.optimizer, $0.momentum, $0.nesterov) = (.sgd, 0, true) }.contains("nesterov"))
    #expect(refusal { $0.decayShare = 2 }.contains("decay_share is 2.0"))
    #expect(refusal { $0.offset = 0 }.contains("offset is 0.0"))
    #expect(refusal { $0.exponent = 1.5 }.contains("exponent is 1.5"))
    #expect(refusal { $0.spikeGuard = 1 }.contains("spike_guard is 1.0"))
    #expect(refusal { $0.rates = RateFactors(["norm": -1]) }.contains("-1.0 for norm"))
    #expect(refusal { $0.keepBest = true }.contains("--validate-every"))
    #expect(refusal { ($0.patience, $0.validationInterval) = (0, 1) }.contains("patience is 0"))
  }

  /// A change of the settings, and what is said of it.
  static let outOfRange: [(change: @Sendable (inout TrainingSettings) -> Void, words: String)] = [
    ({ $0.budget = .steps(0) }, "--steps is 0"), ({ $0.budget = .minutes(.nan) }, "--minutes is nan"),
    ({ $0.validationInterval = -1 }, "--validate-every is -1"),
    ({ $0.validationTokens = -1 }, "--validation-tokens is -1"),
    ({ $0.checkpointInterval = -1 }, "--checkpoint-every is -1"), ({ $0.decayShare = 2 }, "--decay is 2.0"),
    ({ $0.keptCheckpoints = 0 }, "--keep-checkpoints is 0"),
    ({ $0.learningRate = 0 }, "--learning-rate is 0.0"),
    ({ $0.rates = RateFactors(["norm": -1]) }, "--rate has -1.0 for norm"),
    ({ ($0.momentum, $0.keepBest, $0.nesterov) = (0.5, true, true) }, "no error"),
  ]

  @Test(
    "what is out of its range is told with the option that sets it, whatever else does not fit",
    arguments: outOfRange)
  func options(change: @Sendable (inout TrainingSettings) -> Void, words: String) {
    var settings = TrainingSettings()
    change(&settings)
    let text = sentence { try settings.validateOptions() }
    #expect(text.hasPrefix(words), "\(text)")
  }
}
