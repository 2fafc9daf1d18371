/// What is chosen for a run where nobody asks, and what is refused before it begins.

import RunnelCorpora
import RunnelMixers
import RunnelSynthesis
import RunnelTraining
import Testing

@Suite("a plan of a run")
struct TrainingPlanTests {
  let folder: TemporaryFolder
  let text, task: String

  init() throws {
    folder = try TemporaryFolder()
    (text, task) = (folder.path + "/text.tokens.zst", folder.path + "/task.tokens.zst")
    try Stories.write(to: text, bytes: 60_000, seed: 4)
    try SelectiveCopying().write(to: task, documents: 60, seed: 1)
  }

  /// The settings of a plan.
  func settings(
    _ corpora: String, _ mixer: String = "mamba", _ change: (inout TrainingOptions) -> Void = { _ in }
  ) throws -> TrainingSettings {
    var options = TrainingOptions()
    change(&options)
    return try TrainingPlan(
      ModelShape(mixer, width: 16, layers: 1), corpora: corpora, folder: folder.path + "/plan",
      options: options
    ).settings
  }

  @Test("what nobody asks for suits the model, the corpora and the budget")
  func defaults() throws {
    #expect(try settings(text).budget == .minutes(3))
    #expect(try settings(text).carryState)
    #expect(try settings(text).sampling == .lanes)
    // Short runs have short segments where the state goes on; attention without decay does not forget.
    func step(
      _ corpora: String, _ mixer: String = "mamba", _ change: (inout TrainingOptions) -> Void = { _ in }
    ) throws -> [Int] {
      let settings = try settings(corpora, mixer, change)
      return [settings.batch, settings.segment]
    }
    #expect(try step(text) == [8, 64])
    #expect(try step(text) { $0.budget = .minutes(10) } == [8, 128])
    #expect(try step(text) { $0.budget = .tokens(1 << 30) } == [8, 256])
    #expect(try step(text) { $0.carryState = false } == [4, 256])
    #expect(try step(text) { $0.sampling = .segments } == [4, 256])
    #expect(try step(text, "linear-attention") == [4, 256])
    #expect(try step(text, "linear-attention") { $0.budget = .tokens(1 << 30) } == [8, 256])
    #expect(try step(task) == [4, 256])
    #expect(try settings(task).learningRate == 2e-3)
    #expect(try settings(text, "linear-attention").learningRate == 4e-3)
    #expect(try !settings(text, "linear-attention").carryState)
    #expect(try settings(text, "linear-attention") { $0.carryState = true }.carryState)
    #expect(try settings(task).sampling == .documents)
    #expect(try settings(task) { $0.sampling = .lanes }.sampling == .lanes)
    #expect(try settings(task) { $0.resetAtDocuments = false }.sampling == .lanes)
    #expect(try settings(text).checkpointMinutes == 5)
    #expect(try settings(text) { $0.checkpointInterval = 9 }.checkpointMinutes == 0)
    #expect(
      try settings(text) {
        $0.checkpointMinutes = 2
        $0.checkpointInterval = 9
      }.checkpointMinutes == 2)
  }

  @Test("a size or the budget decides the shape, and what is given of it stays")
  func shapes() throws {
    func shape(_ shape: ModelShape, _ budget: Budget = .steps(1)) throws -> [Int] {
      var options = TrainingOptions()
      (options.budget, options.batch, options.segment) = (budget, 1, 8)
      let model = try TrainingPlan(shape, corpora: text, folder: folder.path + "/plan", options: options)
        .configuration
      return [model.width, model.layers]
    }
    #expect(try shape(ModelShape("mamba", size: .small)) == [128, 8])
    #expect(try shape(ModelShape("retnet", size: .small)) == [128, 5])
    #expect(try shape(ModelShape("mamba", size: .medium)) == [320, 12])
    #expect(try shape(ModelShape("mamba", layers: 2), .tokens(200_000_000)) == [320, 2])
    #expect(try shape(ModelShape("mamba", size: .medium, width: 48)) == [48, 12])
    // The rate goes by the width, whoever chose it.
    func rate(_ width: Int?) throws -> Double {
      try TrainingPlan(
        ModelShape("mamba", width: width, layers: 1), corpora: text, folder: folder.path + "/plan"
      ).settings.learningRate
    }
    #expect(try [nil, 64, 128, 512].map(rate) == [4e-3, 4e-3, 4e-3, 1.5e-3])
    // Without a size the shape grows with the budget.
    #expect(try shape(ModelShape("mamba"), .minutes(0.25)) == [128, 2])
    #expect(try shape(ModelShape("mamba,mamba,attention"), .minutes(0.25)) == [128, 3])
    let sizes = try [0.25, 1, 3, 10, 30, 600].map { minutes in
      var options = TrainingOptions()
      options.budget = .minutes(minutes)
      return try TrainingPlan(
        ModelShape("mamba2"), corpora: text, folder: folder.path + "/plan", options: options
      ).configuration.parameterCount
    }
    #expect(zip(sizes, sizes.dropFirst()).allSatisfy { $0 < $1 }, "\(sizes)")
  }

  @Test(
    "a plan that is begun, stopped and resumed gives the bits of the uninterrupted run, and has the folder to itself"
  )
  func resuming() throws {
    var options = TrainingOptions()
    (options.budget, options.batch, options.segment) = (.steps(9), 2, 24)
    func plan(_ name: String) throws -> TrainingPlan {
      try TrainingPlan(
        ModelShape("gla", width: 32, layers: 1), corpora: text, folder: folder.path + "/" + name,
        options: options)
    }
    var straight = try plan("straight").begin()
    #expect(try straight.run().steps == 9)
    do {
      var stopped = try plan("stopped").begin(), steps = 0
      let busy = sentence { _ = try plan("stopped").begin() }
      #expect(busy.contains("to be the only one who trains into it"), "\(busy)")
      #expect(try stopped.run(shouldStop: { steps >= 4 }, report: { _ in steps += 1 }).wasInterrupted)
    }
    let taken = sentence { _ = try plan("stopped") }
    #expect(taken.contains("already holds a run"), "\(taken)")
    var notes: [String] = [], longer = TrainingOptions()
    longer.budget = .steps(9)
    var resumed = try TrainingPlan(resuming: folder.path + "/stopped", options: longer).begin {
      notes.append($0)
    }
    #expect(try resumed.run().steps == 9 && notes == [])
    #expect(resumed.trainer.model.fingerprint == straight.trainer.model.fingerprint)
  }

  @Test("a run that goes on says what is different, and refuses to be another model")
  func refusals() throws {
    let path = folder.path + "/run"
    var options = TrainingOptions()
    (options.budget, options.batch, options.segment) = (.steps(3), 2, 24)
    do {
      var run = try TrainingPlan(
        ModelShape("retnet", width: 32, layers: 2), corpora: text, folder: path, options: options
      ).begin()
      _ = try run.run()
    }
    for (shape, option) in [
      (try ModelShape("mamba"), "mixer"), (try ModelShape("retnet", width: 16), "width"),
      (try ModelShape("retnet", layers: 5), "layers"), (try ModelShape("retnet", size: .large), "size"),
      (ModelShape(heads: 4), "heads"), (ModelShape(settings: [("retnet.heads", "1")]), "set"),
      (ModelShape(settings: [("no_such", "1")]), "set"),
    ] {
      let refused = sentence { _ = try TrainingPlan(resuming: path, shape: shape) }
      #expect(refused.contains("--" + option), "\(option): \(refused)")
    }
    var notes: [String] = [], other = TrainingOptions()
    (other.budget, other.learningRate) = (.steps(30), 1e-4)
    _ = try TrainingPlan(resuming: path, options: other).begin { notes.append($0) }
    #expect(notes.contains { $0.hasPrefix("from step 3 on: learning_rate 0.0001, before") }, "\(notes)")
    #expect(notes.last?.hasPrefix("the learning rate goes on at") == true, "\(notes)")
    // What cannot change is refused by the plan, not only when it begins.
    for change: (inout TrainingOptions) -> Void in [
      { $0.optimizer = .lion }, { $0.batch = 3 }, { $0.average = .ema(0.9) }, { $0.seed = 9 },
    ] {
      var changed = TrainingOptions()
      change(&changed)
      let refused = sentence { _ = try TrainingPlan(resuming: path, options: changed) }
      #expect(refused.contains("cannot go on with"), "\(refused)")
    }
    var misnamed = TrainingOptions()
    misnamed.rates = RateFactors(["no.such": 1])
    let unknown = sentence { _ = try TrainingPlan(resuming: path, options: misnamed) }
    #expect(unknown.contains("\"no.such\"") && unknown.contains("layers.*.mixer."), "\(unknown)")
    let itself = sentence { _ = try TrainingPlan(from: path, corpora: text, folder: path) }
    #expect(itself.contains("would be lost"), "\(itself)")
    // The weights of a run begin another.
    var further = TrainingOptions()
    (further.budget, further.batch, further.segment, further.seed) = (.steps(1), 1, 8, 5)
    let plan = try TrainingPlan(from: path, corpora: text, folder: folder.path + "/further", options: further)
    #expect(plan.configuration.mixerName == "retnet" && plan.configuration.width == 32)
    #expect(plan.settings.origin == path && plan.settings.seed == 5)
    further.origin = "elsewhere"
    let elsewhere = sentence {
      _ = try TrainingPlan(from: path, corpora: text, folder: folder.path + "/further", options: further)
    }
    #expect(elsewhere.contains("and not from elsewhere"), "\(elsewhere)")
  }

  @Test(
    "a setting that cannot be is told with the options that asked for one",
    arguments: [(nil, ["heads"], "--set: "), (2, [], "--heads: "), (2, ["layers"], "--heads or --set: ")]
      as [(Int?, [String], String)])
  func odd(heads: Int?, names: [String], prefix: String) throws {
    // It has no heads.
    let shape = ModelShape(
      mixers: try Registry.pattern("lru"), heads: heads, settings: names.map { ($0, "x") })
    let text = sentence { _ = try shape.choices(width: 64) }
    #expect(text.hasPrefix(prefix) && text.count > prefix.count + 5, "\(text)")
  }

  @Test("an option that is not given is told from one that is given as nil")
  func options() {
    var options = TrainingOptions()
    let before = options.momentum
    #expect(before == nil && options.batch == nil)
    options.momentum = .some(nil)
    let after = options.momentum
    #expect(after != nil)
    options.momentum = nil
    let gone = options.momentum
    #expect(gone == nil)
  }

  @Test("answers are asked of a corpus that has some")
  func answers() throws {
    let refused = sentence { _ = try settings(text) { $0.targets = .answers } }
    #expect(refused.contains("goes with a corpus of a task"), "\(refused)")
    #expect(try settings(task) { $0.targets = .answers }.targets == .answers)
    #expect(try settings(text) { $0.targets = .all }.targets == .all)
  }
}
