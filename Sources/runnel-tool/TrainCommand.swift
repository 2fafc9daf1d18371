import ArgumentParser
import Foundation
import Runnel

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Train a language model on a corpus.",
    discussion: """
      Example: runnel train --corpus stories.tokens.zst --mixer mamba --minutes 3 --out stories
      Without a size the model is chosen to fit the budget. SIGINT saves and leaves; --resume goes on. What else is given
      with it holds from there on, and is recorded; what a run cannot change is refused.
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

  @Option(help: "End after this many minutes (default: \(shown(Budget.usualMinutes))).") var minutes: Double?
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
      "What is learnt of a task's corpus: its answers or all tokens (default: \(usual.targets.rawValue)).",
      valueName: "targets"))
  var loss: TargetChoice?
  @Option(help: "What products with weights are made in (default: \(usual.precision.rawValue)).")
  var precision: TrainingPrecision?
  @Flag(
    inversion: .prefixedNo,
    help: """
      Compute the activations of each layer twice instead of keeping them: the same bits with less memory, in about two \
      fifths more time (default: no).
      """)
  var recompute: Bool?
  @OptionGroup var optimization: OptimizationOptions
  @Flag(
    inversion: .prefixedNo,
    help: "Carry each lane's state into its next segment (default: yes, if the recurrence forgets).")
  var carryState: Bool?
  @Flag(inversion: .prefixedNo, help: "Let documents reset the state (default: yes).") var resetDocuments:
    Bool?
  @Option(help: "The seed of weights and data order (default: \(usual.seed)).") var seed: UInt64?
  @Option(help: "Steps between validations (0: only at the end).") var validateEvery: Int?
  @Option(
    help: ArgumentHelp(
      """
      The most validation tokens that a validation looks at, spread evenly over the split; 0 for all (default: \
      \(grouped(TrainingSettings.usualValidationTokens)) during the run; at its end a tenth of the tokens trained on, at \
      least \(grouped(TrainingSettings.usualLastValidationTokens.lowerBound)) and at most \
      \(grouped(TrainingSettings.usualLastValidationTokens.upperBound))).
      """, valueName: "n"))
  var validationTokens: Int?
  @Option(help: "Steps between lines of metrics.jsonl (default: \(usual.logInterval)).") var logEvery: Int?
  @Option(help: "Steps between checkpoints (0: only at the end; default: by time).") var checkpointEvery: Int?
  @Option(
    help:
      "Minutes between checkpoints (0: none by time; default: \(shown(usual.checkpointMinutes)), or 0 with --checkpoint-every)."
  )
  var checkpointMinutes: Double?
  @Option(help: "How many checkpoints stay, for --resume-at (default: \(usual.keptCheckpoints), the newest).")
  var keepCheckpoints: Int?
  @Flag(help: "Say what the run would train and the memory it takes, and stop.") var dryRun = false
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    func require(_ holds: Bool, _ sentence: @autoclosure () -> String) throws {
      if !holds { throw ValidationError(sentence()) }
    }
    try require(
      [minutes != nil, steps != nil, tokens != nil].count { $0 } <= 1,
      "--minutes, --steps and --tokens are three ways to end a run; give one of them")
    let sizes = 1...1 << 24
    for (name, value) in [("width", width), ("layers", layers), ("heads", heads)] {
      guard let value else { continue }
      try require(
        sizes.contains(value),
        "--\(name) is \(value); it must lie between \(sizes.lowerBound) and \(sizes.upperBound)")
    }
    do { try options.applied(to: usual).validateOptions() } catch { throw ValidationError("\(error)") }
    if let resumeAt {
      try require(
        resume && resumeAt >= 0,
        "--resume-at \(resumeAt) goes with --resume and the step of a checkpoint")
    }
    guard !resume else {
      return try require(
        from == nil, "--resume goes on with the weights of the run in --out; leave --from out")
    }
    try require(corpus != nil, "--corpus is missing; make one with `runnel corpus build`")
    guard from != nil else {
      return try require(
        mixer != nil, "--mixer is missing; it is one of \(Registry.names.joined(separator: ", "))")
    }
    let fixed = [
      ("mixer", mixer != nil), ("size", size != nil), ("width", width != nil), ("layers", layers != nil),
      ("heads", heads != nil), ("set", !settings.set.isEmpty),
    ].filter(\.1).map { "--" + $0.0 }
    try require(
      fixed.isEmpty, "the model of --from has its architecture; leave \(fixed.joined(separator: ", ")) out")
  }

  func run() throws {
    compute.apply()
    ComputeOptions.endOutOfMemory { [out] in
      guard let step = try? RunFolder.record(out).steps else { return "; nothing is saved" }
      return "; \(out) holds the run at step \(step), go on with --resume"
    }
    let plan = try plan()
    if dryRun { return try show(plan) }
    let memory = plan.memory
    try train(plan.begin { Output.note($0) }, memory)
  }

  private func plan() throws -> TrainingPlan {
    let shape = ModelShape(
      mixers: mixer?.pattern, size: size, width: width, layers: layers, heads: heads, settings: settings.told)
    if resume {
      return try TrainingPlan(
        resuming: out, at: resumeAt, shape: shape, corpora: corpus, options: options)
    }
    let corpus = corpus ?? ""
    guard let from else {
      return try TrainingPlan(shape, corpora: corpus, folder: out, options: options)
    }
    return try TrainingPlan(from: from, corpora: corpus, folder: out, options: options)
  }

  /// What is left out is the library's choice.
  private var options: TrainingOptions {
    var options = TrainingOptions()
    options.budget = minutes.map(Budget.minutes) ?? steps.map(Budget.steps) ?? tokens.map(Budget.tokens)
    options.batch = batch
    options.segment = segment
    options.sampling = sample
    options.targets = loss
    options.precision = precision
    options.recomputes = recompute
    options.carryState = carryState
    options.resetAtDocuments = resetDocuments
    options.seed = seed
    options.validationInterval = validateEvery
    options.validationTokens = validationTokens.map(Optional.some)
    options.logInterval = logEvery
    options.checkpointInterval = checkpointEvery
    options.checkpointMinutes = checkpointMinutes
    options.keptCheckpoints = keepCheckpoints
    optimization.apply(to: &options)
    return options
  }
}

extension ModelSize: ExpressibleByArgument {}
extension TargetChoice: ExpressibleByArgument {}
extension TrainingPrecision: ExpressibleByArgument {}
extension SamplingStrategy: ExpressibleByArgument {}
