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

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

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
      Setting("value_width", \.valueWidth, "V: features of a value") { $0.width / $0.heads },
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

  public typealias State = ShiftedState

  public static let description = MixerDescription(
    name: "rwkv6", title: "RWKV-6", paper: "Peng et al. 2024, arXiv:2404.05892",
    recurrence: "y = r (S + (u ⊙ k)ᵀ v), S = diag(w) S + kᵀ v, w per token and key", state: "D + H K V",
    cost: "5 H K V", parallelForm: "masked product")

  public let configuration: Configuration
  /// How much of the token before is in the input of the shares, and in the five inputs: [D].
  var commonShare, decayShare, keyShare, valueShare, receptanceShare, gateShare: Tensor
  /// [D 5R] and [5 R D].
  var shareInner, shareOuter: Tensor
  /// d, from D to the H K keys.
  var decay: LowRank
  /// u, [H K].
  var bonus: Tensor
  /// [H K D], [H K D], [H V D], [H V D] and [D H V].
  var receptanceWeight, keyWeight, valueWeight, gateWeight, outputWeight: Weight
  /// [H V].
  var normScale, normBias: Tensor
  /// The state before the first token, [H K V]; absent for zero.
  var tunedState: Tensor
  /// The shares side by side, in a frozen copy.
  private var derivedShares: Tensor?

  public static let fields: [Field<Self>] = [
    .init("time_maa_x", \.commonShare, .exempt),
    .init("time_maa_w", \.decayShare, .exempt),
    .init("time_maa_k", \.keyShare, .exempt),
    .init("time_maa_v", \.valueShare, .exempt),
    .init("time_maa_r", \.receptanceShare, .exempt),
    .init("time_maa_g", \.gateShare, .exempt),
    .init("time_maa_w1", \.shareInner, .exempt),
    .init("time_maa_w2", \.shareOuter, .exempt),
    .init("time_decay", \.decay.bias, ParameterTraits(decays: false, learningRate: 2)),
    .matrix("time_decay_w1", \.decay.inner, .exempt),
    .matrix("time_decay_w2", \.decay.outer, .exempt),
    .init("time_faaaa", \.bonus, .exempt),
    .matrix("receptance.weight", \.receptanceWeight),
    .matrix("key.weight", \.keyWeight),
    .matrix("value.weight", \.valueWeight),
    .matrix("gate.weight", \.gateWeight),
    .matrix("output.weight", \.outputWeight, .residual),
    .init("ln_x.weight", \.normScale, .exempt),
    .init("ln_x.bias", \.normBias, .exempt),
    .init("time_state", \.tunedState, .exempt),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.init(configuration, at: .alone, using: &generator)
  }

  /// As in the authors' training code, where everything along the channels depends on the depth. There the
  /// projections start orthogonal; here their elements are normal and of the same size.
  public init(
    _ configuration: Configuration, at depth: Depth, using generator: inout some RandomNumberGenerator
  ) {
    self.configuration = configuration
    let (D, H) = (configuration.width, configuration.heads)
    let (K, V) = (configuration.keyWidth, configuration.valueWidth)
    let (R, G) = (configuration.shareRank, configuration.decayRank)
    commonShare = .shareOfPast(D, depth.descent)
    (decayShare, keyShare) = (commonShare, commonShare)
    valueShare = .shareOfPast(D, depth.descent, less: 0.3 * depth.ascent)
    receptanceShare = .shareOfPast(D, 0.5 * depth.descent)
    gateShare = receptanceShare
    shareInner = Tensor(zeros: [D, 5 * R])
    shareOuter = .uniform([5, R, D], in: -0.01...0.01, using: &generator)

    decay = LowRank(D, G, H * K, bias: depth.decays(H * K), using: &generator) {
      .uniform([G, H * K], in: -0.01...0.01, using: &$0)
    }
    bonus = depth.bonuses(H * K).reshaped([H, K])

    /// The elements of an orthogonal matrix have the variance of its longer side.
    func projection(_ rows: Int, gain: Float, _ generator: inout some RandomNumberGenerator) -> Weight {
      .normal([rows, D], deviation: gain / Float(max(rows, D)).squareRoot(), using: &generator)
    }
    receptanceWeight = projection(H * K, gain: 1, &generator)
    keyWeight = projection(H * K, gain: 0.1, &generator)
    valueWeight = projection(H * V, gain: 1, &generator)
    gateWeight = projection(H * V, gain: 0.1, &generator)
    outputWeight = .zeros([D, H * V], using: &generator)
    normScale = depth.normScale(H * V)
    normBias = Tensor(zeros: [H * V])
    tunedState = configuration.startsTuned == true ? Tensor(zeros: [H, K, V]) : .absent
  }

  public func initialState(batch: Int) -> State {
    let (H, K, V) = (configuration.heads, configuration.keyWidth, configuration.valueWidth)
    return State(width: configuration.width, memory: tunedState.repeated(batch: batch, or: [H, K, V]))
  }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let (B, T, D) = (x.shape[0], x.shape[1], configuration.width)
    let (H, K, V) = (configuration.heads, configuration.keyWidth, configuration.valueWidth)
    let previous = tokenShift(x, resets: resets, last: &state.previous)
    let hidden = activate(product(mixed(x, previous, by: commonShare), shareInner), .tanh)
    let bias = derivedShares ?? makeShares()
    let delta = previous - x
    let inputs = split(
      blockLinear(hidden, shareOuter, bias: bias), sizes: Array(repeating: D, count: 5)
    ).map { x + delta * $0 }

    let logDecay = -1 * activate(decay(inputs[0], .tanh), .exp)
    let k = linear(inputs[1], keyWeight)
    let v = linear(inputs[2], valueWeight)
    let r = linear(inputs[3], receptanceWeight)
    func keys(_ x: Tensor) -> Tensor { x.reshaped([B, T, H, K]) }
    let operands = [keys(r), keys(k), v.reshaped([B, T, H, V]), keys(logDecay)]
    let y = RunnelMixers.run(operands, from: tunedState, resets: resets, state: &state.memory) {
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

  /// Those of the five inputs, in the order of the outer matrices: [5D].
  private func makeShares() -> Tensor {
    concatenated([decayShare, keyShare, valueShare, receptanceShare, gateShare])
  }

  public func frozen() -> RWKV6 {
    var copy = self
    copy.derivedShares = makeShares().detached
    return copy
  }
}
