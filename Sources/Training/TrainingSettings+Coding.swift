/// Settings of training in `run.json`, of this version and of earlier ones.

import RunnelCorpora

extension TrainingSettings {
  /// A key that a record lacks has its default: it was added later.
  public init(from decoder: any Decoder) throws {
    self.init()
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    func read<Value: Decodable>(_ key: CodingKeys) throws -> Value {
      try fields.decode(Value.self, forKey: key)
    }
    /// Of a key that was added later.
    func read<Value: Decodable>(_ key: CodingKeys, else value: Value) throws -> Value {
      try fields.decodeIfPresent(Value.self, forKey: key) ?? value
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
    checkpointInterval = try read(.checkpointInterval)
    logInterval = try read(.logInterval, else: logInterval)
    validationTokens = try fields.decodeIfPresent(Int.self, forKey: .validationTokens)
    checkpointMinutes = try read(.checkpointMinutes, else: checkpointMinutes)
    keptCheckpoints = try read(.keptCheckpoints, else: keptCheckpoints)
    precision = try read(.precision, else: precision)
    recomputes = try read(.recomputes, else: recomputes)
    targets = try read(.targets, else: targets)
    sampling = try read(.sampling, else: sampling)
    origin = try fields.decodeIfPresent(String.self, forKey: .origin)
    accumulate = try read(.accumulate, else: accumulate)
    optimizer = try read(.optimizer, else: optimizer)
    momentum = try fields.decodeIfPresent(Double.self, forKey: .momentum)
    nesterov = try read(.nesterov, else: nesterov)
    rates = try fields.decodeIfPresent(RateFactors.self, forKey: .rates)
    decayShare = try read(.decayShare, else: decayShare)
    (offset, exponent) = (try read(.offset, else: offset), try read(.exponent, else: exponent))
    spikeGuard = try fields.decodeIfPresent(Double.self, forKey: .spikeGuard)
    average = try fields.decodeIfPresent(WeightAverage.self, forKey: .average)
    keepBest = try read(.keepBest, else: keepBest)
    patience = try fields.decodeIfPresent(Int.self, forKey: .patience)
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case batch, sampling, segment, precision, accumulate, optimizer, momentum, nesterov, rates, schedule,
      warmup, offset
    case exponent, beta1, beta2, epsilon, clip, average, targets, budget, seed, patience
    case origin = "from"
    case recomputes = "recompute"
    case learningRate = "learning_rate"
    case finalRate = "final_rate"
    case decayShare = "decay_share"
    case weightDecay = "weight_decay"
    case spikeGuard = "spike_guard"
    case carryState = "carry_state"
    case resetAtDocuments = "reset_at_documents"
    case validationInterval = "validation_interval"
    case keepBest = "keep_best"
    // `validation_tokens` is taken: older records have a count under that key.
    case validationTokens = "validation_limit"
    case logInterval = "log_interval"
    case checkpointInterval = "checkpoint_interval"
    case checkpointMinutes = "checkpoint_minutes"
    case keptCheckpoints = "kept_checkpoints"
  }
}
