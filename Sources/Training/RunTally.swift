/// What a run counts on its way beside its steps and tokens; without it, it would go on otherwise after a break.

/// The validation that was the best of a run.
public struct BestValidation: Codable, Sendable, Equatable {
  /// The step behind which it was made.
  public var step: Int
  /// Nats per token.
  public var loss: Double
  /// Whether it was of the averaged weights.
  public var isAverage: Bool

  enum CodingKeys: String, CodingKey {
    case step, loss
    case isAverage = "is_average"
  }
}

/// Counts and means of a run, in `run.json`.
public struct RunTally: Codable, Sendable, Equatable {
  /// Steps whose update the guard against spikes has left out.
  public internal(set) var skippedSteps = 0
  /// The running mean of the gradient's norm, where there is that guard.
  var gradientNorm = RunningMean()
  /// Steps whose weights are in the average.
  public internal(set) var averagedSteps = 0
  /// Whether the newest validation found the average better, so that the folder's model is that.
  public internal(set) var servesAverage = false
  /// The best validation on the way; nil before the first, and where nothing asks for it.
  public internal(set) var best: BestValidation?
  /// Validations on the way since the best one.
  public internal(set) var unimproved = 0
  /// The step of the newest of them.
  var validatedStep: Int?

  enum CodingKeys: String, CodingKey {
    case best, unimproved
    case skippedSteps = "skipped_steps"
    case gradientNorm = "gradient_norm"
    case averagedSteps = "averaged_steps"
    case servesAverage = "serves_average"
    case validatedStep = "validated_step"
  }

  /// Whether a run can have counted so.
  var isPossible: Bool {
    let counts = 0..<1 << 62
    return [skippedSteps, averagedSteps, unimproved, validatedStep ?? 0, best?.step ?? 0].allSatisfy(
      counts.contains) && gradientNorm.value.isFinite && gradientNorm.value >= 0
      && best?.loss.isFinite != false
  }

  /// Takes a step's norm into account, and says whether its update is to be left out: where the norm is above `factor` times
  /// the mean of those before. One that is left out counts as if it were at that bound, so that a run whose gradients grow for
  /// good goes on.
  mutating func skips(norm: Double, above factor: Double) -> Bool {
    let limit = factor * gradientNorm.value
    let isSpike = gradientNorm.isSettled && limit > 0 && norm > limit
    gradientNorm.add(isSpike ? limit : norm)
    if isSpike { skippedSteps += 1 }
    return isSpike
  }
}

/// An exponential mean that forgets over about fifty values and does not lag at the start.
struct RunningMean: Codable, Sendable, Equatable {
  private var sum = 0.0
  private var weight = 0.0
  var isEmpty: Bool { weight == 0 }
  /// Whether twenty values are in it.
  var isSettled: Bool { weight > 16.5 }
  var value: Double { weight > 0 ? sum / weight : 0 }
  mutating func add(_ x: Double) {
    sum = 0.98 * sum + x
    weight = 0.98 * weight + 1
  }
}
