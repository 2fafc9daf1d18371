/// A model and its optimiser's memory: one value that steps on any tokens.

import RunnelCorpora
import RunnelKernels
import RunnelModels
import RunnelRecurrences
import RunnelTensors

/// Gradients of one or more segments, and the update that they make.
struct Optimizer: Sendable {
  var model: LanguageModel
  let settings: TrainingSettings
  /// Of every parameter in the model's order, as `rules` has it.
  var moments: [Moments]
  let rules: [UpdateRule]
  /// On the learning rate.
  private let factors: [Double]
  var steps = 0

  init(_ model: consuming LanguageModel, settings: TrainingSettings) {
    self.settings = settings
    let places = model.entries.map(\.place)
    rules = places.map { UpdateRule(settings, for: $0) }
    moments = zip(rules, places).map { $0.moments($1.shape) }
    factors = places.map {
      Double($0.traits.learningRate) * (settings.rates?.factor(of: $0.name) ?? 1)
    }
    self.model = model
  }

  /// Forward and backward over every segment, and one update by the mean over all their targets.
  ///
  /// - Parameters:
  ///   - state: of the lanes; goes on from segment to segment, if the settings carry it.
  ///   - tally: what the run counts.
  ///   - progress: the share of the budget that is spent.
  /// - Throws: ``TrainingError`` where the loss or a gradient is not finite; nothing has changed then.
  mutating func step(
    _ segments: [Segment], state: inout ModelState, tally: inout RunTally, progress: Double
  ) throws -> StepReport {
    var next = state
    var (loss, gradients) = differentiate(segments, &next)
    Profiler.begin(.optimizer, "norm")
    let squares = gradients.map(\.sumOfSquares)
    Profiler.end()
    guard loss.isFinite, squares.allSatisfy(\.isFinite) else {
      // The search needs their memory.
      gradients = []
      throw TrainingError("numbers overflow in step \(steps + 1): \(culprit(segments, state))")
    }
    let norm = squares.reduce(0, +).squareRoot()
    let rate = settings.learningRate(at: progress, steps: steps)
    var report = StepReport(loss: loss, gradientNorm: norm, learningRate: rate)
    if let factor = settings.spikeGuard {
      report.isSkipped = tally.skips(norm: norm, above: factor)
    } else {
      // A guard that is taken on later is not to go by the norms of a time before.
      tally.gradientNorm = RunningMean()
    }
    if !report.isSkipped {
      let start = ContinuousClock.now
      // A step that was left out has moved no mean.
      update(
        &gradients, step: steps - tally.skippedSteps + 1, rate: rate,
        scale: norm > settings.clip ? settings.clip / norm : 1)
      report.secondsUpdating = (ContinuousClock.now - start).seconds
    }
    state = next
    steps += 1
    return report
  }

  /// The loss and its gradients: means over the targets of all segments. No gradients where a loss is not finite.
  private func differentiate(
    _ segments: [Segment], _ state: inout ModelState
  ) -> (loss: Double, gradients: [Tensor]) {
    let counts = segments.map { $0.targets.count { $0 >= 0 } }, all = max(1, counts.reduce(0, +))
    var mean = 0.0, sum: [Tensor] = []
    for (segment, count) in zip(segments, counts) {
      let share = segments.count == 1 ? 1 : Double(count) / Double(all)
      var (loss, gradients) = differentiate(segment, &state)
      mean += share * loss
      guard mean.isFinite else { return (mean, []) }
      if sum.isEmpty {
        swap(&sum, &gradients)
        if share != 1 { for i in sum.indices { sum[i].scale(by: Float(share)) } }
      } else {
        for i in sum.indices {
          sum[i].add(gradients[i], times: Float(share))
          gradients[i] = .absent
        }
      }
    }
    return (mean, sum)
  }

  /// The loss and, where it is finite, its gradients. The tape, which holds the parameters, is gone afterwards.
  private func differentiate(
    _ segment: Segment, _ state: inout ModelState
  ) -> (loss: Double, gradients: [Tensor]) {
    let (tracked, leaves) = tracked
    let loss = loss(of: tracked, segment, &state)
    state = state.detached
    guard loss.scalar.isFinite else { return (Double(loss.scalar), []) }
    return (Double(loss.scalar), RunnelTensors.gradients(of: loss, for: leaves.map(\.value)))
  }

  /// The mean loss of a segment, from the state or a fresh one.
  private func loss(of model: LanguageModel, _ segment: Segment, _ state: inout ModelState) -> Tensor {
    if !settings.carryState { state = model.initialState(batch: segment.lanes) }
    return model.loss(
      segment.inputs, targets: segment.targets, batch: segment.lanes, resets: Resets(rows: segment.resets),
      state: &state, recomputes: settings.recomputes
    ).mean
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
  private func culprit(_ segments: [Segment], _ state: ModelState) -> String {
    var state = state
    for segment in segments {
      let (tracked, leaves) = tracked
      let search = NonFiniteSearch(leaves: leaves)
      search.run { loss(of: tracked, segment, &state) }
      if let finding = search.finding { return finding }
      state = state.detached
    }
    return "the loss is not finite"
  }

  /// Changes parameters and moments in place, and lets go of each gradient.
  private mutating func update(_ gradients: inout [Tensor], step: Int, rate: Double, scale: Double) {
    Profiler.begin(.optimizer)
    defer { Profiler.end() }
    var index = 0
    let (settings, rules, factors) = (settings, rules, factors)
    var moments: [Moments] = []
    swap(&moments, &self.moments)
    defer { swap(&moments, &self.moments) }
    model.change { place, stored in
      let scale = UpdateScale(
        learningRate: rate * factors[index], weightDecay: place.traits.decays ? settings.weightDecay : 0,
        gradient: scale)
      stored.change { rules[index].update(&$0, gradients[index], &moments[index], step: step, scale) }
      gradients[index] = .absent
      index += 1
    }
  }
}
