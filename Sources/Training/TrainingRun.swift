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

/// The state of a run after a step, for display.
public struct TrainingProgress: Sendable {
  /// Steps done, and tokens trained on.
  public let step, tokens: Int
  /// A running mean of the training loss, nats per token.
  public let loss: Double
  /// Of the newest validation, in nats per token; nil before the first.
  public let validationLoss: Double?
  /// The share of right answers, where the corpus is of a task.
  public let validationAccuracy: Double?
  /// The rate of the last step.
  public let learningRate: Double
  /// Tokens trained on per second, since this session began.
  public let tokensPerSecond: Double
  /// The share of the budget that is spent.
  public let progress: Double
  /// Seconds until the budget is spent at this pace.
  public let secondsLeft: Double
  /// The share of a validation that is done; nil while training.
  public var validated: Double?
}

/// What a run ends with; keys in `--json` are these in snake_case.
public struct TrainingSummary: Codable, Sendable {
  /// Steps done and tokens trained on, of all sessions of the run.
  public var steps, tokens: Int
  /// Seconds of training, of all sessions of the run.
  public var seconds: Double
  /// Tokens trained on in this session by the seconds of training in it.
  public var tokensPerSecond: Double
  /// The running mean at the end, nats per token.
  public var loss: Double?
  /// Over the validation split or a sample of it, chunkwise, in nats per token; of a mixture, the mean by the corpora's
  /// weights.
  public var validationLoss: Double?
  /// The tokens that were looked at, spread evenly over the split, and those of the split.
  public var validationTokens, validationSplitTokens: Int?
  /// The validation loss by bytes of text; nil where nothing says what bytes a token stands for.
  public var bitsPerByte: Double?
  /// Where the corpus is of a task: the share of its answers that were right, and of documents without a wrong one.
  public var validationAccuracy, validationDocumentAccuracy: Double?
  /// Over a few tokens of the validation split, in nats per token: token by token, and chunkwise for comparison.
  public var validationStepLoss, validationMixLoss: Double?
  /// Where there are several corpora: the validation of each.
  public var validation: [CorpusValidation]?
  /// The most memory that the process had.
  public var peakResidentBytes = Machine.peakResidentBytes
  /// Whether a signal ended the training, or the last validation; the figures that it would have given are missing then.
  public var wasInterrupted: Bool

  enum CodingKeys: String, CodingKey {
    case steps, tokens, seconds, loss, validation
    case tokensPerSecond = "tokens_per_second"
    case validationLoss = "validation_loss"
    case bitsPerByte = "bits_per_byte"
    case validationTokens = "validation_tokens"
    case validationSplitTokens = "validation_split_tokens"
    case validationAccuracy = "validation_accuracy"
    case validationDocumentAccuracy = "validation_document_accuracy"
    case validationStepLoss = "validation_step_loss"
    case validationMixLoss = "validation_mix_loss"
    case peakResidentBytes = "peak_rss_bytes"
    case wasInterrupted = "interrupted"
  }
}

/// A trainer with its budget, validations, checkpoints and log in a folder. Made by ``TrainingPlan/begin(note:)``, or of a trainer
/// that a program has put together itself.
public struct TrainingRun: ~Copyable, Sendable {
  /// The run as the last step left it.
  public private(set) var trainer: Trainer
  let folder: String
  /// Keeps other trainers out of the folder; nil where whoever made the run sees to that.
  private let lock: FileLock?
  private var lossMean = RunningMean()
  /// The step of the newest checkpoint; nil before the first.
  private var savedStep: Int?
  /// Whether that is where the trainer is.
  private var isSaved = false
  var lastValidation: Validation?
  /// The bytes of every token; nil where tokens are bytes, none where nothing says what tokens are.
  var byteLengths: [Int]?

  /// - Parameter folder: where the run is to be written; validation is on the corpora of the trainer's sampler.
  public init(_ trainer: consuming Trainer, folder: String) {
    self.init(trainer, folder: folder, lock: nil)
  }

  init(_ trainer: consuming Trainer, folder: String, lock: consuming FileLock?) {
    self.trainer = trainer
    self.folder = folder
    self.lock = lock
  }

