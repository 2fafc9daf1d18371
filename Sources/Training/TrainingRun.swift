/// The loop around a trainer: budget, validation, checkpoints, metrics, and a way out.

import Foundation
import RunnelCheckpoints
import RunnelCorpora
import RunnelFiles
import RunnelKernels
import RunnelModels
import RunnelRecurrences
import RunnelStreaming
import RunnelText

/// What a run tells whoever watches it.
public struct TrainingProgress: Sendable {
  public let step: Int
  public let tokens: Int
  /// A running mean of the training loss, nats per token.
  public let loss: Double
  public let validationLoss: Double?
  /// The share of right answers, where the corpus is of a task.
  public let validationAccuracy: Double?
  public let learningRate: Double
  public let tokensPerSecond: Double
  /// The share of the budget that is spent.
  public let progress: Double
  /// Seconds until the budget is spent at this pace.
  public let secondsLeft: Double
}

/// What a run ends with; keys in `--json` are these in snake_case.
public struct TrainingSummary: Codable, Sendable {
  public var steps: Int
  public var tokens: Int
  public var seconds: Double
  public var tokensPerSecond: Double
  /// The running mean at the end, nats per token.
  public var loss: Double?
  /// Over the whole validation split, chunkwise, in nats per token; of a mixture, the mean by the corpora's weights.
  public var validationLoss: Double?
  public var bitsPerByte: Double?
  /// Where the corpus is of a task: the share of its answers that were right, and of documents without a wrong one.
  public var validationAccuracy: Double?
  public var validationDocumentAccuracy: Double?
  /// Over the first tokens of the validation split, token by token, and chunkwise for comparison.
  public var validationStepLoss: Double?
  public var validationMixLoss: Double?
  /// Where there are several corpora: the validation of each.
  public var validation: [CorpusValidation]?
  public var wasInterrupted: Bool

  enum CodingKeys: String, CodingKey {
    case steps, tokens, seconds, loss, validation
    case tokensPerSecond = "tokens_per_second"
    case validationLoss = "validation_loss"
    case bitsPerByte = "bits_per_byte"
    case validationAccuracy = "validation_accuracy"
    case validationDocumentAccuracy = "validation_document_accuracy"
    case validationStepLoss = "validation_step_loss"
    case validationMixLoss = "validation_mix_loss"
    case wasInterrupted = "interrupted"
  }
}

public struct TrainingRun: Sendable {
  public private(set) var trainer: Trainer
  let folder: String
  private var lossMean = RunningMean()
  private var lastValidation: Validation?
  /// The bytes of every token; nil where tokens are bytes, none where nothing says what tokens are.
  private var byteLengths: [Int]?

  /// - Parameter folder: where the run is to be written; validation is on the corpora of the trainer's sampler.
  public init(_ trainer: Trainer, folder: String) {
    self.trainer = trainer
    self.folder = folder
  }

  /// Trains until the budget is spent or `shouldStop` says so; a checkpoint is on disk afterwards.
  public mutating func run(
    shouldStop: () -> Bool, report: (TrainingProgress) -> Void
  ) throws -> TrainingSummary {
    let settings = trainer.settings
    if let tokenizer = try trainer.sampler.mixture.parts[0].corpus.tokenizer() {
      // Beside the weights it makes the run a model that reads and writes text.
      try ModelFolder.save(tokenizer, to: folder)
      try ModelFolder.save(try marks(tokenizer), to: folder)
      byteLengths = tokenizer is ByteTokenizer ? nil : tokenizer.byteLengths()
    } else {
      byteLengths = []
    }
    var metrics = try Metrics(folder: folder, upTo: trainer.steps)
    let clock = ContinuousClock()
    let start = clock.now
    var last = start
    let (firstTokens, firstSeconds) = (trainer.tokens, trainer.seconds)
    var isInterrupted = false
    while trainer.progress < 1 {
      if shouldStop() {
        isInterrupted = true
        break
      }
      let step = try trainer.step()
      lossMean.add(step.loss)
      let now = clock.now
      trainer.spend(seconds: (now - last).seconds)
      last = now
      if trainer.steps % 10 == 0 { try metrics.add(step, trainer: trainer) }
      if settings.validationInterval > 0, trainer.steps % settings.validationInterval == 0 {
        try validate(&metrics)
      }
      if settings.checkpointInterval > 0, trainer.steps % settings.checkpointInterval == 0 { try save() }
      let spent = trainer.seconds - firstSeconds
      let progress = min(1, trainer.progress)
      report(
        TrainingProgress(
          step: trainer.steps, tokens: trainer.tokens, loss: lossMean.value,
          validationLoss: lastValidation?.loss,
          validationAccuracy: lastValidation?.accuracy,
          learningRate: step.learningRate,
          tokensPerSecond: Double(trainer.tokens - firstTokens) / max(1e-9, spent), progress: progress,
          secondsLeft: progress > 0 ? trainer.seconds * (1 - progress) / progress : 0))
    }
    try save()
    var summary = TrainingSummary(
      steps: trainer.steps, tokens: trainer.tokens, seconds: trainer.seconds,
      tokensPerSecond: Double(trainer.tokens - firstTokens) / max(1e-9, trainer.seconds - firstSeconds),
      loss: lossMean.isEmpty ? nil : lossMean.value, wasInterrupted: isInterrupted)
    if !isInterrupted { try finish(&summary, &metrics) }
    return summary
  }

