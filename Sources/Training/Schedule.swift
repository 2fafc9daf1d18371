/// How the learning rate moves over a run, and how long a run is.

import Foundation

/// The shape of the learning rate after the warm-up.
public enum Schedule: String, Codable, Sendable, CaseIterable {
  /// Half a cosine from the peak down to the final fraction (Loshchilov and Hutter 2017).
  case cosine
  case linear
  case constant
  /// Warm-up, stable, decay (Hu et al. 2024): the peak until the last share of the budget, over which it falls as 1 − √x (Hägele
  /// et al. 2024).
  case wsd
  /// By steps instead of shares (Robbins and Monro 1951): a / (t + b)^γ, t counted from the run's first step, and a so that the
  /// first rate would be the peak. The sums of the rates and of their squares are what a proof of convergence asks for where
  /// 1/2 < γ ≤ 1.
  case robbinsMonro = "robbins-monro"

  /// The factor on the peak rate, in [0, 1]. ``TrainingSettings`` has the usual numbers.
  ///
  /// - Parameters:
  ///   - progress: the share of the budget that is spent, in [0, 1].
  ///   - warmup: the share of the budget over which the rate rises linearly.
  ///   - final: the factor at the end, but for `constant` and `robbinsMonro`.
  ///   - decay: the share of the budget over which `wsd` falls.
  ///   - steps: t of `robbinsMonro`.
  ///   - offset: b.
  ///   - exponent: γ.
  public func factor(
    progress: Double, warmup: Double, final: Double, decay: Double, steps: Int, offset: Double,
    exponent: Double
  ) -> Double {
    let rising = progress < warmup ? max(progress / warmup, 1e-3) : 1
    if self == .robbinsMonro { return rising * pow(offset / (Double(steps) + offset), exponent) }
    guard rising == 1 else { return rising }
    /// The share of what is left behind `start`.
    func rest(behind start: Double) -> Double { min(1, max(0, progress - start) / max(1e-9, 1 - start)) }
    switch self {
    case .cosine: return final + (1 - final) * 0.5 * (1 + cos(.pi * rest(behind: warmup)))
    case .linear: return 1 - (1 - final) * rest(behind: warmup)
    case .wsd: return 1 - (1 - final) * rest(behind: max(warmup, 1 - decay)).squareRoot()
    case .constant, .robbinsMonro: return 1
    }
  }
}

/// When a run ends.
public enum Budget: Codable, Sendable, Equatable {
  case steps(Int)
  case tokens(Int)
  /// Minutes in which the run computes; not those in which the machine sleeps or the process is stopped. The learning rate
  /// then follows the clock, so two runs differ; the other budgets repeat exactly.
  case minutes(Double)

  /// Where nobody asks for one.
  public static let usual = Budget.minutes(usualMinutes)
  package static let usualMinutes = 3.0

  /// The share that is spent.
  public func progress(steps: Int, tokens: Int, seconds: Double) -> Double {
    switch self {
    case .steps(let limit): Double(steps) / Double(max(1, limit))
    case .tokens(let limit): Double(tokens) / Double(max(1, limit))
    case .minutes(let limit): seconds / max(1e-9, limit * 60)
    }
  }

  /// The same, or what a run has spent where that is more.
  func reaching(steps: Int, tokens: Int, seconds: Double) -> Budget {
    switch self {
    case .steps(let limit): return .steps(max(limit, steps))
    case .tokens(let limit): return .tokens(max(limit, tokens))
    case .minutes(let limit):
      guard seconds > limit * 60 else { return self }
      var spent = seconds / 60
      // The quotient may be rounded up.
      while spent * 60 > seconds { spent = spent.nextDown }
      return .minutes(spent)
    }
  }
}

/// One key, the unit: {"steps": 1000}.
extension Budget {
  private enum CodingKeys: String, CodingKey { case steps, tokens, minutes }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .steps(let count): try container.encode(count, forKey: .steps)
    case .tokens(let count): try container.encode(count, forKey: .tokens)
    case .minutes(let minutes): try container.encode(minutes, forKey: .minutes)
    }
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    if let count = try container.decodeIfPresent(Int.self, forKey: .steps) {
      self = .steps(count)
    } else if let count = try container.decodeIfPresent(Int.self, forKey: .tokens) {
      self = .tokens(count)
    } else {
      self = .minutes(try container.decode(Double.self, forKey: .minutes))
    }
  }
}
