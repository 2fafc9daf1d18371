/// All that a run is going to be, chosen and checked before the first step.

import Foundation
import RunnelCorpora
import RunnelFiles
import RunnelMixers
import RunnelModels

/// A run that has not begun. Sizes, rates and the order of the data that nobody asks for are chosen here, so that a program gets
/// in a few lines what `runnel train` gives:
///
///     let plan = try TrainingPlan(ModelShape("mamba"), corpora: "stories.tokens.zst", folder: "stories")
///     var run = try plan.begin()
///     let summary = try run.run(report: { print($0.step, $0.loss) })
public struct TrainingPlan: ~Copyable, Sendable {
  /// Where the run is written.
  public let folder: String
  /// What the model is.
  public let configuration: ModelConfiguration
  /// What decides the run's numbers.
  public let settings: TrainingSettings
  /// What it takes of the machine's memory, in bytes.
  public let memory: TrainingMemory
  private let start: Start
  /// What a fresh run begins with; nil for random weights, which are made when it begins.
  private var model: LanguageModel?
  /// Of the folder of a run that goes on.
  private let lock: FileLock?

  private enum Start: Sendable {
    case anew(CorpusMixture)
    case again(Checkpoint, corpora: String?, changing: TrainingOptions)
  }

  /// A run that begins with random weights.
  ///
  /// - Parameters:
  ///   - shape: with its mixers.
  ///   - corpora: as a user names them: a file, or files with weights, `a.tokens.zst:0.7,b.tokens.zst:0.3`.
  ///   - folder: that receives the run: a new or an empty one.
  /// - Throws: `FileError`, `CorpusError`, `ConfigurationError` or ``TrainingError``, each with one sentence: where a file does not
  ///   open, the folder holds something, settings do not fit together, or the memory of this machine does not suffice.
  public init(
    _ shape: ModelShape, corpora: String, folder: String, options: TrainingOptions = TrainingOptions()
  ) throws {
    guard let mixers = shape.mixers, !mixers.isEmpty else {
      throw TrainingError("the model has no mixer; it is one of \(Registry.names.joined(separator: ", "))")
    }
    try self.init(corpora, folder, options) { mixture, budget in
      let preset = TrainingPreset(budget: budget, size: shape.size, mixers: mixers, width: shape.width)
      let configuration = try shape.configuration(
        preset, vocabularySize: mixture.parts[0].corpus.header.vocabularySize)
      return Beginning(preset: preset, configuration: configuration)
    }
  }

  /// A run that begins with the weights of a model, its architecture and its tokenizer. The model is read to be checked.
  ///
  /// - Parameters:
  ///   - origin: a model folder, own or foreign, or a file of weights; not the folder of the run.
  ///   - corpora: as above, of the model's tokenizer.
  /// - Throws: as above.
  public init(
    from origin: String, corpora: String, folder: String, options: TrainingOptions = TrainingOptions()
  ) throws {
    let places = [origin, folder].map { URL(fileURLWithPath: $0).resolvingSymlinksInPath().path }
    guard places[0] != places[1] else {
      throw TrainingError("--out is the model of --from, which would be lost; choose another folder")
    }
    try self.init(corpora, folder, options, origin: origin) { mixture, budget in
      let model = try StartingModel.load(origin, for: mixture), configuration = model.configuration
      return Beginning(
        preset: TrainingPreset(budget: budget, model: configuration), configuration: configuration,
        model: model)
    }
  }

  /// What a fresh run begins with.
  private struct Beginning {
    var preset: TrainingPreset
    var configuration: ModelConfiguration
    var model: LanguageModel?
  }

  private init(
    _ corpora: String, _ folder: String, _ options: TrainingOptions, origin: String? = nil,
    _ begin: (CorpusMixture, Budget) throws -> Beginning
  ) throws {
    try RunFolder.checkIsFree(folder)
    if let told = options.origin, told != origin {
      throw TrainingError(
        "a run is from the model that it is begun with, \(origin ?? "none"), and not from \(told ?? "none")")
    }
    let corpora = try CorpusMixture(
      named: corpora, for: options, targets: options.targets ?? TrainingSettings().targets)
    var beginning = try begin(corpora, options.budget ?? .usual)
    let configuration = beginning.configuration
    let isTask = corpora.parts.allSatisfy { $0.corpus.task != nil } && options.resetAtDocuments ?? true
    let sampling = options.sampling ?? (isTask ? .documents : .lanes)
    if sampling != .lanes || !(options.carryState ?? configuration.forgets) {
      beginning.preset.separateSegments()
    }
    var defaults = beginning.preset.settings
    defaults.suit(options.optimizer ?? defaults.optimizer)
    (defaults.carryState, defaults.sampling) = (configuration.forgets, sampling)
    defaults.origin = origin
    let settings = options.applied(to: defaults)
    try settings.validate()
    try settings.precision.requireMachine()
    try configuration.validate()
    try settings.rates?.check(configuration.places)
    try corpora.check(settings)
    let memory = try TrainingMemory(configuration, settings)
    try memory.check()
    (self.folder, self.configuration, self.settings, self.memory) = (folder, configuration, settings, memory)
    start = .anew(corpora)
    model = beginning.model.take()
    lock = nil
  }

