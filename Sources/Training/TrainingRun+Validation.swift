/// The validations of a run: bounded, watched, and left at the first signal.

import RunnelCorpora
import RunnelRecurrences

extension TrainingRun {
  /// Someone asked to stop while a validation ran.
  private struct Stopped: Error {}

  /// A validation in the middle of the run; nothing is noted where it is asked to stop.
  mutating func validate(
    _ metrics: inout Metrics, _ progress: TrainingProgress, _ shouldStop: () -> Bool,
    _ report: (TrainingProgress) -> Void
  ) throws {
    let limit = trainer.settings.validationLimit(isLast: false, trained: trainer.tokens)
    do {
      guard let validation = try validation(limit: limit, progress, shouldStop, report) else { return }
      lastValidation = validation
      metrics.add(validation, trainer: trainer)
    } catch is Stopped {}
  }

  /// The validation at the end, and some tokens in both forms. The run has been saved.
  mutating func finish(
    _ summary: inout TrainingSummary, _ metrics: inout Metrics, _ progress: TrainingProgress,
    _ shouldStop: () -> Bool, _ report: (TrainingProgress) -> Void
  ) throws {
    let limit = trainer.settings.validationLimit(isLast: true, trained: trainer.tokens)
    do {
      guard let validation = try validation(limit: limit, progress, shouldStop, report) else { return }
      metrics.add(validation, trainer: trainer, isFinal: true)
      summary.validationLoss = validation.loss
      summary.validationTokens = validation.tokens
      summary.validationSplitTokens = validation.splitTokens
      summary.bitsPerByte = validation.bitsPerByte
      summary.validationAccuracy = validation.accuracy
      summary.validationDocumentAccuracy = validation.documentAccuracy
      summary.validation = validation.each
      // Token by token a large model takes many times as long.
      let few = min(8192, max(256, limit / 32))
      let losses = try [Form.step, .mix].map {
        try self.validation(form: $0, limit: few, progress, shouldStop, report)?.loss
      }
      (summary.validationStepLoss, summary.validationMixLoss) = (losses[0], losses[1])
    } catch is Stopped { summary.wasInterrupted = true }
  }

  /// The validation of every corpus that has a validation split; nil where none has.
  ///
  /// - Throws: ``TrainingError`` where the loss is not finite.
  private func validation(
    form: Form = .mix, limit: Int, _ progress: TrainingProgress, _ shouldStop: () -> Bool,
    _ report: (TrainingProgress) -> Void
  ) throws -> Validation? {
    let parts = trainer.sampler.mixture.parts.compactMap { part in
      let range = part.corpus.range(of: .validation)
      return range.count < 2 ? nil : (part, range)
    }
    guard !parts.isEmpty else { return nil }
    let results = try parts.enumerated().map { index, part in
      try Validation.Part(
        trainer, part.0, range: part.1, limit: max(2, limit / parts.count), byteLengths: byteLengths,
        form: form
      ) { share in
        if shouldStop() { throw Stopped() }
        var progress = progress
        progress.validated = (Double(index) + share) / Double(parts.count)
        report(progress)
      }
    }
    let validation = Validation(parts: results)
    guard validation.loss.isFinite else {
      throw TrainingError("the validation loss is \(validation.loss) after step \(trainer.steps)")
    }
    return validation
  }
}
