/// Which settings of training can be.

import RunnelCorpora
import RunnelMixers

extension TrainingSettings {
  /// Throws `ConfigurationError` where a setting is out of its range or two do not fit together, naming it as
  /// `run.json` does.
  public func validate() throws {
    try checkRanges { $0.rawValue }
    try validateOptimizer()
    guard sampling != .documents || resetAtDocuments else {
      throw ConfigurationError(
        "sampling is documents, which always reset the state; reset_at_documents must be true")
    }
    guard !comparesValidations || validationInterval > 0 else {
      throw ConfigurationError(
        "\(keepBest ? "keep_best" : "patience") goes by validations on the way; give their interval, as in "
          + "--validate-every 100")
    }
  }

  /// Throws `ConfigurationError` where a setting is out of its range, whatever the others are, naming it as the option of
  /// `runnel train`.
  package func validateOptions() throws { try checkRanges(option) }

  /// The option of `runnel train` that sets what has this key.
  func option(_ key: CodingKeys) -> String {
    let name =
      switch key {
      case .budget:
        switch budget {
        case .steps: "steps"
        case .tokens: "tokens"
        case .minutes: "minutes"
        }
      case .sampling: "sample"
      case .targets: "loss"
      case .rates: "rate"
      case .decayShare: "decay"
      case .resetAtDocuments: "reset-documents"
      case .validationInterval: "validate-every"
      case .validationTokens: "validation-tokens"
      case .checkpointInterval: "checkpoint-every"
      case .keptCheckpoints: "keep-checkpoints"
      case .logInterval: "log-every"
      default: key.rawValue.replacing("_", with: "-")
      }
    return "--" + name
  }

  /// Holds every setting against its range.
  ///
  /// - Parameter name: what the error calls a setting.
  private func checkRanges(_ name: (CodingKeys) -> String) throws {
    func check<Value>(
      _ key: CodingKeys, _ value: Value?, _ words: String, _ holds: (Value) -> Bool
    ) throws {
      guard let value, !holds(value) else { return }
      throw ConfigurationError("\(name(key)) is \(value); it must \(words)")
    }
    for (key, value, most) in [
      (CodingKeys.batch, batch, 1 << 24), (.segment, segment, 1 << 24), (.accumulate, accumulate, 1 << 20),
      (.keptCheckpoints, keptCheckpoints, 1000), (.logInterval, logInterval, 1 << 24),
    ] { try check(key, value, "lie between 1 and \(most)") { (1...most).contains($0) } }
    for (key, value) in [
      (CodingKeys.learningRate, learningRate), (.epsilon, epsilon), (.clip, clip), (.offset, offset),
    ] { try check(key, value, "be a positive number") { $0 > 0 && $0.isFinite } }
    for (key, value) in [(CodingKeys.beta1, beta1), (.beta2, beta2), (.momentum, momentum ?? 0)] {
      try check(key, value, "lie in [0, 1)") { (0..<1).contains($0) }
    }
    for (key, value) in [
      (CodingKeys.warmup, warmup), (.finalRate, finalRate), (.weightDecay, weightDecay),
      (.decayShare, decayShare),
    ] { try check(key, value, "lie in [0, 1]") { (0...1).contains($0) } }
    try check(.exponent, exponent, "lie in (0, 1]") { $0 > 0 && $0 <= 1 }
    for (pattern, factor) in (rates?.factors ?? [:]).sorted(by: { $0.key < $1.key })
    where !(factor >= 0 && factor.isFinite) {
      throw ConfigurationError("\(name(.rates)) has \(factor) for \(pattern); a factor must be 0 or more")
    }
    try check(.spikeGuard, spikeGuard, "be a number above 1") { $0 > 1 && $0.isFinite }
    try check(.average, average?.text, "have a number in [0, 1)") { _ in
      average.map { (0..<1).contains($0.number) } ?? true
    }
    try check(.patience, patience, "be positive") { $0 > 0 }
    for (key, value, none) in [
      (CodingKeys.validationInterval, validationInterval, "only at the end"),
      (.checkpointInterval, checkpointInterval, "only at the end"),
      (.validationTokens, validationTokens ?? 0, "all"),
    ] { try check(key, value, "be 0 (\(none)) or more") { $0 >= 0 } }
    try check(.checkpointMinutes, checkpointMinutes, "be 0 (none by time) or more") { $0 >= 0 && $0.isFinite }
    switch budget {
    case .steps(let limit), .tokens(let limit): try check(.budget, limit, "be positive") { $0 > 0 }
    case .minutes(let limit): try check(.budget, limit, "be positive") { $0 > 0 && $0.isFinite }
    }
  }

  private func validateOptimizer() throws {
    if momentum != nil, optimizer.usualMomentum == nil {
      throw ConfigurationError(
        "momentum goes with the optimizer sgd or muon; \(optimizer.rawValue) has means of its own")
    }
    if nesterov, optimizer != .sgd || momentum == 0 {
      throw ConfigurationError(
        "nesterov goes with the momentum of sgd\(optimizer == .muon ? "; that of muon is Nesterov's already" : "")"
      )
    }
  }

  /// Whether validations on the way decide something.
  var comparesValidations: Bool { keepBest || patience != nil }
}
