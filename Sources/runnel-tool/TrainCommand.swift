import ArgumentParser
import Foundation
import Runnel

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Train a language model on a corpus.",
    discussion: """
      Example: runnel train --corpus stories.tokens.zst --mixer mamba --minutes 3 --out stories
      Without a size the model is chosen to fit the budget. SIGINT saves and leaves; --resume goes on, with another budget,
      learning rate, schedule, decay, clip, loss or validation where they are given.
      A model that there is learns a text of its own: runnel train --from stories --corpus mine.tokens.zst
      --out mine. It forgets less of what it knew with a lower --learning-rate.
      """)

  @Option(
    help: ArgumentHelp(
      "The corpus, made by `runnel corpus build`; or several with their shares, as in a:0.7,b:0.3.",
      valueName: "file"))
  var corpus: String?
  @Option(help: "The architecture, or a pattern of several, as in mamba,mamba,attention.") var mixer:
    MixerName?
  @Option(help: ArgumentHelp("The folder that receives the run.", valueName: "folder")) var out: String
  @Flag(help: "Go on with the run in --out; what else is given is changed from here on, or refused.")
  var resume = false
  @Option(
    help: ArgumentHelp(
      "Go on with --resume from an older checkpoint, one of those that --keep-checkpoints kept.",
      valueName: "step"))
  var resumeAt: Int?
  @Option(
    help: ArgumentHelp(
      "Begin with the weights of this model, its architecture and its tokenizer, instead of random ones.",
      valueName: "model"))
  var from: String?

  @Option(help: "About how many parameters: 1m, 10m or 100m.") var size: ModelSize?
  @Option(help: "D, the width of the residual stream.") var width: Int?
  @Option(help: "The number of layers.") var layers: Int?
  @Option(help: "The number of heads, where the mixer has heads.") var heads: Int?
  @OptionGroup var settings: SettingOptions

  @Option(help: "End after this many minutes (default: 3).") var minutes: Double?
  @Option(help: "End after this many steps.") var steps: Int?
  @Option(help: "End after this many tokens.") var tokens: Int?

  @Option(help: "Lanes trained side by side.") var batch: Int?
  @Option(help: "Tokens per lane and step.") var segment: Int?
  @Option(
    help: ArgumentHelp(
      """
      What a lane reads in one go: lanes of contiguous text, for carried state; segments or documents in shuffled \
      order, each from a fresh state (default: lanes; documents of a task).
      """, valueName: "order"))
  var sample: SamplingStrategy?
  @Option(
    help: ArgumentHelp(
      "What is learnt of a task's corpus: its answers or all tokens (default: answers).",
      valueName: "targets"))
  var loss: TargetChoice?
  @Option(help: "The peak learning rate.") var learningRate: Double?
  @Option(help: "How the learning rate moves.") var schedule: Schedule?
  @Option(help: "The share of the budget over which the rate rises.") var warmup: Double?
  @Option(help: "Decoupled weight decay on matrices.") var weightDecay: Double?
  @Option(help: "The largest norm of the gradient.") var clip: Double?
  @Flag(
    inversion: .prefixedNo,
    help: "Carry each lane's state into its next segment (default: yes, if the recurrence forgets).")
  var carryState: Bool?
  @Flag(inversion: .prefixedNo, help: "Let documents reset the state (default: yes).") var resetDocuments:
    Bool?
  @Option(help: "The seed of weights and data order (default: 1).") var seed: UInt64?
  @Option(help: "Steps between validations (0: only at the end).") var validateEvery: Int?
  @Option(
    help: ArgumentHelp(
      """
      The most validation tokens that a validation looks at, spread evenly over the split; 0 for all (default: 65,536 \
      during the run; at its end a tenth of the tokens trained on, at least 16,384 and at most 1,048,576).
      """, valueName: "n"))
  var validationTokens: Int?
  @Option(help: "Steps between checkpoints (0: only at the end; default: by time).") var checkpointEvery: Int?
  @Option(help: "Minutes between checkpoints (0: none by time; default: 5, or 0 with --checkpoint-every).")
  var checkpointMinutes: Double?
  @Option(help: "How many checkpoints stay, for --resume-at (default: 1, the newest).") var keepCheckpoints:
    Int?
  @Flag(help: "Say what the run would train and the memory it takes, and stop.") var dryRun = false
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if [minutes != nil, steps != nil, tokens != nil].filter({ $0 }).count > 1 {
      throw ValidationError("--minutes, --steps and --tokens are three ways to end a run; give one of them")
    }
    for (name, value) in [
      ("width", width), ("layers", layers), ("heads", heads), ("batch", batch), ("segment", segment),
    ] {
      if let value, !(1...1 << 24).contains(value) {
        throw ValidationError("--\(name) is \(value); it must lie between 1 and \(1 << 24)")
      }
    }
    for (name, value) in [
      ("minutes", minutes), ("steps", steps.map(Double.init)), ("tokens", tokens.map(Double.init)),
    ] {
      if let value, !(value > 0 && value.isFinite) {
        throw ValidationError("--\(name) is \(value); it must be positive")
      }
    }
    for (name, value, zero) in [
      ("validate-every", validateEvery, "only at the end"),
      ("checkpoint-every", checkpointEvery, "only at the end"),
      ("validation-tokens", validationTokens, "all"),
    ] {
      if let value, value < 0 {
        throw ValidationError("--\(name) is \(value); it must be 0 (\(zero)) or more")
      }
    }
    if let checkpointMinutes, !(checkpointMinutes >= 0 && checkpointMinutes.isFinite) {
      throw ValidationError(
        "--checkpoint-minutes is \(checkpointMinutes); it must be 0 (none by time) or more")
    }
    let kept = TrainingSettings.keptRange
    if let keepCheckpoints, !kept.contains(keepCheckpoints) {
      throw ValidationError(
        "--keep-checkpoints is \(keepCheckpoints); it must lie between \(kept.lowerBound) and \(kept.upperBound)"
      )
    }
    if let resumeAt, !resume || resumeAt < 0 {
      throw ValidationError("--resume-at \(resumeAt) goes with --resume and the step of a checkpoint")
    }
    if !resume && corpus == nil {
      throw ValidationError("--corpus is missing; make one with `runnel corpus build`")
    }
    if !resume && mixer == nil && from == nil {
      throw ValidationError("--mixer is missing; it is one of \(Registry.names.joined(separator: ", "))")
    }
    if from != nil {
      if resume {
        throw ValidationError("--resume goes on with the weights of the run in --out; leave --from out")
      }
      let fixed = [
        ("mixer", mixer != nil), ("size", size != nil), ("width", width != nil), ("layers", layers != nil),
        ("heads", heads != nil), ("set", !settings.set.isEmpty),
      ].filter(\.1).map { "--" + $0.0 }
      if !fixed.isEmpty {
        throw ValidationError(
          "the model of --from has its architecture; leave \(fixed.joined(separator: ", ")) out")
      }
    }
  }

  private var budget: Budget? {
    minutes.map(Budget.minutes) ?? steps.map(Budget.steps) ?? tokens.map(Budget.tokens)
  }

  func run() throws {
    compute.apply()
    ComputeOptions.endOutOfMemory { [out] in
      guard let step = try? RunFolder.record(out).steps else { return "; nothing is saved" }
      return "; \(out) holds the run at step \(step), go on with --resume"
    }
    if resume { return try goOn() }
    if let corpus {
      try checkOrigin()
      try RunFolder.checkIsFree(out)
      let corpora = try open(corpus, targets: loss ?? .answers)
      if let from {
        let model = try StartingModel.load(from, for: corpora)
        let preset = TrainingPreset(budget: budget ?? .minutes(3), model: model.configuration)
        let configuration = model.configuration
        try start(configuration, preset, corpora, from: consume model)
      } else if let mixer {
        let preset = TrainingPreset(budget: budget ?? .minutes(3), size: size, mixers: mixer.pattern)
        let width = width ?? preset.width
        let configuration = ModelConfiguration(
          try settings.mixers(of: mixer.pattern, width: width, heads: heads),
          vocabularySize: corpora.parts[0].corpus.header.vocabularySize, width: width,
          layers: layers ?? preset.layers)
        try start(configuration, preset, corpora)
      }
    }
  }

  /// Refuses to begin with the model that the run would replace.
  private func checkOrigin() throws {
    guard let from else { return }
    let places = [from, out].map { URL(fileURLWithPath: $0).resolvingSymlinksInPath().path }
    guard places[0] != places[1] else {
      throw ToolError("--out is the model of --from, which would be lost; choose another folder")
    }
  }

  private func open(_ name: String, targets: TargetChoice) throws -> CorpusMixture {
    let corpora = try CorpusMixture(named: name) { try Corpus(path: $0, targets: targets) }
    guard loss != .answers || corpora.parts.contains(where: { $0.corpus.task != nil }) else {
      throw ToolError(
        "--loss answers goes with a corpus of a task, and \(name) has none; leave it out, or take --loss all")
    }
    return corpora
  }

  /// - Parameter model: of this configuration; without one, a fresh one is made once it is known that it can be trained.
  private func start(
    _ configuration: ModelConfiguration, _ preset: TrainingPreset, _ corpora: CorpusMixture,
    from model: consuming LanguageModel? = nil
  ) throws {
    var defaults = preset.settings
    defaults.carryState = configuration.forgets
    if corpora.parts.allSatisfy({ $0.corpus.task != nil }), resetDocuments ?? true {
      defaults.sampling = .documents
    }
    var settings = settings(defaults)
    settings.origin = from
    try settings.validate()
    try configuration.validate()
    // Before anything large is made.
    let memory = try TrainingMemory(configuration, batch: settings.batch, segment: settings.segment)
    try memory.check()
    if dryRun { return try show(configuration, settings, memory) }
    let lock = try RunFolder.lock(out)
    defer { withExtendedLifetime(lock) {} }
    // Another run may have begun meanwhile.
    try RunFolder.checkIsFree(out)
    let sampler = try SegmentSampler(
      corpora, strategy: settings.sampling, lanes: settings.batch, length: settings.segment,
      seed: settings.seed,
      resetAtDocuments: settings.resetAtDocuments)
    let first = try (consume model) ?? LanguageModel(configuration, seed: settings.seed)
    try train(Trainer(consume first, settings: settings, sampler: sampler), memory)
  }

  /// Resumes the run in `out`.
  private func goOn() throws {
    // Says what is missing before a folder is made.
    _ = try Checkpoint(out, at: resumeAt)
    let lock = try RunFolder.lock(out)
    defer { withExtendedLifetime(lock) {} }
    let checkpoint = try Checkpoint(out, at: resumeAt), record = checkpoint.record
    try check(checkpoint.configuration, record)
    var settings = settings(record.settings)
    if let budget, budget != record.settings.budget {
      let extended = record.settings.extended(
        to: budget, steps: record.steps, tokens: record.tokens, seconds: record.seconds)
      settings.budget = extended.budget
      if warmup == nil { settings.warmup = extended.warmup }
    }
    let memory = try TrainingMemory(
      checkpoint.configuration, batch: settings.batch, segment: settings.segment)
    try memory.check()
    if dryRun { return try show(checkpoint.configuration, settings, memory) }
    let trainer = try checkpoint.resume(
      corpora: openCorpora(of: record, targets: settings.targets), settings: settings)
    let changes = trainer.changes.dropFirst(record.changes.count)
    for change in changes {
      Output.note(
        "from step \(change.step) on: \(change.setting) \(change.to ?? "none"), before \(change.from ?? "none")"
      )
    }
    if !changes.isEmpty && trainer.progress < 1 {
      let progress = record.settings.budget.progress(
        steps: record.steps, tokens: record.tokens, seconds: record.seconds)
      Output.note(
        String(
          format: "the learning rate goes on at %.3g, before %.3g",
          settings.learningRate(at: trainer.progress),
          record.settings.learningRate(at: progress)))
    }
    try train(consume trainer, memory)
  }

  private func openCorpora(of record: RunRecord, targets: TargetChoice) throws -> CorpusMixture {
    do { return try open(corpus ?? record.corpus, targets: targets) } catch  where corpus == nil {
      throw ToolError(
        "\(error); the run in \(out) names its corpus so: name it as it is found from here with --corpus")
    }
  }

  /// Refuses another model than the run's.
  private func check(_ configuration: ModelConfiguration, _ record: RunRecord) throws {
    func require(_ option: String, _ given: String, _ isSame: Bool, _ own: String) throws {
      guard !isSame else { return }
      throw ToolError(
        "the run in \(out) is of \(own), and cannot go on as one of \(given); leave --\(option) out, or begin a new run"
      )
    }
    let shape = "width \(configuration.width) and \(counted(configuration.layers, "layer"))"
    if let mixer { try require("mixer", mixer.name, mixer.name == record.mixer, record.mixer) }
    if let width { try require("width", "width \(width)", width == configuration.width, shape) }
    if let layers { try require("layers", counted(layers, "layer"), layers == configuration.layers, shape) }
    for (option, setting) in settings.all(heads: heads) {
      let own = configuration.mixers, given: [MixerChoice]
      do { given = try MixerChoice.changed(own, settings: [setting]) } catch {
        throw ToolError("--\(option): \(error)")
      }
      let name = setting.name.split(separator: ".").last.map(String.init) ?? setting.name
      func shown(_ mixers: [MixerChoice]) -> String {
        "\(name) " + mixers.compactMap { $0.value(of: name) }.joined(separator: ", ")
      }
      try require(option, shown(given), own == given, shown(own))
    }
    if let size {
      let preset = TrainingPreset(
        budget: record.settings.budget, size: size, mixers: configuration.mixers.map(\.mixer))
      let isSame =
        (width ?? preset.width, layers ?? preset.layers) == (configuration.width, configuration.layers)
      try require("size", "size \(size.rawValue)", isSame, shape)
    }
  }

  private struct Plan: Encodable {
    let mixer: String
    let parameters, layers, width, batch, segment: Int
    let training_memory: TrainingMemory
  }

  /// What a run is going to be.
  private func show(
    _ configuration: ModelConfiguration, _ settings: TrainingSettings, _ memory: TrainingMemory
  ) throws {
    let plan = Plan(
      mixer: configuration.mixerName, parameters: memory.parameterCount, layers: configuration.layers,
      width: configuration.width, batch: settings.batch, segment: settings.segment, training_memory: memory)
    if output.json { return try Output.json(plan) }
    Output.table([
      ["mixer", plan.mixer],
      ["parameters", grouped(plan.parameters)],
      ["layers", "\(plan.layers) of width \(plan.width)"],
      ["step", "\(counted(plan.batch, "lane")) of \(counted(plan.segment, "token"))"],
      ["memory", "about \(TrainingMemory.text(memory.total)): \(memory.parts)"],
    ])
  }

  private func settings(_ preset: TrainingSettings) -> TrainingSettings {
    var settings = preset
    if let batch { settings.batch = batch }
    if let segment { settings.segment = segment }
    if let sample { settings.sampling = sample }
    if let learningRate { settings.learningRate = learningRate }
    if let schedule { settings.schedule = schedule }
    if let warmup { settings.warmup = warmup }
    if let weightDecay { settings.weightDecay = weightDecay }
    if let clip { settings.clip = clip }
    if let validateEvery { settings.validationInterval = validateEvery }
    if let validationTokens { settings.validationTokens = validationTokens }
    if let checkpointEvery {
      (settings.checkpointInterval, settings.checkpointMinutes) = (checkpointEvery, 0)
    }
    if let checkpointMinutes { settings.checkpointMinutes = checkpointMinutes }
    if let keepCheckpoints { settings.keptCheckpoints = keepCheckpoints }
    if let carryState { settings.carryState = carryState }
    if let loss { settings.targets = loss }
    if let resetDocuments { settings.resetAtDocuments = resetDocuments }
    if let seed { settings.seed = seed }
    return settings
  }

  /// - Parameter trainer: given away, so that its memory has one owner and is changed in place.
  private func train(_ trainer: consuming Trainer, _ memory: TrainingMemory) throws {
    Interrupt.watch()
    let training = trainer.sampler.mixture.parts.reduce(0) { $0 + $1.corpus.range(of: .train).count }
    Output.note(
      """
      \(trainer.model.mixerName): \(counted(trainer.model.parameterCount, "parameter")), \
      \(counted(trainer.model.layerCount, "layer")) of width \(trainer.model.width); \(counted(training, "training token")); \
      \(counted(trainer.settings.batch, "lane")) of \(trainer.settings.segment); \(counted(WorkerPool.shared.threads, "thread")); about \
      \(TrainingMemory.text(memory.total)) of memory
      """)
    var line = ProgressLine(), validating = ProgressLine()
    var run = TrainingRun(consume trainer, folder: out)
    let summary = try run.run(
      shouldStop: { Interrupt.hasArrived },
      report: {
        if let share = $0.validated {
          validating.show(share, String(format: "%3.0f%% of a validation at step %d", 100 * share, $0.step))
        } else {
          line.show($0.progress, $0.text)
        }
      }, note: { Output.note(Output.isTerminal ? "\r\u{1B}[K\($0)" : $0) })
    line.finish()
    validating.finish()
    if output.json { return try Output.json(summary) }
    if summary.wasInterrupted, run.trainer.progress < 1 {
      Output.line("stopped at step \(summary.steps); saved in \(out); go on with --resume")
      return
    }
    let trained =
      "\(counted(summary.steps, "step")), \(counted(summary.tokens, "token")) in \(Output.duration(summary.seconds))"
    if let loss = summary.loss {
      Output.line(
        trained
          + String(
            format: " (%@ tokens/s), training loss %.4f", grouped(Int(summary.tokensPerSecond)), loss))
    } else {
      Output.line("\(trained): the run was at the end of its budget already; give a longer one to go on")
    }
    if let loss = summary.validationLoss, let accuracy = summary.validationAccuracy,
      let whole = summary.validationDocumentAccuracy
    {
      Output.line(
        String(
          format: "validation: %.2f %% of the answers right, %.2f %% of the documents; loss %.4f",
          100 * accuracy, 100 * whole, loss))
    }
    if let loss = summary.validationLoss, summary.validationAccuracy == nil {
      let bits = summary.bitsPerByte.map { String(format: ", %.4f bits per byte", $0) } ?? ""
      Output.line(String(format: "validation loss %.4f nats per token", loss) + bits)
    }
    if let read = summary.validationTokens, let all = summary.validationSplitTokens, read < all {
      Output.line(
        "  on \(grouped(read)) of \(counted(all, "token")), spread evenly; --validation-tokens 0 takes all"
      )
    }
    for part in summary.validation ?? [] {
      Output.line(
        String(format: "  %@ (%.1f %%): %.4f nats per token", part.corpus, 100 * part.weight, part.loss))
    }
    if let step = summary.validationStepLoss, let mix = summary.validationMixLoss {
      Output.line(String(format: "some of them token by token %.6f, chunkwise %.6f", step, mix))
    }
    if summary.wasInterrupted { Output.line("a signal ended the validation; --resume makes it anew") }
    Output.line("saved in \(out)")
  }
}

extension TrainingProgress {
  fileprivate var text: String {
    var validation = validationLoss.map { String(format: " · validation %.3f", $0) } ?? ""
    if let validationAccuracy { validation += String(format: ", %.1f %% right", 100 * validationAccuracy) }
    return String(
      format: "%3.0f%% step %d · loss %.3f (%.3f bits/token)%@ · %@ tokens/s · %@ left", progress * 100, step,
      loss, loss / log(2), validation, grouped(Int(tokensPerSecond)), Output.duration(secondsLeft))
  }
}

extension ModelSize: ExpressibleByArgument {}
extension TargetChoice: ExpressibleByArgument {}
extension SamplingStrategy: ExpressibleByArgument {}
