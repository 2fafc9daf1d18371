/// Truncated backpropagation through time with AdamW: one value that steps.

import Foundation
import RunnelCorpora
import RunnelKernels
import RunnelModels
import RunnelRecurrences
import RunnelTensors

/// A model and AdamW's memory of it: one value that steps on any tokens.
struct Optimizer: Sendable {
  var model: LanguageModel
  let settings: TrainingSettings
  var moments: [Moments]
  var steps = 0

  /// The running means of a parameter's gradient and its square.
  struct Moments: Sendable {
    var first: Tensor
    var second: Tensor
  }

  init(_ model: consuming LanguageModel, settings: TrainingSettings) {
    self.settings = settings
    moments = model.parameters.map {
      Moments(first: Tensor(zeros: $0.value.shape), second: Tensor(zeros: $0.value.shape))
    }
    self.model = model
  }

  /// Forward, backward, update.
  ///
  /// - Parameter progress: the share of the budget that is spent.
  /// - Throws: ``TrainingError`` where the loss or a gradient is not finite; nothing has changed then.
  mutating func step(
    _ inputs: [Int32], targets: [Int32], batch: Int, resets: Resets, state: inout ModelState,
    progress: Double
  ) throws -> StepReport {
    var next = state
    var (loss, gradients) = differentiate(inputs, targets, batch, resets, &next)
    Profiler.begin(.optimizer, "norm")
    let squares = gradients.map(\.sumOfSquares)
    Profiler.end()
    guard loss.isFinite, squares.allSatisfy(\.isFinite) else {
      // The search needs their memory.
      gradients = []
      let culprit = culprit(inputs, targets, batch, resets, state)
      throw TrainingError("numbers overflow in step \(steps + 1): \(culprit)")
    }
    let norm = squares.reduce(0, +).squareRoot()
    let rate = settings.learningRate(at: progress)
    update(&gradients, rate: rate, scale: norm > settings.clip ? settings.clip / norm : 1)
    state = next
    steps += 1
    return StepReport(loss: loss, gradientNorm: norm, learningRate: rate)
  }

  /// The loss and, where it is finite, its gradients. The tape, which holds the parameters, is gone afterwards.
  private func differentiate(
    _ inputs: [Int32], _ targets: [Int32], _ batch: Int, _ resets: Resets, _ state: inout ModelState
  ) -> (loss: Double, gradients: [Tensor]) {
    let (tracked, leaves) = tracked
    let loss = tracked.loss(inputs, targets: targets, batch: batch, resets: resets, state: &state).mean
    state = state.detached
    guard loss.scalar.isFinite else { return (Double(loss.scalar), []) }
    return (Double(loss.scalar), RunnelTensors.gradients(of: loss, for: leaves.map(\.value)))
  }

  /// The model on the tape, and its parameters there.
  private var tracked: (model: LanguageModel, leaves: [(name: String, value: Tensor)]) {
    var leaves: [(name: String, value: Tensor)] = []
    let tracked = model.replacingParameters {
      let leaf = $0.value.tracked()
      leaves.append(($0.name, leaf))
      return leaf
    }
    return (tracked.multiplying(in: settings.precision.products), leaves)
  }

  /// Where the first number arose that is not finite: the layer, the operation and the parameter there.
  private func culprit(
    _ inputs: [Int32], _ targets: [Int32], _ batch: Int, _ resets: Resets, _ state: ModelState
  ) -> String {
    let (tracked, leaves) = tracked
    let search = NonFiniteSearch(leaves: leaves)
    search.run {
      var state = state
      return tracked.loss(inputs, targets: targets, batch: batch, resets: resets, state: &state).mean
    }
    return search.finding ?? "the loss is not finite"
  }

  /// Changes parameters and moments in place, and lets go of each gradient.
  private mutating func update(_ gradients: inout [Tensor], rate: Double, scale: Double) {
    Profiler.begin(.optimizer)
    defer { Profiler.end() }
    var index = 0
    let (steps, settings) = (steps, settings)
    var moments: [Moments] = []
    swap(&moments, &self.moments)
    defer { swap(&moments, &self.moments) }
    model.change { place, stored in
      func apply(_ value: inout Tensor, _ moments: inout Moments) {
        adamWUpdate(
          &value, gradient: gradients[index], firstMoment: &moments.first, secondMoment: &moments.second,
          step: steps + 1, learningRate: rate * Double(place.traits.learningRate), beta1: settings.beta1,
          beta2: settings.beta2, epsilon: settings.epsilon,
          weightDecay: place.traits.decays ? settings.weightDecay : 0, gradientScale: scale)
      }
      stored.change { apply(&$0, &moments[index]) }
      gradients[index] = .absent
      index += 1
    }
  }
}

/// What one step did.
public struct StepReport: Sendable {
  /// Nats per token over the segment, before the update.
  public let loss: Double
  /// The L2 norm of the gradient of all parameters together, before clipping.
  public let gradientNorm: Double
  /// The rate that the update was made with.
  public let learningRate: Double
  /// Seconds that the step waited for its data.
  public internal(set) var secondsWaited = 0.0
}

/// A run in progress: the optimiser, the data, the lanes' states between segments. Copying it forks the run.
public struct Trainer: Sendable {
  var optimizer: Optimizer
  var state: ModelState
  private var data: Prefetcher
  /// Tokens trained on, of all sessions of the run.
  public internal(set) var tokens = 0
  /// Seconds of training, of all sessions of the run.
  public internal(set) var seconds = 0.0
  /// What was changed of its settings where the run was resumed.
  public internal(set) var changes: [SettingChange] = []

  /// A run before its first step; `sampler` gives `settings.batch` lanes of `settings.segment` tokens.
  ///
  /// - Parameter prefetches: whether the next segment is made while a step computes; the bits are the same either way.
  public init(
    _ model: consuming LanguageModel, settings: TrainingSettings, sampler: SegmentSampler,
    prefetches: Bool = true
  ) {
    state = model.initialState(batch: settings.batch)
    optimizer = Optimizer(consume model, settings: settings)
    data = Prefetcher(sampler, isAhead: prefetches)
  }

  /// The parameters as the last step left them.
  public var model: LanguageModel { optimizer.model }
  /// What the run was begun with.
  public var settings: TrainingSettings { optimizer.settings }
  /// Where the data stands: its cursor gives the segment of the next step.
  public var sampler: SegmentSampler { data.sampler }
  /// Steps done, of all sessions of the run.
  public var steps: Int { optimizer.steps }

  /// The share of the budget that is spent.
  public var progress: Double { settings.budget.progress(steps: steps, tokens: tokens, seconds: seconds) }

  /// One segment of every lane.
  ///
  /// - Throws: ``TrainingError`` where the loss or a gradient is not finite; the run is then as it was before.
  public mutating func step() throws -> StepReport {
    var data = data
    let segment = try data.next()
    var state = settings.carryState ? state : model.initialState(batch: settings.batch)
    var report = try optimizer.step(
      segment.inputs, targets: segment.targets, batch: segment.lanes, resets: Resets(rows: segment.resets),
      state: &state, progress: progress)
    self.state = state
    report.secondsWaited = data.secondsWaited - self.data.secondsWaited
    self.data = data
    tokens += segment.inputs.count
    return report
  }

  /// Adds time to the account of the run.
  public mutating func spend(seconds: Double) { self.seconds += seconds }
}

/// Training cannot go on; one sentence.
public struct TrainingError: Error, CustomStringConvertible {
  public let description: String
  /// An error of this sentence.
  public init(_ description: String) { self.description = description }
}