  /// What begins and ends the texts of the corpora, if it is the same in all; else those of the model that the run began with.
  private func marks(_ tokenizer: any Tokenizer) throws -> TextMarks {
    let headers = trainer.sampler.mixture.parts.map(\.corpus.header)
    let marks = TextMarks(of: headers[0])
    if !marks.isEmpty, headers.allSatisfy({ TextMarks(of: $0) == marks }) { return marks }
    guard let origin = trainer.settings.origin else { return TextMarks() }
    return try ModelFolder.marks(of: trainer.model, at: origin, tokenizer: tokenizer, from: origin)
  }

  private mutating func validate(_ metrics: inout Metrics) throws {
    guard let validation = try validation(limit: trainer.settings.validationTokens) else { return }
    lastValidation = validation
    try metrics.add(validation, trainer: trainer)
  }

  /// The last validation sees the whole split, and its first tokens in both forms.
  private mutating func finish(_ summary: inout TrainingSummary, _ metrics: inout Metrics) throws {
    guard let validation = try validation(isLast: true) else { return }
    try metrics.add(validation, trainer: trainer)
    summary.validationLoss = validation.loss
    summary.bitsPerByte = validation.bitsPerByte
    summary.validationAccuracy = validation.accuracy
    summary.validationDocumentAccuracy = validation.documentAccuracy
    summary.validation = validation.each
    summary.validationStepLoss = try self.validation(form: .step, limit: 8192)?.loss
    summary.validationMixLoss = try self.validation(form: .mix, limit: 8192)?.loss
  }

  /// The validation of every corpus that has a validation split; nil where none has.
  private func validation(isLast: Bool = false, form: Form = .mix, limit: Int = .max) throws -> Validation? {
    let parts = trainer.sampler.mixture.parts.compactMap { part in
      let range = part.corpus.range(of: .validation)
      return range.count < 2 ? nil : (part, range)
    }
    guard !parts.isEmpty else { return nil }
    let results = try parts.map { part, range in
      try Validation.Part(
        trainer, part, range: range.prefix(max(2, limit / parts.count)), byteLengths: byteLengths,
        isLast: isLast, form: form)
    }
    return Validation(parts: results)
  }

  private func save() throws {
    let record = RunRecord(
      mixer: trainer.model.mixerName, settings: trainer.settings, corpus: trainer.sampler.mixture.name,
      cursor: trainer.sampler.cursor, steps: trainer.steps,
      tokens: trainer.tokens, seconds: trainer.seconds, threads: WorkerPool.shared.threads)
    try RunFolder.save(trainer, record: record, to: folder)
  }
}

/// An exponential mean that forgets over about fifty values and does not lag at the start.
struct RunningMean: Sendable {
  private var sum = 0.0
  private var weight = 0.0
  var isEmpty: Bool { weight == 0 }
  var value: Double { weight > 0 ? sum / weight : 0 }
  mutating func add(_ x: Double) {
    sum = 0.98 * sum + x
    weight = 0.98 * weight + 1
  }
}

extension Duration {
  package var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

extension TextMarks {
  /// A token behind every document ends texts; where one stands before it, or nothing else does, it begins them.
  fileprivate init(of header: CorpusHeader) {
    let end = header.endOfDocument ?? header.specialTokens?.after.last
    self.init(begin: header.specialTokens?.before.last ?? end, ends: Set([end].compactMap { $0 }))
  }
}
