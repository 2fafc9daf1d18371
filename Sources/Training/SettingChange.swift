/// What a run was told to do otherwise where it was resumed.

import Foundation

/// A setting that changed after `step` steps; in `run.json` and, as a line, in `metrics.jsonl`.
public struct SettingChange: Codable, Sendable, Equatable {
  /// Steps of the run before the change.
  public var step: Int
  /// Its key in the settings of `run.json`.
  public var setting: String
  /// As text; nil for a value that was not given.
  public var from, to: String?
}

extension TrainingSettings {
  /// The settings that a run may change on its way; with the others, its data and its lanes' states are what they are.
  static let changeable: Set<CodingKeys> = [
    .precision, .recomputes, .learningRate, .rates, .schedule, .warmup, .finalRate, .decayShare, .offset,
    .exponent,
    .weightDecay, .clip, .spikeGuard, .accumulate, .carryState, .targets, .budget, .validationInterval,
    .validationTokens, .keepBest, .patience, .logInterval, .checkpointInterval, .checkpointMinutes,
    .keptCheckpoints,
  ]

  /// What is different in `other`.
  func changes(to other: Self, at step: Int) throws -> [SettingChange] {
    var before = self, after = other
    // One that is not given, as in records of earlier versions, is the optimiser's usual one.
    if optimizer == other.optimizer, let usual = optimizer.usualMomentum {
      (before.momentum, after.momentum) = (momentum ?? usual, other.momentum ?? usual)
    }
    let (own, others) = (try before.texts(), try after.texts())
    return Set(own.keys).union(others.keys).sorted().compactMap { key in
      own[key] == others[key] ? nil : SettingChange(step: step, setting: key, from: own[key], to: others[key])
    }
  }

  /// The settings by their keys.
  private func texts() throws -> [String: String] {
    try JSONDecoder().decode([String: Text].self, from: JSONEncoder().encode(self)).mapValues(\.text)
  }

  /// A value of JSON as it is shown.
  private struct Text: Decodable {
    let text: String

    init(from decoder: any Decoder) throws {
      if let members = try? [String: Text](from: decoder).sorted(by: { $0.key < $1.key }) {
        let isBudget = decoder.codingPath.last?.stringValue == CodingKeys.budget.rawValue
        text = members.map { name, number in
          guard isBudget else { return "\(name)=\(number.text)" }
          return number.text == "1" && name.hasSuffix("s")
            ? "1 \(name.dropLast())" : "\(number.text) \(name)"
        }.joined(separator: ", ")
        return
      }
      let value = try decoder.singleValueContainer()
      if let flag = try? value.decode(Bool.self) {
        text = flag ? "yes" : "no"
      } else if let number = try? value.decode(UInt64.self) {
        text = String(number)
      } else if let number = try? value.decode(Double.self) {
        text = String(number)
      } else {
        text = try value.decode(String.self)
      }
    }
  }

  /// These settings with another budget at a point of a run. What is behind the warm-up stays behind it, and a warm-up under
  /// way keeps its length: its share shrinks as the budget grows. A budget that is spent already ends the run here.
  public func extended(to budget: Budget, steps: Int, tokens: Int, seconds: Double) -> Self {
    var settings = self
    let budget = budget.reaching(steps: steps, tokens: tokens, seconds: seconds)
    settings.budget = budget
    let before = self.budget.progress(steps: steps, tokens: tokens, seconds: seconds)
    let after = budget.progress(steps: steps, tokens: tokens, seconds: seconds)
    if before > 0 { settings.warmup = min(1, warmup * after / before) }
    return settings
  }
}
