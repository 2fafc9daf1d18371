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
  /// The peak of the schedule; AdamW's step size.
  public var learningRate = 2e-3
  /// How the rate falls after its peak.
  public var schedule = Schedule.cosine
  /// The share of the budget over which the rate rises.
  public var warmup = 0.05
  /// The factor on the peak rate at the end.
  public var finalRate = 0.02
  /// How much of AdamW's running means of the gradient and of its square a step keeps.
  public var beta1 = 0.9, beta2 = 0.98
  /// Added to the root of the second mean.
  public var epsilon = 1e-8
  /// Decoupled (Loshchilov and Hutter 2019), on matrices only.
  public var weightDecay = 0.1
  /// The largest norm of the whole gradient; above it the gradient is scaled down.
  public var clip = 1.0
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
  /// The most validation tokens that a validation looks at, spread evenly over the split; 0 for all of them. Without one,
  /// 65,536 during the run, and at its end a tenth of the tokens trained on, at least 16,384 and at most 1,048,576.
  public var validationTokens: Int?
  /// Steps between checkpoints; 0 for none by steps. There is one at the end in any case.
  public var checkpointInterval = 0
  /// Minutes between checkpoints; 0 for none by time.
  public var checkpointMinutes = 5.0
  /// How many checkpoints stay, the newest among them.
  public var keptCheckpoints = 1
  /// How many may.
  package static let keptRange = 1...1000

  /// The defaults, for a model of about a million parameters.
  public init() {}

  /// A key that a record lacks has its default: it was added later.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    func read<Value: Decodable>(_ key: CodingKeys) throws -> Value {
      try fields.decode(Value.self, forKey: key)
    }
    (batch, segment, seed, budget) = (
      try read(.batch), try read(.segment), try read(.seed), try read(.budget)
    )
    (learningRate, schedule) = (try read(.learningRate), try read(.schedule))
    (warmup, finalRate) = (try read(.warmup), try read(.finalRate))
    (beta1, beta2, epsilon) = (try read(.beta1), try read(.beta2), try read(.epsilon))
    (weightDecay, clip) = (try read(.weightDecay), try read(.clip))
    (carryState, resetAtDocuments) = (try read(.carryState), try read(.resetAtDocuments))
    validationInterval = try read(.validationInterval)
    validationTokens = try fields.decodeIfPresent(Int.self, forKey: .validationTokens)
    checkpointInterval = try read(.checkpointInterval)
    if fields.contains(.checkpointMinutes) { checkpointMinutes = try read(.checkpointMinutes) }
    if fields.contains(.keptCheckpoints) { keptCheckpoints = try read(.keptCheckpoints) }
    if fields.contains(.precision) { precision = try read(.precision) }
    if fields.contains(.targets) { targets = try read(.targets) }
    if fields.contains(.sampling) { sampling = try read(.sampling) }
    origin = try fields.decodeIfPresent(String.self, forKey: .origin)
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case batch, sampling, segment, precision, schedule, warmup, beta1, beta2, epsilon, clip, targets, budget,
      seed
    case origin = "from"
    case learningRate = "learning_rate"
    case finalRate = "final_rate"
    case weightDecay = "weight_decay"
    case carryState = "carry_state"
    case resetAtDocuments = "reset_at_documents"
    case validationInterval = "validation_interval"
    // `validation_tokens` is taken: older records have a count under that key.
    case validationTokens = "validation_limit"
    case checkpointInterval = "checkpoint_interval"
    case checkpointMinutes = "checkpoint_minutes"
    case keptCheckpoints = "kept_checkpoints"
  }

  /// The learning rate where this share of the budget is spent.
  public func learningRate(at progress: Double) -> Double {
    learningRate * schedule.factor(progress: progress, warmup: warmup, final: finalRate)
  }

  /// How many validation tokens to look at during a run, or at its end.
  func validationLimit(isLast: Bool, trained: Int) -> Int {
    switch validationTokens {
    case nil: isLast ? min(max(trained / 10, 1 << 14), 1 << 20) : 1 << 16
    case 0: .max
    case let limit?: limit
    }
  }

  /// Throws `ConfigurationError` where a setting is out of its range or two do not fit together, naming it as
  /// `run.json` does.
  public func validate() throws {
    try ConfigurationError.requirePositive(["batch": batch, "segment": segment])
    for (name, value) in [
      ("learning_rate", learningRate), ("epsilon", epsilon), ("clip", clip),
    ] where !(value > 0 && value.isFinite) {
      throw ConfigurationError("\(name) is \(value); it must be a positive number")
    }
    for (name, value) in [("beta1", beta1), ("beta2", beta2)] where !(value >= 0 && value < 1) {
      throw ConfigurationError("\(name) is \(value); it must lie in [0, 1)")
    }
    for (name, value) in [("warmup", warmup), ("final_rate", finalRate), ("weight_decay", weightDecay)]
    where !(value >= 0 && value <= 1) {
      throw ConfigurationError("\(name) is \(value); it must lie in [0, 1]")
    }
    guard checkpointMinutes >= 0, checkpointMinutes.isFinite, Self.keptRange.contains(keptCheckpoints) else {
      throw ConfigurationError(
        "checkpoint_minutes is \(checkpointMinutes), kept_checkpoints \(keptCheckpoints); the first must be 0 or "
          + "more, the second lie between \(Self.keptRange.lowerBound) and \(Self.keptRange.upperBound)")
    }
    guard sampling != .documents || resetAtDocuments else {
      throw ConfigurationError(
        "sampling is documents, which always reset the state; reset_at_documents must be true")
    }
    let limit: Double
    switch budget {
    case .steps(let steps): limit = Double(steps)
    case .tokens(let tokens): limit = Double(tokens)
    case .minutes(let minutes): limit = minutes
    }
    guard limit > 0, limit.isFinite else { throw ConfigurationError("the budget must be positive") }
  }
}
