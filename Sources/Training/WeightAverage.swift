/// Means of the weights over the steps of a run, which often predict better than the last weights do.

import RunnelKernels
import RunnelModels
import RunnelTensors

/// Which mean; in `run.json` and for `--average` as `ema:0.999`, `polyak` or `polyak:0.5`.
public enum WeightAverage: Sendable, Equatable {
  /// The exponential mean that keeps this much in a step, corrected for its beginning (as Adam's are).
  case ema(Double)
  /// The mean of all steps from this share of the budget on (Polyak and Juditsky 1992, Ruppert 1988).
  case polyak(from: Double)

  /// Of a text as above; nil where it is none. Which numbers can be is a matter of ``TrainingSettings/validate()``.
  public init?(_ text: String) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let number = parts.count == 2 ? Double(parts[1]) : parts[0] == "ema" ? 0.999 : 0.5
    guard let number else { return nil }
    switch parts[0] {
    case "ema": self = .ema(number)
    case "polyak": self = .polyak(from: number)
    default: return nil
    }
  }

  /// How much is kept, or where it begins.
  var number: Double {
    switch self {
    case .ema(let number), .polyak(let number): number
    }
  }

  /// As above, with its number.
  public var text: String {
    switch self {
    case .ema(let decay): "ema:\(decay)"
    case .polyak(let start): "polyak:\(start)"
    }
  }

  /// How far the mean moves towards the weights of the step that is the n-th in it, counted from one; nil where it has not begun.
  ///
  /// With s ← β s + (1 − β) w, the corrected mean a = s / (1 − βⁿ) moves by a ← a + (1 − β) / (1 − βⁿ) · (w − a).
  func share(ofStep n: Int, progress: Double) -> Double? {
    switch self {
    case .ema(let decay): (1 - decay) / (1 - power(decay, Double(n)))
    case .polyak(let start): progress >= start ? 1 / Double(n) : nil
    }
  }
}

extension WeightAverage: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let average = WeightAverage(try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "no mean of weights")
    }
    self = average
  }
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }
}

/// The mean of the weights of a run so far: a tensor for every parameter.
struct AveragedWeights: Sendable {
  let kind: WeightAverage
  var values: [Tensor]

  init(_ kind: WeightAverage, shapes: [Shape]) {
    self.kind = kind
    values = shapes.map { Tensor(zeros: $0) }
  }

  /// Takes the weights behind a step into the mean, where it has begun. Where a longer budget has moved its beginning behind the
  /// step, the steps before it are in it no longer.
  ///
  /// - Parameters:
  ///   - steps: how many are in it; 0 where it has not begun.
  ///   - progress: the share of the budget that was spent before the step.
  mutating func add(_ model: LanguageModel, to steps: inout Int, progress: Double) {
    guard let share = kind.share(ofStep: steps + 1, progress: progress) else {
      steps = 0
      return
    }
    steps += 1
    for (index, parameter) in model.parameters.enumerated() {
      values[index].approach(parameter.value, by: share)
    }
  }

  /// The model with the mean in the place of its weights, which it shares.
  func model(like model: LanguageModel) -> LanguageModel {
    var next = 0
    return model.replacingParameters { _ in
      defer { next += 1 }
      return values[next]
    }
  }
}
