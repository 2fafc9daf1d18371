/// RWKV-7 "Goose" (Peng et al. 2025).
///
///     S_t = diag(w_t) S_{t−1} − (κ̂_t ⊙ a_t)ᵀ (κ̂_t S_{t−1}) + k̃_tᵀ v_t;   y_t = r_t S_t
///     out = W_o (g ⊙ (groupnorm(y) + (Σ over a head of r ⊙ ρ ⊙ k̃) v))
///
/// Our name · the paper (§4): shift, the token before, a part of which is in each of the six inputs · w, the decay,
/// exp(−e^{−1/2} σ(…)), so never below 0.545 · κ̂, the removal key, of unit length in each head · a, the in-context
/// learning rate · k̃ = k ⊙ (1 + (a − 1) ⊙ α), the replacement key · ρ, the bonus `r_k` · v, in layers behind the
/// first mixed with the first layer's values. The paper's S is the transpose of ours. Parameter names and layouts are
/// those of the authors' code: matrices of low rank lie [in out]. It has 28 parameters, each with a beginning of its own,
/// which makes this file longer than most.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

/// A matrix memory with a decay per token and key and a removal along a learnt direction.
public struct RWKV7: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, heads = 0, headWidth = 0, decayRank = 0, rateRank = 0, valueRank = 0, gateRank = 0
    public var groupNormEpsilon: Float = 64e-5, keyNormEpsilon: Float = 1e-24
    public var startsTuned: Bool?
    public init() {}

    public static let settings: [Setting<Self>] = [
      .heads(\.heads),
      Setting(
        "head_width", \.headWidth, "K: features of a head",
        Rule("make the width together with heads") { value, own in
          own.heads > 0 && own.width % own.heads == 0 && value == own.width / own.heads
        }
      ) { $0.width / $0.heads },
      Setting("decay_rank", \.decayRank, "the inner width of what makes decays") { $0.rank(2.5) },
      Setting("rate_rank", \.rateRank, "the inner width of what makes learning rates") { $0.rank(2.5) },
      Setting("value_rank", \.valueRank, "the inner width of what mixes values") { $0.rank(1.7) },
      Setting("gate_rank", \.gateRank, "the inner width of what makes gates") { $0.rank(5) },
      .groupNormEpsilon(\.groupNormEpsilon),
      Setting(
        "key_norm_epsilon", \.keyNormEpsilon, "ε in κ / √(Σ κ² + ε)",
        Rule("be 0 or more") { value, _ in value >= 0 }),
      .startsTuned(\.startsTuned),
    ]
    public static let feedForward = FeedForwardKind.channelMix(version: 7, ratio: 4)
    public static let norm = NormKind.layer
    public static let normalizesEmbedding = true
    /// Ranks that grow with √D in steps of 32.
    private func rank(_ factor: Double) -> Int {
      min(width, max(32, 32 * Int((factor * Double(width).squareRoot() / 32).rounded(.toNearestOrEven))))
    }
  }

  public static let description = MixerDescription(
    name: "rwkv7", title: "RWKV-7", paper: "Peng et al. 2025, arXiv:2503.14456",
    recurrence: "S = diag(w) S − (κ̂ ⊙ a)ᵀ κ̂ S + k̃ᵀ v, y = r S", state: "D + H K V", cost: "9 H K V",
    parallelForm: "chunkwise (WY)")

  public let configuration: Configuration
  /// How much of the token before is in each input, [D].
  let receptanceShift, decayShift, keyShift, valueShift, rateShift, gateShift: Tensor
  /// `value` is absent in the first layer, and `gate` has no bias.
  let decay, rate, value, gate: LowRank
  /// [D], [D] and [H K].
  let removalScale, rateShare, bonus: Tensor
  /// [D D].
  let receptanceWeight, keyWeight, valueWeight, outputWeight: Weight
  /// [D].
  let normScale, normBias: Tensor
  /// The state before the first token, [H K K]; absent for zero.
  let tunedState: Tensor

  /// As in the authors' training code, where everything along the channels depends on the depth. There the four
  /// matrices [D D] start orthogonal; here their elements are normal and of the same size.
  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, H, K) = (configuration.width, configuration.heads, configuration.headWidth)
    func shift(_ name: String, _ exponent: Double) -> Tensor {
      p.tensor(name, [D], .exempt, .shareOfPast(D, exponent * depth.descent))
    }
    receptanceShift = shift("x_r", 0.2)
    decayShift = shift("x_w", 0.9)
    keyShift = shift("x_k", 0.7)
    valueShift = shift("x_v", 0.7)
    rateShift = shift("x_a", 0.9)
    gateShift = shift("x_g", 0.2)

    /// From 0 to 1 over the channels, and from −1 to 1 over those of each head.
    @Sendable func ramp(_ n: Double) -> Double { n / Double(max(1, D - 1)) }
    @Sendable func zigzag(_ n: Double) -> Double {
      let middle = max(0.5, Double(K - 1) / 2)
      let z = (n.truncatingRemainder(dividingBy: Double(K)) - Double(K - 1) / 2) / middle
      return z * abs(z)
    }
    func lowRank(
      _ letter: String, _ R: Int, _ bias: Beginning?, learningRate: Float = 1, if present: Bool = true
    ) -> LowRank {
      let gain = 0.1 * max(1, Double(R) / Double(D)).squareRoot()
      return LowRank(
        (letter + "0", letter + "1", letter + "2"), D, R, D,
        bias: bias.map { (.exempt(learningRate: learningRate), $0) }, outer: .orthogonal(gain: gain),
        if: present, from: p)
    }
    let ascent = depth.ascent
    let decays = Beginning.channels { -5.5 + 6 * power(ramp($0), 1 + power(ascent, 0.3)) + 2.5 * zigzag($0) }
    decay = lowRank("w", configuration.decayRank, decays, learningRate: 2)
    rate = lowRank(
      "a", configuration.rateRank, .channels { -0.19 + 0.3 * zigzag($0) + 0.4 * (ramp($0) - 0.5) })
    value = lowRank(
      "v", configuration.valueRank, .channels { 0.73 - 0.4 * (ramp($0) - 0.5) }, if: depth.layer > 0)
    gate = lowRank("g", configuration.gateRank, nil)

    removalScale = p.tensor("k_k", [D], .exempt, .channels { 0.71 - 0.1 * (ramp($0) - 0.5) })
    rateShare = p.tensor("k_a", [D], .exempt, .constant(1.02))
    bonus = p.tensor("r_k", [H, K], .exempt, .constant(-0.04))
    let deviation = 1 / Float(D).squareRoot()
    receptanceWeight = p.matrix("receptance.weight", [D, D], .weight, .normal(deviation))
    keyWeight = p.matrix("key.weight", [D, D], .weight, .normal(0.1 * deviation))
    valueWeight = p.matrix("value.weight", [D, D], .weight, .normal(deviation))
    outputWeight = p.matrix("output.weight", [D, D], .residual, .zeros)
    normScale = p.tensor("ln_x.weight", [D], .exempt, depth.normScale)
    normBias = p.tensor("ln_x.bias", [D])
    tunedState = p.tensor("time_state", [H, K, K], if: configuration.startsTuned == true)
  }

  public var memory: [StateTensor] {
    let (H, K) = (configuration.heads, configuration.headWidth)
    return shiftedMemory(width: configuration.width, [H, K, K], tuned: tunedState)
  }

  /// The values of the first layer, [B T D]; alone, a layer's own are the first.
  private enum FirstValue: SharedValueKey {}

  /// From a layer's value to the first one, by a share before its sigmoid.
  static let mixedValue = Equation { v, first, share in v + (first - v) * sigmoid(share) }
  static let logDecay = Equation { Float(-exponential(-0.5)) * sigmoid($0) }
  /// a, and the key times 1 + (a − 1) ρ: of the key, a before its sigmoid, and ρ.
  static let ratedKey = Equation { key, rate, share in
    let a = sigmoid(rate)
    return (a, key + (key * a - key) * share)
  }
  /// The gated sum of the normalised memory and a head's own value by its weight, [B T H 1].
  static let seen = Equation { memory, v, weight, gate in (memory + v * weight) * gate }
  static let removed = Equation { removal, a in (-removal, removal * a) }

  public func run(_ x: Tensor, _: Void, form: Form, resets: Resets, state: inout RecurrentState) -> Tensor {
    var shared = SharedValues()
    return run(x, (), form: form, resets: resets, state: &state, shared: &shared)
  }

  public func run(
    _ x: Tensor, _: Void, form: Form, resets: Resets, state: inout RecurrentState, shared: inout SharedValues
  ) -> Tensor {
    let (B, T, D) = (x.shape[0], x.shape[1], configuration.width)
    let (H, K) = (configuration.heads, configuration.headWidth)
    func heads(_ x: Tensor) -> Tensor { x.reshaped([B, T, H, K]) }
    let previous = tokenShift(x, resets: resets, last: &state["previous"])
    func input(_ share: Tensor) -> Tensor { mixed(x, previous, by: share) }

    let r = linear(input(receptanceShift), receptanceWeight)
    let key = linear(input(keyShift), keyWeight)
    let valueInput = input(valueShift)
    var v = linear(valueInput, valueWeight)
    if let first = shared[FirstValue.self], !value.bias.isEmpty {
      v = Self.mixedValue(v, first, value(valueInput))
    } else {
      shared[FirstValue.self] = v
    }
    let (a, k) = Self.ratedKey(key, rate(input(rateShift)), rateShare)
    let logDecay = Self.logDecay(decay(input(decayShift), .tanh))
    let removal = unitRows(heads(scaled(key, by: removalScale)), epsilon: configuration.keyNormEpsilon)
    let removed = Self.removed(removal, heads(a))

    let operands = [heads(r), heads(k), heads(v), heads(logDecay), removed.0, removed.1]
    let y = RunnelMixers.run(operands, from: tunedState, resets: resets, state: &state["memory"]) {
      operands, resets, memory in
      MatrixMemory.run(
        q: operands[0], k: operands[1], v: operands[2], decay: .perKey(operands[3]),
        removal: (a: operands[4], b: operands[5]), form: form, resets: resets, state: &memory)
    }
    let normed = layerNorm(
      y.reshaped([B, T, D]), scale: normScale, bias: normBias, epsilon: configuration.groupNormEpsilon,
      groups: H)
    // Σ over a head of r ⊙ k ⊙ ρ, [B T H].
    let own = blockLinear(r * k, bonus.reshaped([H, K, 1]))
    let seen = Self.seen(
      heads(normed), heads(v), own.reshaped([B, T, H, 1]), heads(gate(input(gateShift), .sigmoid)))
    return linear(seen.reshaped([B, T, D]), outputWeight)
  }
}
