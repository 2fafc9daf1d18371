/// Trains a small model on a text, as `runnel corpus build` and `runnel train` do.

import Runnel

/// - Parameters:
///   - text: a file of text.
///   - mixer: its name in the registry, or a pattern such as `mingru,attention`.
///   - folder: a new one, which becomes a RUN: a model and what it takes to go on training it.
/// - Returns: what the run ends with.
func trainModel(on text: String, mixer: String, steps: Int, into folder: String) throws -> TrainingSummary {
  // A corpus is tokens, with a tenth of them kept apart.
  let corpus = text + ".tokens.zst"
  try CorpusBuilder(validation: .tail(0.1)).build([text], to: corpus)

  // What is not said is chosen for the model, the corpus and the budget.
  var options = TrainingOptions()
  options.budget = .steps(steps)
  options.learningRate = 4e-3
  options.segment = 64
  let plan = try TrainingPlan(
    ModelShape(mixer, width: 32, layers: 2), corpora: corpus, folder: folder, options: options)
  print("\(plan.configuration.mixerName) takes about \(plan.memory.total >> 20) MiB to train")

  // Every tenth step says how far it is.
  var run = try plan.begin()
  let summary = try run.run(report: { progress in
    if progress.validated == nil, progress.step % 10 == 0 {
      print("step \(progress.step): \(progress.loss) nats per token")
    }
  })
  return summary
}

/// Goes on with a run for as many steps again, at a tenth of the rate.
func trainFurther(in folder: String) throws -> TrainingSummary {
  let record = try RunFolder.record(folder)
  var options = TrainingOptions()
  options.budget = .steps(2 * record.steps)
  options.learningRate = record.settings.learningRate / 10
  var run = try TrainingPlan(resuming: folder, options: options).begin { print($0) }
  return try run.run()
}
