/// How the learning rate moves over a run, and how long a run is.

import Foundation

/// The shape of the learning rate after the warm-up.
public enum Schedule: String, Codable, Sendable, CaseIterable {
  /// Half a cosine from the peak down to the final fraction (Loshchilov and Hutter 2017).
  case cosine
  case linear
  case constant

  /// The factor on the peak rate, in (0, 1].
  ///
  /// - Parameters:
  ///   - progress: the share of the budget that is spent, in [0, 1].
  ///   - warmup: the share of the budget over which the rate rises linearly.
  ///   - final: the factor at the end.
  public func factor(progress: Double, warmup: Double, final: Double) -> Double {
    if progress < warmup { return max(progress / warmup, 1e-3) }
    let rest = min(1, (progress - warmup) / max(1e-9, 1 - warmup))
    switch self {
    case .cosine: return final + (1 - final) * 0.5 * (1 + cos(.pi * rest))
    case .linear: return 1 - (1 - final) * rest
    case .constant: return 1
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
