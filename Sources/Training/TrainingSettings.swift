/// The settings of training.

import RunnelCorpora
import RunnelMixers

/// Everything that decides a run's numbers, but for data and model; in `run.json` with these names in snake_case.
public struct TrainingSettings: Codable, Sendable, Equatable {
  /// The lanes trained side by side, B.
  public var batch = 8
  /// What a lane reads in one go, and the order of the text.
  public var sampling = SamplingStrategy.lanes
  /// Tokens per lane and step, T: how far gradients reach back.
  public var segment = 256
  /// What products with weights are made in.
  public var precision = TrainingPrecision.f32
  /// Whether a step computes the activations of a layer twice instead of keeping them: the same bits, less memory, more time.
  public var recomputes = false
  /// Segments of every lane that one step takes the mean gradient of.
  public var accumulate = 1
  /// The rule by which a step moves the parameters.
  public var optimizer = OptimizerName.adamw
  /// The share of its velocity that a step of SGD or Muon keeps; nil for ``OptimizerName/usualMomentum``.
  public var momentum: Double?
  /// Whether SGD's momentum is Nesterov's; Muon's is.
  public var nesterov = false
  /// The peak of the schedule; the step size.
  public var learningRate = 2e-3
  /// Factors on it for some parameters; nil for none.
  public var rates: RateFactors?
  /// How the rate falls after its peak.
  public var schedule = Schedule.cosine
  /// The share of the budget over which the rate rises.
  public var warmup = 0.05
  /// The factor on the peak rate at the end.
  public var finalRate = 0.02
  /// The share of the budget over which the schedule `wsd` lets the rate fall, at its end.
  public var decayShare = 0.2
  /// b and γ of the schedule `robbins-monro`.
  public var offset = 1000.0, exponent = 0.75
  /// How much of its running means of the gradient and of its square a step of Adam or AdamW keeps; of Lion, the first mixes the
  /// step and the second is kept.
  public var beta1 = 0.9, beta2 = 0.98
  /// Added to the root of the second mean.
  public var epsilon = 1e-8
  /// On matrices only; decoupled (Loshchilov and Hutter 2019), but for Adam and SGD, which add it to the gradient.
  public var weightDecay = 0.1
  /// The largest norm of the whole gradient; above it the gradient is scaled down.
  public var clip = 1.0
  /// A step whose gradient's norm is more than this many times the running mean of the norms moves nothing; nil for no such guard.
  public var spikeGuard: Double?
  /// The mean of the weights that is kept beside them, validated and saved where it is better; nil for none.
  public var average: WeightAverage?
  /// Whether a lane's state goes on into its next segment (truncated backpropagation) or starts afresh.
  public var carryState = true
  /// Whether documents reset the state.
  public var resetAtDocuments = true
  /// What is learnt where the corpus is of a task: its answers, or every token.
  public var targets = TargetChoice.answers
  /// The model that the run began with, as the user named it; nil for random weights.
  public var origin: String?
  /// When training ends.
  public var budget = Budget.steps(1000)
  /// Of the model's random weights and of the order of the data.
  public var seed: UInt64 = 1
  /// Steps between validations; 0 for only one at the end.
  public var validationInterval = 0
  /// Whether the model of the best validation on the way is kept, in the folder `best` of the run's.
  public var keepBest = false
  /// How many validations on the way without a better loss end the run; nil for no such end.
  public var patience: Int?
  /// The most validation tokens that a validation looks at, spread evenly over the split; 0 for all of them. Without one,
  /// ``usualValidationTokens`` during the run, and at its end a tenth of the tokens trained on, as far as that lies in
  /// ``usualLastValidationTokens``.
  public var validationTokens: Int?
  /// How many tokens a validation during the run looks at where nobody says.
  public static let usualValidationTokens = 1 << 16
  /// How many the one at its end does.
  public static let usualLastValidationTokens = 1 << 14...1 << 20
  /// Steps between lines of `metrics.jsonl` on training.
  public var logInterval = 10
  /// Steps between checkpoints; 0 for none by steps. There is one at the end in any case.
  public var checkpointInterval = 0
  /// Minutes between checkpoints; 0 for none by time.
  public var checkpointMinutes = 5.0
  /// How many checkpoints stay, the newest among them.
  public var keptCheckpoints = 1

  /// The defaults, for a model of about a million parameters.
  public init() {}

  /// The learning rate where this share of the budget is spent, behind this many steps.
  public func learningRate(at progress: Double, steps: Int) -> Double {
    let factor = schedule.factor(
      progress: progress, warmup: warmup, final: finalRate, decay: decayShare, steps: steps, offset: offset,
      exponent: exponent)
    return learningRate * factor
  }

  /// How many validation tokens to look at during a run, or at its end.
  func validationLimit(isLast: Bool, trained: Int) -> Int {
    switch validationTokens {
    case nil where isLast:
      min(
        max(trained / 10, Self.usualLastValidationTokens.lowerBound),
        Self.usualLastValidationTokens.upperBound)
    case nil: Self.usualValidationTokens
    case 0: .max
    case let limit?: limit
    }
  }
}