  /// Trains until the budget is spent or `shouldStop` says so. Whatever ends it, a checkpoint of the last step is on disk
  /// afterwards, if its numbers are finite and the disk has room; after an overflow the checkpoint before it stays.
  ///
  /// - Parameters:
  ///   - shouldStop: is asked before every step and often during validations.
  ///   - report: is told of every step, and of the share of a validation that is done.
  ///   - note: is told what went wrong without ending the run.
  /// - Throws: ``TrainingError`` with what happened and what is saved.
  public mutating func run(
    shouldStop: () -> Bool = { false }, report: (TrainingProgress) -> Void = { _ in },
    note: (String) -> Void = { _ in }
  ) throws -> TrainingSummary {
    try trainer.settings.precision.requireMachine()
    try RunFolder.checkSpace(for: trainer, in: folder)
    // A run that goes back to an older checkpoint does so in one step, before its log is cut.
    if let newest = try? RunFolder.record(folder).steps, newest > trainer.steps { try save() }
    var metrics = try Metrics(folder: folder, upTo: trainer.steps, changes: trainer.changes)
    if metrics.damagedLines > 0 {
      note("left out \(counted(metrics.damagedLines, "damaged line")) of \(folder)/\(RunFolder.metricsName)")
    }
    let tokenizer = try trainer.sampler.mixture.parts[0].corpus.tokenizer()
    let goesOn = RunFolder.exists(folder)
    if !goesOn { RunFolder.removeLeftovers(folder) }
    // Beside the weights it makes the run a model that reads and writes text.
    if let tokenizer { try ModelFolder.save(tokenizer, to: folder) }
    // A run that goes on has its marks already; the model that it began with may be gone.
    if !goesOn {
      try ModelFolder.save(try marks(tokenizer), to: folder)
      if let origin = trainer.settings.origin { try ChatTemplates(in: origin).write(to: folder) }
    }
    byteLengths = tokenizer is ByteTokenizer ? nil : tokenizer?.byteLengths() ?? []
    if RunFolder.exists(folder) {
      // Whatever became of the files beside the checkpoint, they are whole from here on.
      try RunFolder.saveModel(of: trainer, to: folder)
      savedStep = try? RunFolder.record(folder).steps
      isSaved = savedStep == trainer.steps && trainer.changes.last?.step != trainer.steps
    }
    let summary: TrainingSummary
    do {
      summary = try train(&metrics, shouldStop, report, note)
    } catch {
      try? metrics.finish()
      let hasOverflowed = error is TrainingError || error is NonFiniteNumbers
      let save = lastSave(hasOverflowed: hasOverflowed)
      throw TrainingError("\(error); \(save)" + (hasOverflowed ? "; \(wayOn)" : ""))
    }
    do { try metrics.finish() } catch { throw TrainingError("the run is saved in \(folder), but \(error)") }
    return summary
  }

  /// Saves before an error ends the run; what came of it. Numbers from which a step overflows are saved over none from which
  /// none did: whatever the learning rate, going on with them leads there again.
  private mutating func lastSave(hasOverflowed: Bool) -> String {
    let before = savedStep.map { "\(folder) holds the run at step \($0)" } ?? "nothing is saved"
    guard !isSaved, !(hasOverflowed && RunFolder.exists(folder)), trainer.isFinite else {
      return before
    }
    do { try save() } catch { return "\(before): \(error)" }
    return "the run is saved in \(folder) at step \(trainer.steps)"
  }

  /// What to do after an overflow. From the checkpoint of the step before it, the same numbers meet the same data: no learning
  /// rate leads past it.
  private var wayOn: String {
    guard let savedStep else { return "begin anew with a lower --learning-rate" }
    guard savedStep == trainer.steps else {
      return "go on from there with --resume and a lower --learning-rate"
    }
    let remedy =
      RunFolder.keptSteps(folder).last { $0 < savedStep }.map {
        "go back with --resume --resume-at \($0) and"
      }
      ?? "begin anew in another folder with"
    return "from there every learning rate leads to the same; \(remedy) a lower --learning-rate"
  }

