/// The loop around a trainer: budget, validation, checkpoints, metrics, and a way out.

import Foundation
import RunnelCheckpoints
import RunnelCorpora
import RunnelFiles
import RunnelKernels
import RunnelModels
import RunnelRecurrences
import RunnelStreaming

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
  /// Over the whole validation split, chunkwise, in nats per token.
  public var validationLoss: Double?
  public var bitsPerByte: Double?
  /// Where the corpus is of a task: the share of its answers that were right, and of documents without a wrong one.
  public var validationAccuracy: Double?
  public var validationDocumentAccuracy: Double?
  /// Over the first tokens of the validation split, token by token, and chunkwise for comparison.
  public var validationStepLoss: Double?
  public var validationMixLoss: Double?
  public var wasInterrupted: Bool

  enum CodingKeys: String, CodingKey {
    case steps, tokens, seconds, loss
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
  let corpus: Corpus
  let folder: String
  private var lossMean = RunningMean()
  private var lastValidation: Validation?

  public init(_ trainer: Trainer, corpus: Corpus, folder: String) {
    self.trainer = trainer
    self.corpus = corpus
    self.folder = folder
  }

  private var validationRange: Range<Int>? {
    let range = corpus.range(of: .validation)
    return range.count >= 2 ? range : nil
  }

  /// Trains until the budget is spent or `shouldStop` says so; a checkpoint is on disk afterwards.
  public mutating func run(
    shouldStop: () -> Bool, report: (TrainingProgress) -> Void
  ) throws -> TrainingSummary {
    let settings = trainer.settings
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
          validationLoss: lastValidation?.score.loss,
          validationAccuracy: lastValidation?.answers?.accuracy,
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

  private mutating func validate(_ metrics: inout Metrics) throws {
    guard let range = validationRange else { return }
    let validation = try validation(range, limit: trainer.settings.validationTokens)
    lastValidation = validation
    try metrics.add(validation, trainer: trainer)
  }

  /// The last validation sees the whole split, and its first tokens in both forms.
  private mutating func finish(_ summary: inout TrainingSummary, _ metrics: inout Metrics) throws {
    guard let range = validationRange else { return }
    let carry = trainer.settings.carryState
    let validation = try validation(
      range, lanes: min(8, max(1, range.count / 4096)), length: carry ? 512 : trainer.settings.segment)
    try metrics.add(validation, trainer: trainer)
    summary.validationLoss = validation.score.loss
    summary.bitsPerByte = validation.answers == nil ? validation.score.bitsPerByte : nil
    summary.validationAccuracy = validation.answers?.accuracy
    summary.validationDocumentAccuracy = validation.answers?.documentAccuracy
    let forms = try [Form.step, .mix].map { try self.validation(range, form: $0, limit: 8192).score.loss }
    (summary.validationStepLoss, summary.validationMixLoss) = (forms[0], forms[1])
  }

  /// What a validation found; of a task, its answers.
  fileprivate struct Validation {
    var score: Score
    var answers: AnswerScore?
  }

  private func validation(
    _ range: Range<Int>, lanes: Int = 8, length: Int = 256, form: Form = .mix, limit: Int = .max
  ) throws -> Validation {
    if corpus.task != nil, corpus.targetChoice == .answers {
      let answers = try scoreAnswers(of: trainer.model, on: corpus, range: range, form: form, limit: limit)
      return Validation(score: answers.score, answers: answers)
    }
    let score = try evaluate(
      trainer.model, on: corpus, range: range, lanes: lanes, length: length, form: form,
      resetAtDocuments: trainer.settings.resetAtDocuments, carryState: trainer.settings.carryState,
      limit: limit)
    return Validation(score: score)
  }

  private func save() throws {
    let record = RunRecord(
      mixer: trainer.model.mixerName, settings: trainer.settings, corpus: corpus.path,
      corpusTokens: corpus.header.tokens, cursor: trainer.sampler.cursor, steps: trainer.steps,
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

/// `metrics.jsonl`: one object a line. Lines after the checkpoint that a run resumes from are dropped.
private struct Metrics {
  private let file: FileHandle

  init(folder: String, upTo step: Int) throws {
    try ModelFolder.makeFolder(folder)
    let path = folder + "/" + RunFolder.metricsName
    struct Line: Decodable { let step: Int }
    var kept = ""
    if step > 0, let text = try? String(contentsOfFile: path, encoding: .utf8) {
      for line in text.split(separator: "\n") {
        guard let entry = try? JSONDecoder().decode(Line.self, from: Data(line.utf8)), entry.step <= step
        else {
          continue
        }
        kept += line + "\n"
      }
    }
    try AtomicFile.write(kept, to: path)
    guard let file = FileHandle(forWritingAtPath: path) else {
      throw TrainingError("\(path) cannot be opened for writing; choose another folder for --out")
    }
    file.seekToEndOfFile()
    self.file = file
  }

  private func write(_ entry: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    try file.write(contentsOf: try encoder.encode(entry) + Data("\n".utf8))
  }

  private struct Entry: Encodable {
    var step, tokens: Int
    var seconds: Double
    var loss, learning_rate, gradient_norm: Double?
    var validation_loss, bits_per_byte, validation_accuracy, validation_document_accuracy: Double?
  }

  mutating func add(_ step: StepReport, trainer: Trainer) throws {
    try write(
      Entry(
        step: trainer.steps, tokens: trainer.tokens, seconds: trainer.seconds, loss: step.loss,
        learning_rate: step.learningRate, gradient_norm: step.gradientNorm))
  }

  mutating func add(_ validation: TrainingRun.Validation, trainer: Trainer) throws {
    let (score, answers) = (validation.score, validation.answers)
    try write(
      Entry(
        step: trainer.steps, tokens: trainer.tokens, seconds: trainer.seconds, validation_loss: score.loss,
        bits_per_byte: answers == nil ? score.bitsPerByte : nil, validation_accuracy: answers?.accuracy,
        validation_document_accuracy: answers?.documentAccuracy))
  }
}
