/// The loop around a trainer: budget, validation, checkpoints, metrics, and a way out.

import Foundation
import RunnelCheckpoints
import RunnelCorpora
import RunnelFiles
import RunnelKernels
import RunnelModels
import RunnelText

/// A trainer with its budget, validations, checkpoints and log in a folder. Made by ``TrainingPlan/begin(note:)``, or of a trainer
/// that a program has put together itself.
public struct TrainingRun: ~Copyable, Sendable {
  /// The run as the last step left it.
  public internal(set) var trainer: Trainer
  let folder: String
  /// Keeps other trainers out of the folder; nil where whoever made the run sees to that.
  private let lock: FileLock?
  private var lossMean = RunningMean()
  /// The step of the newest checkpoint; nil before the first.
  var savedStep: Int?
  /// Whether that is where the trainer is.
  var isSaved = false
  var lastValidation: Validation?
  var lastAverageLoss: Double?
  /// The newest validation with its step and the most tokens that it could look at.
  var newest: (step: Int, limit: Int, last: Validation, average: Validation?)?
  /// Why the best model is not the one that is kept; nil where it is.
  var bestFailure: String?
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
  /// - Throws: ``TrainingError`` with what happened and what is saved, also where the run came to its end but the best model
  ///   or lines of the log could not be written; `ConfigurationError` before the first step where a setting cannot be.
  public mutating func run(
    shouldStop: () -> Bool = { false }, report: (TrainingProgress) -> Void = { _ in },
    note: (String) -> Void = { _ in }
  ) throws -> TrainingSummary {
    // A checkpoint of other settings could not be read.
    try trainer.settings.validate()
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
    var failures = bestFailure.map { [$0] } ?? []
    do { try metrics.finish() } catch { failures.append("\(error)") }
    guard failures.isEmpty else {
      throw TrainingError("the run is saved in \(folder), but \(failures.joined(separator: "; "))")
    }
    return summary
  }

  private mutating func train(
    _ metrics: inout Metrics, _ shouldStop: () -> Bool, _ report: (TrainingProgress) -> Void,
    _ note: (String) -> Void
  ) throws -> TrainingSummary {
    let settings = trainer.settings
    var clock = BudgetClock()
    var session = TrainingSession(trainer)
    var isInterrupted = false
    var lastCheckpoint = ContinuousClock.now
    // The checkpoint of a step comes before its validation, which may be what went missing with the break.
    if trainer.owesValidation(isLast: false) {
      try validate(&metrics, &session, progress(session, rate: 0), shouldStop, report, note)
    }
    while trainer.progress < 1, !trainer.isOutOfPatience {
      if shouldStop() {
        isInterrupted = true
        break
      }
      let start = ContinuousClock.now
      let step = try trainer.step()
      session.add(step, seconds: (ContinuousClock.now - start).seconds)
      isSaved = false
      lossMean.add(step.loss)
      trainer.spend(seconds: clock.lap())
      if trainer.steps % settings.logInterval == 0 || step.isSkipped {
        metrics.add(step, trainer: trainer)
        session.complain("metrics", metrics.failure.map { "lines of the log wait: \($0)" }, note)
      }
      let elapsed = (ContinuousClock.now - lastCheckpoint).seconds
      if settings.checkpointInterval > 0 && trainer.steps % settings.checkpointInterval == 0
        || settings.checkpointMinutes > 0 && elapsed >= 60 * settings.checkpointMinutes
      {
        do {
          try save()
          session.complain("checkpoint", nil, note)
        } catch {
          session.complain(
            "checkpoint",
            "the checkpoint of step \(trainer.steps) is not complete, the run goes on: \(error)", note)
        }
        lastCheckpoint = .now
      }
      let progress = progress(session, rate: step.learningRate)
      report(progress)
      // A checkpoint of this step comes before its validation, which may take long.
      if settings.validationInterval > 0, trainer.steps % settings.validationInterval == 0 {
        try validate(&metrics, &session, progress, shouldStop, report, note)
      }
    }
    if !isSaved { try save() }
    let last = progress(session, rate: 0)
    if !isInterrupted, trainer.owesValidation(isLast: true) {
      try validate(&metrics, &session, last, shouldStop, report, note)
    }
    var summary = TrainingSummary(
      trainer, session, loss: lossMean.isEmpty ? nil : lossMean.value, wasInterrupted: isInterrupted)
    if !isInterrupted { try finish(&summary, &metrics, last, shouldStop, report) }
    // What the last validation has decided.
    if !isSaved { try save() }
    (summary.bestStep, summary.bestValidationLoss) = (trainer.tally.best?.step, trainer.tally.best?.loss)
    summary.servesAverage = trainer.average == nil ? nil : trainer.tally.servesAverage
    summary.peakResidentBytes = Machine.peakResidentBytes
    return summary
  }

  /// Where the run is.
  private func progress(_ session: TrainingSession, rate: Double) -> TrainingProgress {
    let share = min(1, trainer.progress)
    return TrainingProgress(
      step: trainer.steps, tokens: trainer.tokens, loss: lossMean.value, validationLoss: lastValidation?.loss,
      validationAccuracy: lastValidation?.accuracy, learningRate: rate,
      tokensPerSecond: session.tokensPerSecond(trainer), progress: share,
      secondsLeft: share > 0 ? trainer.seconds * (1 - share) / share : 0,
      averageValidationLoss: lastAverageLoss, skippedSteps: trainer.tally.skippedSteps)
  }
}
