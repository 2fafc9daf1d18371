import ArgumentParser
import Foundation
import Runnel

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Train a language model on a corpus.",
    discussion: """
      Example: runnel train --corpus stories.tokens.zst --mixer mamba --minutes 3 --out stories
      Without a size the model is chosen to fit the budget. SIGINT saves and leaves; --resume goes on.
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
  @Flag(help: "Go on with the run in --out; with a longer budget if one is given.") var resume = false
  @Option(
    help: ArgumentHelp(
      "Begin with the weights of this model, its architecture and its tokenizer, instead of random ones.",
      valueName: "model"))
  var from: String?

  @Option(help: "About how many parameters: 1m, 10m or 100m.") var size: ModelSize?
  @Option(help: "D, the width of the residual stream.") var width: Int?
  @Option(help: "The number of layers.") var layers: Int?
  @Option(help: "The number of heads, where the mixer has heads.") var heads: Int?

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
  @Flag(inversion: .prefixedNo, help: "Let documents reset the state.") var resetDocuments = true
  @Option(help: "The seed of weights and data order.") var seed: UInt64 = 1
  @Option(help: "Steps between validations (0: only at the end).") var validateEvery: Int?
  @Option(
    help: ArgumentHelp(
      """
      The most validation tokens that a validation looks at, spread evenly over the split; 0 for all (default: 65,536 \
      during the run; at its end a tenth of the tokens trained on, at least 16,384 and at most 1,048,576).
      """, valueName: "n"))
  var validationTokens: Int?
  @Option(help: "Steps between checkpoints (0: only at the end).") var checkpointEvery: Int?
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
      ("checkpoint-every", checkpointEvery, "only at the end"), ("validation-tokens", validationTokens, "all"),
    ] {
      if let value, value < 0 {
        throw ValidationError("--\(name) is \(value); it must be 0 (\(zero)) or more")
      }
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
        ("heads", heads != nil),
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
    if resume {
      let record = try RunFolder.record(out)
      let corpora = try open(corpus ?? record.corpus, targets: record.settings.targets)
      try resume(ModelFolder.load(out), record: record, corpora)
    } else if let corpus {
      if RunFolder.exists(out) {
        throw ToolError("\(out) already holds a run; add --resume to go on with it, or choose another --out")
      }
      let corpora = try open(corpus, targets: loss ?? .answers)
      if let from {
        let places = [from, out].map { URL(fileURLWithPath: $0).resolvingSymlinksInPath().path }
        guard places[0] != places[1] else {
          throw ToolError("--out is the model of --from, which would be lost; choose another folder")
        }
        let model = try StartingModel.load(from, for: corpora)
        let preset = TrainingPreset(budget: budget ?? .minutes(3), model: model.configuration)
        let configuration = model.configuration
        try start(configuration, preset, corpora, from: consume model)
      } else if let mixer {
        let preset = TrainingPreset(budget: budget ?? .minutes(3), size: size, mixers: mixer.pattern)
        var configuration = ModelConfiguration(
          mixer.pattern, vocabularySize: corpora.parts[0].corpus.header.vocabularySize,
          width: width ?? preset.width, layers: layers ?? preset.layers)
        if let heads { configuration.mixers = try configuration.mixers.map { try $0.withHeads(heads) } }
        try start(configuration, preset, corpora)
      }
    }
  }

  private func open(_ name: String, targets: TargetChoice) throws -> CorpusMixture {
    try CorpusMixture(named: name) { try Corpus(path: $0, targets: targets) }
  }

  /// - Parameter model: of this configuration; without one, a fresh one is made once it is known that it can be trained.
  private func start(
    _ configuration: ModelConfiguration, _ preset: TrainingPreset, _ corpora: CorpusMixture,
    from model: consuming LanguageModel? = nil
  ) throws {
    var defaults = preset.settings
    defaults.carryState = configuration.forgets
    if corpora.parts.allSatisfy({ $0.corpus.task != nil }), resetDocuments { defaults.sampling = .documents }
    let settings = settings(defaults)
    try settings.validate()
    try configuration.validate()
    // Before anything large is made.
    let memory = try TrainingMemory(configuration, batch: settings.batch, segment: settings.segment)
    try memory.check()
    if dryRun { return try show(configuration, settings, memory) }
    let sampler = try SegmentSampler(
      corpora, strategy: settings.sampling, lanes: settings.batch, length: settings.segment, seed: seed,
      resetAtDocuments: settings.resetAtDocuments)
    let first = try (consume model) ?? LanguageModel(configuration, seed: seed)
    try train(Trainer(consume first, settings: settings, sampler: sampler), memory)
  }

  private func resume(_ model: consuming LanguageModel, record: RunRecord, _ corpora: CorpusMixture) throws {
    if let mixer, mixer.name != record.mixer {
      throw ToolError("the run in \(out) is of \(record.mixer), not \(mixer.name); leave --mixer out")
    }
    let memory = try TrainingMemory(
      model.configuration, batch: record.settings.batch, segment: record.settings.segment)
    try memory.check()
    if dryRun { return try show(model.configuration, record.settings, memory) }
    let trainer = try RunFolder.resume(out, model: consume model, corpora: corpora, budget: budget)
    try train(consume trainer, memory)
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
      ["parameters", Output.grouped(plan.parameters)],
      ["layers", "\(plan.layers) of width \(plan.width)"],
      ["step", "\(plan.batch) lanes of \(plan.segment) tokens"],
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
    if let checkpointEvery { settings.checkpointInterval = checkpointEvery }
    if let carryState { settings.carryState = carryState }
    if let loss { settings.targets = loss }
    settings.resetAtDocuments = resetDocuments
    settings.seed = seed
    settings.origin = from
    return settings
  }

  /// - Parameter trainer: given away, so that its memory has one owner and is changed in place.
  private func train(_ trainer: consuming Trainer, _ memory: TrainingMemory) throws {
    Interrupt.watch()
    let training = trainer.sampler.mixture.parts.reduce(0) { $0 + $1.corpus.range(of: .train).count }
    Output.note(
      """
      \(trainer.model.mixerName): \(Output.grouped(trainer.model.parameterCount)) parameters, \
      \(trainer.model.layerCount) layers of width \(trainer.model.width); \(Output.grouped(training)) training tokens; \
      \(trainer.settings.batch) lanes of \(trainer.settings.segment); \(WorkerPool.shared.threads) threads; about \
      \(TrainingMemory.text(memory.total)) of memory
      """)
    var line = ProgressLine(), validating = ProgressLine()
    var run = TrainingRun(consume trainer, folder: out)
    let summary = try run.run(shouldStop: { Interrupt.hasArrived }) {
      if let share = $0.validated {
        validating.show(share, String(format: "%3.0f%% of a validation at step %d", 100 * share, $0.step))
      } else {
        line.show($0.progress, $0.text)
      }
    }
    line.finish()
    if output.json { return try Output.json(summary) }
    if summary.wasInterrupted, run.trainer.progress < 1 {
      Output.line("stopped at step \(summary.steps); saved in \(out); go on with --resume")
      return
    }
    let trained =
      "\(Output.grouped(summary.steps)) steps, \(Output.grouped(summary.tokens)) tokens in \(Output.duration(summary.seconds))"
    if let loss = summary.loss {
      Output.line(
        trained
          + String(
            format: " (%@ tokens/s), training loss %.4f", Output.grouped(Int(summary.tokensPerSecond)), loss))
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
        "  on \(Output.grouped(read)) of \(Output.grouped(all)) tokens, spread evenly; --validation-tokens 0 takes all")
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
      loss, loss / log(2), validation, Output.grouped(Int(tokensPerSecond)), Output.duration(secondsLeft))
  }
}

extension ModelSize: ExpressibleByArgument {}
extension TargetChoice: ExpressibleByArgument {}
extension SamplingStrategy: ExpressibleByArgument {}