  private mutating func train(
    _ metrics: inout Metrics, _ shouldStop: () -> Bool, _ report: (TrainingProgress) -> Void,
    _ note: (String) -> Void
  ) throws -> TrainingSummary {
    let settings = trainer.settings
    var clock = BudgetClock()
    let (firstTokens, firstSeconds) = (trainer.tokens, trainer.seconds)
    var isInterrupted = false
    var lastCheckpoint = ContinuousClock.now
    var complaints: Set<String> = []
    // Each kind of trouble is reported once, and again if it comes back.
    func complain(_ kind: String, _ text: String?) {
      if let text {
        if complaints.insert(kind).inserted { note(text) }
      } else {
        complaints.remove(kind)
      }
    }
    var progress = TrainingProgress(
      step: trainer.steps, tokens: trainer.tokens, loss: 0, validationLoss: nil, validationAccuracy: nil,
      learningRate: 0, tokensPerSecond: 0, progress: min(1, trainer.progress), secondsLeft: 0)
    while trainer.progress < 1 {
      if shouldStop() {
        isInterrupted = true
        break
      }
      let step = try trainer.step()
      isSaved = false
      lossMean.add(step.loss)
      trainer.spend(seconds: clock.lap())
      if trainer.steps % 10 == 0 {
        metrics.add(step, trainer: trainer)
        complain("metrics", metrics.failure.map { "lines of the log wait: \($0)" })
      }
      let elapsed = (ContinuousClock.now - lastCheckpoint).seconds
      if settings.checkpointInterval > 0 && trainer.steps % settings.checkpointInterval == 0
        || settings.checkpointMinutes > 0 && elapsed >= 60 * settings.checkpointMinutes
      {
        do {
          try save()
          complain("checkpoint", nil)
        } catch {
          complain(
            "checkpoint", "the checkpoint of step \(trainer.steps) is not complete, the run goes on: \(error)"
          )
        }
        lastCheckpoint = .now
      }
      let spent = trainer.seconds - firstSeconds
      let share = min(1, trainer.progress)
      progress = TrainingProgress(
        step: trainer.steps, tokens: trainer.tokens, loss: lossMean.value,
        validationLoss: lastValidation?.loss,
        validationAccuracy: lastValidation?.accuracy,
        learningRate: step.learningRate,
        tokensPerSecond: Double(trainer.tokens - firstTokens) / max(1e-9, spent), progress: share,
        secondsLeft: share > 0 ? trainer.seconds * (1 - share) / share : 0)
      report(progress)
      // A checkpoint of this step comes before its validation, which may take long.
      if settings.validationInterval > 0, trainer.steps % settings.validationInterval == 0 {
        try validate(&metrics, progress, shouldStop, report)
      }
    }
    if !isSaved { try save() }
    var summary = TrainingSummary(
      steps: trainer.steps, tokens: trainer.tokens, seconds: trainer.seconds,
      tokensPerSecond: Double(trainer.tokens - firstTokens) / max(1e-9, trainer.seconds - firstSeconds),
      loss: lossMean.isEmpty ? nil : lossMean.value, wasInterrupted: isInterrupted)
    if !isInterrupted { try finish(&summary, &metrics, progress, shouldStop, report) }
    summary.peakResidentBytes = Machine.peakResidentBytes
    return summary
  }

  /// What begins and ends the texts of the corpora, if it is the same in all; else those of the model that the run began with.
  private func marks(_ tokenizer: (any Tokenizer)?) throws -> TextMarks {
    let headers = trainer.sampler.mixture.parts.map(\.corpus.header)
    let marks = TextMarks(of: headers[0])
    if !marks.isEmpty, headers.allSatisfy({ TextMarks(of: $0) == marks }) { return marks }
    guard let origin = trainer.settings.origin else { return TextMarks() }
    return try ModelFolder.marks(of: trainer.model, at: origin, tokenizer: tokenizer, from: origin)
  }

  private mutating func save() throws {
    let record = RunRecord(trainer, threads: WorkerPool.shared.threads)
    do { try RunFolder.save(trainer, record: record, to: folder) } catch {
      // The checkpoint is written first, and may be there without the files beside it, which the next save writes.
      if (try? RunFolder.record(folder).steps) == trainer.steps { savedStep = trainer.steps }
      throw error
    }
    (savedStep, isSaved) = (trainer.steps, true)
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
