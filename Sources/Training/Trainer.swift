/// Truncated backpropagation through time: a model, its optimiser and its data as one value that steps.

import RunnelCorpora
import RunnelModels
import RunnelTensors

/// What one step did.
public struct StepReport: Sendable {
  /// Nats per token over the step's segments, before the update.
  public let loss: Double
  /// The L2 norm of the gradient of all parameters together, before clipping.
  public let gradientNorm: Double
  /// The rate that the update was made with.
  public let learningRate: Double
  /// Whether the guard against spikes left the update out.
  public internal(set) var isSkipped = false
  /// Seconds that the step waited for its data.
  public internal(set) var secondsWaited = 0.0
  /// Seconds that the optimiser took to move the parameters, and the average of them.
  public internal(set) var secondsUpdating = 0.0

  init(loss: Double, gradientNorm: Double, learningRate: Double) {
    (self.loss, self.gradientNorm, self.learningRate) = (loss, gradientNorm, learningRate)
  }
}

/// A run in progress: the optimiser, the data, the lanes' states between segments. Copying it forks the run.
public struct Trainer: Sendable {
  var optimizer: Optimizer
  var state: ModelState
  /// The mean of the weights, where the settings ask for one.
  var average: AveragedWeights?
  private var data: Prefetcher
  /// Tokens trained on, of all sessions of the run.
  public internal(set) var tokens = 0
  /// Seconds of training, of all sessions of the run.
  public internal(set) var seconds = 0.0
  /// What was changed of its settings where the run was resumed.
  public internal(set) var changes: [SettingChange] = []
  /// What it counts on its way.
  public internal(set) var tally = RunTally()

  /// A run before its first step; `sampler` gives `settings.batch` lanes of `settings.segment` tokens.
  ///
  /// - Parameter prefetches: whether the next segment is made while a step computes; the bits are the same either way.
  public init(
    _ model: consuming LanguageModel, settings: TrainingSettings, sampler: SegmentSampler,
    prefetches: Bool = true
  ) {
    state = model.initialState(batch: settings.batch)
    if let kind = settings.average {
      average = AveragedWeights(kind, shapes: model.entries.map(\.place.shape))
    }
    optimizer = Optimizer(consume model, settings: settings)
    data = Prefetcher(sampler, isAhead: prefetches)
  }

  /// The parameters as the last step left them.
  public var model: LanguageModel { optimizer.model }
  /// The model with the mean of the weights so far; nil where there is none yet.
  public var averagedModel: LanguageModel? {
    tally.averagedSteps > 0 ? average?.model(like: model) : nil
  }
  /// The one of the two that the run's folder is the model of: the better by the newest validation.
  public var servedModel: LanguageModel { tally.servesAverage ? averagedModel ?? model : model }
  /// What the run was begun with.
  public var settings: TrainingSettings { optimizer.settings }
  /// Where the data stands: its cursor gives the segment of the next step.
  public var sampler: SegmentSampler { data.sampler }
  /// Steps done, of all sessions of the run.
  public var steps: Int { optimizer.steps }

  /// The share of the budget that is spent.
  public var progress: Double { settings.budget.progress(steps: steps, tokens: tokens, seconds: seconds) }

  /// One update, by one segment of every lane or by as many as the settings accumulate.
  ///
  /// - Throws: ``TrainingError`` where the loss or a gradient is not finite; the run is then as it was before.
  public mutating func step() throws -> StepReport {
    var data = data, tally = tally
    let segments = try (0..<settings.accumulate).map { _ in try data.next() }, progress = progress
    var report = try optimizer.step(segments, state: &state, tally: &tally, progress: progress)
    if !report.isSkipped, average != nil {
      let start = ContinuousClock.now
      average?.add(optimizer.model, to: &tally.averagedSteps, progress: progress)
      if tally.averagedSteps == 0 { tally.servesAverage = false }
      report.secondsUpdating += (ContinuousClock.now - start).seconds
    }
    report.secondsWaited = data.secondsWaited - self.data.secondsWaited
    (self.data, self.tally) = (data, tally)
    tokens += segments.reduce(0) { $0 + $1.inputs.count }
    return report
  }

  /// Adds time to the account of the run.
  public mutating func spend(seconds: Double) { self.seconds += seconds }
}

extension Trainer {
  /// Whether all that a checkpoint holds of the model can be gone on with.
  var isFinite: Bool {
    let kept = zip(optimizer.rules, optimizer.moments).flatMap { rule, moments in
      rule.fields.map { moments[keyPath: $0.path] }
    }
    return (model.parameters.map(\.value) + kept + (average?.values ?? [])).allSatisfy {
      $0.sumOfSquares.isFinite
    }
  }
}

/// Training cannot go on; one sentence.
public struct TrainingError: Error, CustomStringConvertible {
  public let description: String
  /// An error of this sentence.
  public init(_ description: String) { self.description = description }
}