  /// Goes on with the run in a folder, which nobody else can train into as long as the plan, or its run, is there.
  ///
  /// - Parameters:
  ///   - step: that of a checkpoint that is kept; nil for the newest.
  ///   - shape: what the caller takes the model to be; another one is refused.
  ///   - corpora: those that the run began with; nil where they are found by the name that the run gave them.
  ///   - options: what is different from here on. A longer budget leaves the warm-up as long as it was.
  /// - Throws: as above, and where the run cannot be changed so.
  public init(
    resuming folder: String, at step: Int? = nil, shape: ModelShape = ModelShape(), corpora: String? = nil,
    options: TrainingOptions = TrainingOptions()
  ) throws {
    // Says what is missing before a folder is made.
    _ = try Checkpoint(folder, at: step)
    let lock = try RunFolder.lock(folder)
    let checkpoint = try Checkpoint(folder, at: step), record = checkpoint.record
    try shape.require(checkpoint.configuration, in: folder, budget: record.settings.budget)
    var settings = options.applied(to: record.settings)
    if let budget = options.budget, budget != record.settings.budget {
      let extended = record.settings.extended(
        to: budget, steps: record.steps, tokens: record.tokens, seconds: record.seconds)
      settings.budget = extended.budget
      if options.warmup == nil { settings.warmup = extended.warmup }
    }
    try settings.precision.requireMachine()
    _ = try checkpoint.changes(to: settings)
    let memory = try TrainingMemory(checkpoint.configuration, settings)
    try memory.check()
    (self.folder, configuration, self.settings, self.memory) = (
      folder, checkpoint.configuration, settings, memory
    )
    start = .again(checkpoint, corpora: corpora, changing: options)
    model = nil
    self.lock = consume lock
  }

  /// Makes the model, or reads the one of the checkpoint. Until the run is gone, nobody else trains into its folder.
  ///
  /// - Parameter note: is told, a line at a time, what a run that goes on does otherwise.
  /// - Throws: as the initialisers.
  public consuming func begin(note: (String) -> Void = { _ in }) throws -> TrainingRun {
    switch start {
    case .anew(let corpora):
      let lock = try RunFolder.lock(folder)
      // Another run may have begun meanwhile.
      try RunFolder.checkIsFree(folder)
      let sampler = try SegmentSampler(
        corpora, strategy: settings.sampling, lanes: settings.batch, length: settings.segment,
        seed: settings.seed, resetAtDocuments: settings.resetAtDocuments)
      let first = try model.take() ?? LanguageModel(configuration, seed: settings.seed)
      return TrainingRun(
        Trainer(consume first, settings: settings, sampler: sampler), folder: folder, lock: lock)
    case .again(let checkpoint, let corpora, let options):
      let mixture = try Self.corpora(corpora, of: checkpoint.record, in: folder, options, settings)
      let trainer = try checkpoint.resume(corpora: mixture, settings: settings)
      for line in trainer.whatChanged(since: checkpoint.record) { note(line) }
      return TrainingRun(consume trainer, folder: folder, lock: lock)
    }
  }

  /// The corpora of a run that goes on.
  private static func corpora(
    _ name: String?, of record: RunRecord, in folder: String, _ options: TrainingOptions,
    _ settings: TrainingSettings
  ) throws -> CorpusMixture {
    do {
      return try CorpusMixture(named: name ?? record.corpus, for: options, targets: settings.targets)
    } catch  where name == nil {
      throw TrainingError(
        "\(error); the run in \(folder) names its corpus so: name it as it is found from here with --corpus")
    }
  }
}

extension CorpusMixture {
  /// Opens what a user names; who asks for answers must name a corpus that has some.
  fileprivate init(named name: String, for options: TrainingOptions, targets: TargetChoice) throws {
    try self.init(named: name) { try Corpus(path: $0, targets: targets) }
    guard options.targets != .answers || parts.contains(where: { $0.corpus.task != nil }) else {
      throw TrainingError(
        "--loss answers goes with a corpus of a task, and \(name) has none; leave it out, or take --loss all")
    }
  }
}

extension Trainer {
  /// What is different from here on, in sentences.
  fileprivate func whatChanged(since record: RunRecord) -> [String] {
    let changes = changes.dropFirst(record.changes.count)
    var lines = changes.map {
      "from step \($0.step) on: \($0.setting) \($0.to ?? "none"), before \($0.from ?? "none")"
    }
    if !changes.isEmpty && progress < 1 {
      let before = record.settings.budget.progress(
        steps: record.steps, tokens: record.tokens, seconds: record.seconds)
      lines.append(
        String(
          format: "the learning rate goes on at %.3g, before %.3g",
          settings.learningRate(at: progress, steps: steps),
          record.settings.learningRate(at: before, steps: record.steps)))
    }
    return lines
  }
}
