/// Which settings of training can be.

import RunnelCorpora
import RunnelMixers

extension TrainingSettings {
  /// Throws `ConfigurationError` where a setting is out of its range or two do not fit together, naming it as
  /// `run.json` does.
  public func validate() throws {
    try ConfigurationError.requirePositive([
      "batch": batch, "segment": segment, "accumulate": accumulate, "log_interval": logInterval,
    ])
    for (name, value) in [
      ("learning_rate", learningRate), ("epsilon", epsilon), ("clip", clip), ("offset", offset),
    ] where !(value > 0 && value.isFinite) {
      throw ConfigurationError("\(name) is \(value); it must be a positive number")
    }
    for (name, value) in [("beta1", beta1), ("beta2", beta2), ("momentum", momentum ?? 0)]
    where !(value >= 0 && value < 1) {
      throw ConfigurationError("\(name) is \(value); it must lie in [0, 1)")
    }
    for (name, value) in [
      ("warmup", warmup), ("final_rate", finalRate), ("weight_decay", weightDecay),
      ("decay_share", decayShare),
    ]
    where !(value >= 0 && value <= 1) {
      throw ConfigurationError("\(name) is \(value); it must lie in [0, 1]")
    }
    guard exponent > 0, exponent <= 1 else {
      throw ConfigurationError("exponent is \(exponent); it must lie in (0, 1]")
    }
    for (pattern, factor) in rates?.factors ?? [:] where !(factor >= 0 && factor.isFinite) {
      throw ConfigurationError("rates has \(factor) for \(pattern); a factor must be 0 or more")
    }
    try validateOptimizer()
    try validateSaving()
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

  private func validateOptimizer() throws {
    let name = optimizer.rawValue
    if momentum != nil, optimizer.usualMomentum == nil {
      throw ConfigurationError("momentum goes with the optimizer sgd or muon; \(name) has means of its own")
    }
    if nesterov, optimizer != .sgd || momentum == 0 {
      throw ConfigurationError(
        "nesterov goes with the momentum of sgd\(optimizer == .muon ? "; that of muon is Nesterov's already" : "")"
      )
    }
    if let spikeGuard, !(spikeGuard > 1 && spikeGuard.isFinite) {
      throw ConfigurationError("spike_guard is \(spikeGuard); it must be a number above 1")
    }
  }

  private func validateSaving() throws {
    guard checkpointMinutes >= 0, checkpointMinutes.isFinite, Self.keptRange.contains(keptCheckpoints) else {
      throw ConfigurationError(
        "checkpoint_minutes is \(checkpointMinutes), kept_checkpoints \(keptCheckpoints); the first must be 0 or "
          + "more, the second lie between \(Self.keptRange.lowerBound) and \(Self.keptRange.upperBound)")
    }
    if let patience, patience < 1 {
      throw ConfigurationError("patience is \(patience); it must be positive")
    }
    guard !comparesValidations || validationInterval > 0 else {
      throw ConfigurationError(
        "\(keepBest ? "keep_best" : "patience") goes by validations on the way; give their interval, as in "
          + "--validate-every 100")
    }
  }

  /// Whether validations on the way decide something.
  var comparesValidations: Bool { keepBest || patience != nil }
}
