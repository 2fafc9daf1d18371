/// RWKV-6 "Finch" (Peng et al. 2024, "Eagle and Finch").
///
///     S_t = diag(w_t) S_{t−1} + k_tᵀ v_t;   y_t = r_t S_{t−1} + (r_t · (u ⊙ k_t)) v_t
///     out = W_o (silu(g) ⊙ groupnorm(y))
///
/// Our name · the paper (§4.2): share, μ, how much of the token before is in an input; each of the five has its own
/// and adds what a product of low rank (lora) says of the tokens (ddlerp) · w, the decay, exp(−exp(d)), with d of
/// low rank as well · u, the bonus of a token's own value, `time_faaaa`. In the authors' models keys are as wide as
/// values; flash-linear-attention halves them. Parameter names and layouts are those of the authors' code: matrices
/// of low rank lie [in out], and the five inputs are in the order w, k, v, r, g.

import RunnelRecurrences
import RunnelTensors

/// RWKV-5 with a decay per token and channel, and token shifts that depend on the token.
public struct RWKV6: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, heads = 0, keyWidth = 0, valueWidth = 0, shareRank = 0, decayRank = 0
    public var groupNormEpsilon: Float = 64e-5
    public var startsTuned: Bool?
    public init() {}

    public static let settings: [Setting<Self>] = [
      .heads(\.heads),
      Setting("key_width", \.keyWidth, "K: features of a receptance and a key") { $0.width / $0.heads },
      .valueWidth(\.valueWidth) { $0.width / $0.heads },
      Setting("share_rank", \.shareRank, "the inner width of what makes the shares of the token before") {
        min(32, $0.width)
      },
      Setting("decay_rank", \.decayRank, "the inner width of what makes decays") { min(64, $0.width) },
      .groupNormEpsilon(\.groupNormEpsilon), .startsTuned(\.startsTuned),
    ]
    public static let feedForward = FeedForwardKind.channelMix(version: 6, ratio: 3.5)
    public static let norm = NormKind.layer
    public static let normalizesEmbedding = true
  }

  public static let description = MixerDescription(
    name: "rwkv6", title: "RWKV-6", paper: "Peng et al. 2024, arXiv:2404.05892",
    recurrence: "y = r (S + (u ⊙ k)ᵀ v), S = diag(w) S + kᵀ v, w per token and key", state: "D + H K V",
    cost: "5 H K V", parallelForm: "masked product")

  public let configuration: Configuration
  /// How much of the token before is in the input of the shares, and in the five inputs: [D].
  let commonShare, decayShare, keyShare, valueShare, receptanceShare, gateShare: Tensor
  /// [D 5R] and [5 R D].
  let shareInner, shareOuter: Tensor
  /// d, from D to the H K keys.
  let decay: LowRank
  /// u, [H K].
  let bonus: Tensor
  /// [H K D], [H K D], [H V D], [H V D] and [D H V].
  let receptanceWeight, keyWeight, valueWeight, gateWeight, outputWeight: Weight
  /// [H V].
  let normScale, normBias: Tensor
  /// The state before the first token, [H K V]; absent for zero.
  let tunedState: Tensor

  /// As in the authors' training code, where everything along the channels depends on the depth. There the
  /// projections start orthogonal; here their elements are normal and of the same size.
  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, H) = (configuration.width, configuration.heads)
    let (K, V) = (configuration.keyWidth, configuration.valueWidth)
    let R = configuration.shareRank
    func share(_ letter: String, _ factor: Double = 1, less shift: Double = 0) -> Tensor {
      p.tensor("time_maa_" + letter, [D], .exempt, .shareOfPast(D, factor * depth.descent, less: shift))
    }
    commonShare = share("x")
    decayShare = share("w")
    keyShare = share("k")
    valueShare = share("v", less: 0.3 * depth.ascent)
    receptanceShare = share("r", 0.5)
    gateShare = share("g", 0.5)
    shareInner = p.tensor("time_maa_w1", [D, 5 * R])
    shareOuter = p.tensor("time_maa_w2", [5, R, D], .exempt, .uniform(0.01))
    decay = LowRank(
      ("time_decay", "time_decay_w1", "time_decay_w2"), D, configuration.decayRank, H * K,
      bias: (traits: .exempt(learningRate: 2), beginning: depth.decays(H * K)),
      outer: .uniform(0.01), from: p)
    bonus = p.tensor("time_faaaa", [H, K], .exempt, depth.bonuses(H * K))

    /// The elements of an orthogonal matrix have the variance of its longer side.
    func projection(_ name: String, _ rows: Int, gain: Float) -> Weight {
      p.matrix(name + ".weight", [rows, D], .weight, .normal(gain / Float(max(rows, D)).squareRoot()))
    }
    receptanceWeight = projection("receptance", H * K, gain: 1)
    keyWeight = projection("key", H * K, gain: 0.1)
    valueWeight = projection("value", H * V, gain: 1)
    gateWeight = projection("gate", H * V, gain: 0.1)
    outputWeight = p.matrix("output.weight", [D, H * V], .residual, .zeros)
    normScale = p.tensor("ln_x.weight", [H * V], .exempt, depth.normScale)
    normBias = p.tensor("ln_x.bias", [H * V])
    tunedState = p.tensor("time_state", [H, K, V], if: configuration.startsTuned == true)
  }

  public var memory: [StateTensor] {
    let (H, K, V) = (configuration.heads, configuration.keyWidth, configuration.valueWidth)
    return shiftedMemory(width: configuration.width, [H, K, V], tuned: tunedState)
  }

  /// The shares of the five inputs, in the order of the outer matrices: [5D].
  public var constants: Tensor {
    concatenated([decayShare, keyShare, valueShare, receptanceShare, gateShare])
  }

  /// From the token to the one before.
  static let shifted = Equation { x, previous, share in x + (previous - x) * share }
  static let logDecay = Equation { -exp($0) }

  public func run(
    _ x: Tensor, _ shares: Tensor, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    let (B, T, D) = (x.shape[0], x.shape[1], configuration.width)
    let (H, K, V) = (configuration.heads, configuration.keyWidth, configuration.valueWidth)
    let previous = tokenShift(x, resets: resets, last: &state["previous"])
    let hidden = activate(product(mixed(x, previous, by: commonShare), shareInner), .tanh)
    let inputs = split(
      blockLinear(hidden, shareOuter, bias: shares), sizes: Array(repeating: D, count: 5)
    ).map { Self.shifted(x, previous, $0) }

    let logDecay = Self.logDecay(decay(inputs[0], .tanh))
    let k = linear(inputs[1], keyWeight)
    let v = linear(inputs[2], valueWeight)
    let r = linear(inputs[3], receptanceWeight)
    func keys(_ x: Tensor) -> Tensor { x.reshaped([B, T, H, K]) }
    let operands = [keys(r), keys(k), v.reshaped([B, T, H, V]), keys(logDecay)]
    let y = RunnelMixers.run(operands, from: tunedState, resets: resets, state: &state["memory"]) {
      operands, resets, memory in
      MatrixMemory.run(
        q: operands[0], k: operands[1], v: operands[2], decay: .perKey(operands[3]),
        reads: .before(bonus: bonus), form: form, resets: resets, state: &memory)
    }
    let normed = layerNorm(
      y.reshaped([B, T, H * V]), scale: normScale, bias: normBias, epsilon: configuration.groupNormEpsilon,
      groups: H)
    return linear(gated(normed, by: linear(inputs[4], gateWeight), .silu), outputWeight)
  }
}
