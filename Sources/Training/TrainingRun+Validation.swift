/// The validations of a run: bounded, watched, and left at the first signal; and what follows from them.

import RunnelCorpora
import RunnelModels
import RunnelRecurrences

extension TrainingRun {
  /// Someone asked to stop while a validation ran.
  private struct Stopped: Error {}

  /// A validation in the middle of the run; nothing is noted where it is asked to stop.
  mutating func validate(
    _ metrics: inout Metrics, _ session: inout TrainingSession, _ progress: TrainingProgress,
    _ shouldStop: () -> Bool, _ report: (TrainingProgress) -> Void, _ note: (String) -> Void
  ) throws {
    let limit = trainer.settings.validationLimit(isLast: false, trained: trainer.tokens)
    do {
      guard let (last, average) = try validations(limit: limit, progress, shouldStop, report) else { return }
      (lastValidation, lastAverageLoss) = (last, average?.loss)
      metrics.add(last, average: average, trainer: trainer)
      choose(last, average)
      if trainer.settings.comparesValidations { compare(last, average, &session, note) }
    } catch is Stopped {}
  }

  /// The validation at the end, and some tokens in both forms. The run has been saved.
  mutating func finish(
    _ summary: inout TrainingSummary, _ metrics: inout Metrics, _ progress: TrainingProgress,
    _ shouldStop: () -> Bool, _ report: (TrainingProgress) -> Void
  ) throws {
    let limit = trainer.settings.validationLimit(isLast: true, trained: trainer.tokens)
    do {
      guard let (last, average) = try validations(limit: limit, progress, shouldStop, report) else {
        return choose(nil, nil)
      }
      metrics.add(last, average: average, trainer: trainer, isFinal: true)
      choose(last, average)
      summary.validationLoss = last.loss
      summary.validationTokens = last.tokens
      summary.validationSplitTokens = last.splitTokens
      summary.bitsPerByte = last.bitsPerByte
      summary.validationAccuracy = last.accuracy
      summary.validationDocumentAccuracy = last.documentAccuracy
      summary.validation = last.each
      (summary.averageValidationLoss, summary.averageBitsPerByte) = (average?.loss, average?.bitsPerByte)
      // Token by token a large model takes many times as long.
      let few = min(8192, max(256, limit / 32))
      let losses = try [Form.step, .mix].map { form in
        try validation(of: trainer.servedModel, form: form, limit: few, shouldStop) {
          tell($0, progress, report)
        }?.loss
      }
      (summary.validationStepLoss, summary.validationMixLoss) = (losses[0], losses[1])
    } catch is Stopped { summary.wasInterrupted = true }
  }

  /// The folder's model is the better one by the newest validation; where there is none, the average, as it was asked for.
  private mutating func choose(_ last: Validation?, _ average: Validation?) {
    guard trainer.tally.averagedSteps > 0 else { return }
    let isAverage = (average?.loss ?? 0) < last?.loss ?? .infinity
    if trainer.tally.servesAverage != isAverage { isSaved = false }
    trainer.tally.servesAverage = isAverage
  }

  /// Holds a validation on the way against the best one, and keeps its model if it is to be kept.
  private mutating func compare(
    _ last: Validation, _ average: Validation?, _ session: inout TrainingSession, _ note: (String) -> Void
  ) {
    let isAverage = trainer.tally.servesAverage, best = trainer.tally.best
    let loss = isAverage ? average?.loss ?? last.loss : last.loss
    // Where the model of the best one is not there, any is better: nothing asked to keep that one, or another took its place.
    let isMissing = trainer.settings.keepBest && RunFolder.bestStep(folder) != best?.step
    if isMissing || loss < best?.loss ?? .infinity {
      do {
        if trainer.settings.keepBest { try keepBest() }
        trainer.tally.best = BestValidation(step: trainer.steps, loss: loss, isAverage: isAverage)
        (trainer.tally.unimproved, trainer.tally.validatedStep) = (0, trainer.steps)
        bestFailure = nil
        session.complain("best", nil, note)
      } catch {
        // What is not kept is no better one, and its validation is still owed: a run that goes on from here tries again.
        trainer.tally.unimproved += 1
        let failure = "the best model, of step \(trainer.steps), could not be written"
        bestFailure = "\(failure): \(error)"
        session.complain("best", "\(failure), the run goes on: \(error)", note)
      }
    } else {
      trainer.tally.unimproved += 1
      trainer.tally.validatedStep = trainer.steps
    }
    isSaved = false
  }

