/// What `runnel train` prints: the plan, the progress, the result.

import Foundation
import Runnel

extension TrainCommand {
  private struct Plan: Encodable {
    let mixer: String
    let parameters, layers, width, batch, segment, accumulate: Int
    let optimizer: String
    let training_memory: TrainingMemory
  }

  /// What a run is going to be.
  func show(_ run: borrowing TrainingPlan) throws {
    let (configuration, settings, memory) = (run.configuration, run.settings, run.memory)
    let plan = Plan(
      mixer: configuration.mixerName, parameters: memory.parameterCount, layers: configuration.layers,
      width: configuration.width, batch: settings.batch, segment: settings.segment,
      accumulate: settings.accumulate, optimizer: settings.optimizer.rawValue, training_memory: memory)
    if output.json { return try Output.json(plan) }
    Output.table([
      ["mixer", plan.mixer],
      ["parameters", grouped(plan.parameters)],
      ["layers", "\(plan.layers) of width \(plan.width)"],
      [
        "step",
        "\(counted(plan.batch, "lane")) of \(counted(plan.segment, "token"))"
          + (plan.accumulate > 1 ? ", \(plan.accumulate) times" : ""),
      ],
      ["optimizer", plan.optimizer],
      ["memory", "about \(TrainingMemory.text(memory.total)): \(memory.parts)"],
    ])
  }

  /// Trains, watched and with its end told.
  func train(_ run: consuming TrainingRun, _ memory: TrainingMemory) throws {
    Interrupt.watch()
    tell(run.trainer, memory)
    var line = ProgressLine(), validating = ProgressLine()
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
    tell(summary, of: run.trainer)
    Output.line("saved in \(out)")
  }

  private func tell(_ trainer: borrowing Trainer, _ memory: TrainingMemory) {
    let training = trainer.sampler.mixture.parts.reduce(0) { $0 + $1.corpus.range(of: .train).count }
    Output.note(
      """
      \(trainer.model.mixerName): \(counted(trainer.model.parameterCount, "parameter")), \
      \(counted(trainer.model.layerCount, "layer")) of width \(trainer.model.width); \(counted(training, "training token")); \
      \(counted(trainer.settings.batch, "lane")) of \(trainer.settings.segment); \(counted(WorkerPool.shared.threads, "thread")); about \
      \(TrainingMemory.text(memory.total)) of memory
      """)
  }

  private func tell(_ summary: TrainingSummary, of trainer: borrowing Trainer) {
    let trained =
      "\(counted(summary.steps, "step")), \(counted(summary.tokens, "token")) in \(Output.duration(summary.seconds))"
    if let loss = summary.loss {
      Output.line(
        trained
          + String(
            format: " (%@ tokens/s), training loss %.4f", grouped(Int(summary.tokensPerSecond)), loss))
    } else if summary.isOutOfPatience {
      Output.line(
        "\(trained): the run had no patience left; to go on give \(trainer.progress < 1 ? "" : "a longer budget and ")"
          + "--patience \(trainer.tally.unimproved + 1) or more, or 0 for no such end")
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
    if let loss = summary.averageValidationLoss {
      Output.line(
        String(format: "of the averaged weights %.4f nats per token: the model is ", loss)
          + (summary.servesAverage == true ? "that of the average" : "that of the last weights"))
    }
    if let step = summary.bestStep, let loss = summary.bestValidationLoss {
      Output.line(
        String(format: "the best validation on the way was %.4f at step ", loss) + "\(step)"
          + (trainer.settings.keepBest ? whereBest(step) : ""))
    }
    if summary.isOutOfPatience {
      Output.line("the run ended because its validations were no better any more")
    }
    if summary.skippedSteps > 0 {
      Output.line("\(counted(summary.skippedSteps, "step")) left out, whose gradients were spikes")
    }
    if summary.loss != nil {
      Output.line(
        String(format: "the optimiser took %.1f %% of the steps' time", 100 * summary.optimizerShare))
    }
    if summary.wasInterrupted { Output.line("a signal ended the validation; --resume makes it anew") }
  }

  /// What became of the model of the best validation.
  private func whereBest(_ step: Int) -> String {
    switch RunFolder.bestStep(out) {
    case step: "; its model is \(out)/best"
    case nil: "; its model was not kept"
    case _?: "; its model is gone: \(out)/best is another's"
    }
  }
}

extension TrainingProgress {
  fileprivate var text: String {
    var validation = validationLoss.map { String(format: " · validation %.3f", $0) } ?? ""
    if let validationAccuracy { validation += String(format: ", %.1f %% right", 100 * validationAccuracy) }
    if let averageValidationLoss { validation += String(format: ", average %.3f", averageValidationLoss) }
    if skippedSteps > 0 { validation += " · \(counted(skippedSteps, "step")) left out" }
    return String(
      format: "%3.0f%% step %d · loss %.3f (%.3f bits/token)%@ · %@ tokens/s · %@ left", progress * 100, step,
      loss, loss / log(2), validation, grouped(Int(tokensPerSecond)), Output.duration(secondsLeft))
  }
}
