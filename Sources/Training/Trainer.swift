/// Truncated backpropagation through time with AdamW: one value that steps.

import Foundation
import RunnelCorpora
import RunnelKernels
import RunnelModels
import RunnelRecurrences
import RunnelTensors

/// A run in progress. Copying it forks the run.
public struct Trainer<M: Model>: Sendable {
  public internal(set) var model: M
  public let settings: TrainingSettings
  var moments: [Moments]
  /// The lanes' states between segments.
  var state: M.State
  public internal(set) var sampler: LaneSampler
  public internal(set) var steps = 0
  public internal(set) var tokens = 0
  /// Time spent in earlier sessions of the run.
  public internal(set) var seconds = 0.0

  /// AdamW's running means of a parameter's gradient and its square.
  struct Moments: Sendable {
    var first: Tensor
    var second: Tensor
  }

  public init(_ model: M, settings: TrainingSettings, sampler: LaneSampler) {
    self.model = model
    self.settings = settings
    self.sampler = sampler
    moments = model.parameters.map {
      Moments(first: Tensor(zeros: $0.value.shape), second: Tensor(zeros: $0.value.shape))
    }
    state = model.initialState(batch: settings.batch)
  }

  public struct StepReport: Sendable {
    /// Nats per token over the segment, before the update.
    public let loss: Double
    public let gradientNorm: Double
    public let learningRate: Double
  }

  /// The share of the budget that is spent.
  public var progress: Double { settings.budget.progress(steps: steps, tokens: tokens, seconds: seconds) }

  /// One segment of every lane: forward, backward, update.
  ///
  /// - Throws: ``TrainingError`` where the loss or a gradient is not finite; the run is then as it was before.
  public mutating func step() throws -> StepReport {
    var sampler = sampler
    let segment = try sampler.next()
    var leaves: [Tensor] = []
    let tracked = model.replacingParameters {
      let leaf = $0.value.tracked()
      leaves.append(leaf)
      return leaf
    }
    var state = settings.carryState ? state : model.initialState(batch: settings.batch)
    let loss = tracked.loss(
      segment.inputs, targets: segment.targets, batch: segment.lanes, resets: Resets(rows: segment.resets),
      state: &state
    ).mean
    guard loss.scalar.isFinite else {
      throw TrainingError("the loss of step \(steps + 1) is not finite; lower --learning-rate")
    }
    let gradients = gradients(of: loss, for: leaves)
    let parameters = model.parameters
    let squares = gradients.map(\.sumOfSquares)
    if let bad = squares.firstIndex(where: { !$0.isFinite }) {
      throw TrainingError(
        "the gradient of \(parameters[bad].name) is not finite in step \(steps + 1); lower --learning-rate")
    }
    let norm = squares.reduce(0, +).squareRoot()
    let rate =
      settings.learningRate
      * settings.schedule.factor(progress: progress, warmup: settings.warmup, final: settings.finalRate)
    update(gradients, rate: rate, scale: norm > settings.clip ? settings.clip / norm : 1)
    self.state = state.detached
    self.sampler = sampler
    steps += 1
    tokens += segment.inputs.count
    return StepReport(loss: Double(loss.scalar), gradientNorm: norm, learningRate: rate)
  }

  private mutating func update(_ gradients: [Tensor], rate: Double, scale: Double) {
    var index = 0
    model = model.replacingParameters { parameter in
      defer { index += 1 }
      var value = parameter.value
      var moment = moments[index]
      adamWUpdate(
        &value, gradient: gradients[index], firstMoment: &moment.first, secondMoment: &moment.second,
        step: steps + 1,
        learningRate: rate * Double(parameter.traits.learningRate), beta1: settings.beta1, beta2: settings.beta2,
        epsilon: settings.epsilon, weightDecay: parameter.traits.decays ? settings.weightDecay : 0,
        gradientScale: scale)
      moments[index] = moment
      return value
    }
  }

  /// Adds wall-clock time to the account of the run.
  public mutating func spend(seconds: Double) { self.seconds += seconds }
}

/// Training cannot go on; one sentence.
public struct TrainingError: Error, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}
