/// A training step on given tokens, without a corpus: what `runnel bench train` times.

import RunnelCorpora
import RunnelModels
import RunnelTensors

package struct TrainerBench: Sendable {
  private var optimizer: Optimizer
  private var tally = RunTally()
  private let batch: Int

  package init(_ model: LanguageModel, batch: Int, precision: TrainingPrecision, recomputes: Bool) throws {
    try precision.requireMachine()
    var settings = TrainingSettings()
    (settings.precision, settings.recomputes) = (precision, recomputes)
    optimizer = Optimizer(model, settings: settings)
    self.batch = batch
  }

  package mutating func step(_ inputs: [Int32], targets: [Int32]) throws {
    var state = optimizer.model.initialState(batch: batch)
    var segment = Segment(lanes: batch, length: inputs.count / batch)
    (segment.inputs, segment.targets) = (inputs, targets)
    _ = try optimizer.step([segment], state: &state, tally: &tally, progress: 0.5)
  }
}