  /// Writes the model as that of the best validation. A folder with a best model holds a run, which can be gone on with.
  private mutating func keepBest() throws {
    if savedStep == nil { try save() }
    try RunFolder.saveBest(of: trainer, to: folder)
  }

  /// The validation of the last weights and of their average, on the same tokens; nil where no corpus has a validation split.
  /// One that has just been made, on the way or for the end of the run, is not made again.
  private mutating func validations(
    limit: Int, _ progress: TrainingProgress, _ shouldStop: () -> Bool, _ report: (TrainingProgress) -> Void
  ) throws -> (last: Validation, average: Validation?)? {
    let parts = trainer.sampler.mixture.validationParts
    let limit = min(limit, (parts.map(\.range.count).max() ?? 0) * parts.count)
    if let newest, newest.step == trainer.steps, newest.limit == limit {
      return (newest.last, newest.average)
    }
    let average = trainer.averagedModel
    let share = average == nil ? 1 : 0.5
    guard
      let last = try validation(
        of: trainer.model, limit: limit, shouldStop,
        {
          tell(share * $0, progress, report)
        })
    else { return nil }
    let other = try average.flatMap {
      try validation(of: $0, limit: limit, shouldStop) { tell(share * (1 + $0), progress, report) }
    }
    newest = (trainer.steps, limit, last, other)
    return (last, other)
  }

  private func tell(_ share: Double, _ progress: TrainingProgress, _ report: (TrainingProgress) -> Void) {
    var progress = progress
    progress.validated = share
    report(progress)
  }

  /// The validation of every corpus that has a validation split; nil where none has.
  ///
  /// - Throws: ``TrainingError`` where the loss is not finite.
  private func validation(
    of model: LanguageModel, form: Form = .mix, limit: Int, _ shouldStop: () -> Bool,
    _ tell: (Double) -> Void
  ) throws -> Validation? {
    let parts = trainer.sampler.mixture.validationParts
    guard !parts.isEmpty else { return nil }
    let results = try parts.enumerated().map { index, part in
      try Validation.Part(
        model, trainer.settings, part.part, range: part.range, limit: max(2, limit / parts.count),
        byteLengths: byteLengths, form: form
      ) { share in
        if shouldStop() { throw Stopped() }
        tell((Double(index) + share) / Double(parts.count))
      }
    }
    let validation = Validation(parts: results)
    guard validation.loss.isFinite else {
      throw TrainingError("the validation loss is \(validation.loss) after step \(trainer.steps)")
    }
    return validation
  }
}

extension Trainer {
  /// Whether as many validations as the settings bear have found nothing better.
  var isOutOfPatience: Bool { settings.patience.map { tally.unimproved >= $0 } ?? false }

  /// Whether validations are compared, and the one of this step, which is the last or one on the way, is still to be made.
  func owesValidation(isLast: Bool) -> Bool {
    settings.comparesValidations && steps > 0 && tally.validatedStep != steps
      && (isLast || steps % max(1, settings.validationInterval) == 0)
  }
}

extension CorpusMixture {
  /// The corpora with a validation split, and where it is.
  var validationParts: [(part: Part, range: Range<Int>)] {
    parts.compactMap { part in
      let range = part.corpus.range(of: .validation)
      return range.count < 2 ? nil : (part, range)
    }
  }

  /// Refuses settings that need a validation split where there is none.
  func check(_ settings: TrainingSettings) throws {
    guard settings.comparesValidations, validationParts.isEmpty else { return }
    throw TrainingError(
      "--\(settings.keepBest ? "keep-best" : "patience") goes by validations, and \(name) has no validation split; leave it out, "
        + "or build the corpus with --validation")
  }
}
