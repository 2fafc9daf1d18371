/// Retention (Sun et al. 2023, "Retentive Network", §2).
///
///     S_t = γ_h S_{t−1} + k_tᵀ v_t;   y_t = q_t S_t;   out = W_o (swish(W_g x) ⊙ groupnorm(y))
///
/// q and k are rotated by their position (the paper's e^{inθ}, equation 5), k is scaled by 1/√K, and
/// γ_h = 1 − 2^(−5−h) (equation 8). The paper also divides the products by norms of the decay matrix; the group norm that
/// follows does not see such factors, so they are left out, as in the authors' recurrent form. That norm has no
/// parameters in the paper; short convolutions, shared keys and values and a scale of the norm are
/// flash-linear-attention's, whose parameter names these are.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

public struct RetNet: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, heads = 0, keyValueHeads = 0, keyWidth = 0, valueWidth = 0, convolutionWidth = 0
    public var isInterleaved = true, hasGate = true, hasNormScale = false
    public var featureMap = Activation.identity, gateActivation = Activation.silu
    public var normEpsilon: Float = 1e-5
    public init() {}

    public static let settings: [Setting<Self>] = [
      .heads(\.heads),
      .keyValueHeads(\.keyValueHeads) { $0.heads },
      Setting("key_width", \.keyWidth, "K: features of a query and a key", .pairs) { $0.width / $0.heads },
      Setting("value_width", \.valueWidth, "V: features of a value") { 2 * $0.width / $0.heads },
      Setting(
        "is_interleaved", \.isInterleaved,
        "whether a rotated pair is (2i, 2i + 1), as in the paper, or (i, i + K/2)"),
      Setting("feature_map", \.featureMap, "what acts on queries and keys"),
      .convolutionWidth(\.convolutionWidth), .hasGate(\.hasGate), .gateActivation(\.gateActivation),
      .hasNormScale(\.hasNormScale), .normEpsilon(\.normEpsilon),
    ]
    public static let feedForward = FeedForwardKind.gated(ratio: 4.0 / 3)
  }

  public struct State: RecurrentState {
    /// The windows of the convolutions, and S.
    public var heads: HeadState
    /// How many tokens each row's document has seen: the angle of the next rotation.
    public var position: [Int]
    public static let tensors: [StateField<Self, Tensor>] = [
      .init("query_window", \.heads.queryWindow), .init("key_window", \.heads.keyWindow),
      .init("value_window", \.heads.valueWindow), .init("memory", \.heads.memory),
    ]
    public static let counters: [StateField<Self, [Int]>] = [.init("position", \.position)]
  }

  public static let description = MixerDescription(
    name: "retnet", title: "RetNet", paper: "Sun et al. 2023, arXiv:2307.08621",
    recurrence: "S = γ S + kᵀ v, y = q S, γ per head", state: "H K V", cost: "5 H K V",
    parallelForm: "masked product")

  public let configuration: Configuration
  /// log γ_h, [H].
  private let logDecay: Tensor
  var query, key, value: Operand
  var output: GatedOutput

  public static let fields: [Field<Self>] = [
    .matrix("q_proj.weight", \.query.weight),
    .matrix("k_proj.weight", \.key.weight),
    .matrix("v_proj.weight", \.value.weight),
    .init("q_conv1d.weight", \.query.convolution.weight, .exempt),
    .init("k_conv1d.weight", \.key.convolution.weight, .exempt),
    .init("v_conv1d.weight", \.value.convolution.weight, .exempt),
    .matrix("g_proj.weight", \.output.gateWeight),
    .init("g_norm.weight", \.output.scale, .exempt),
    .matrix("o_proj.weight", \.output.outputWeight, .residual),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.configuration = configuration
    let (D, H, G) = (configuration.width, configuration.heads, configuration.keyValueHeads)
    let W = configuration.convolutionWidth
    let (K, V) = (configuration.keyWidth, configuration.valueWidth)
    logDecay = .channels(H) { naturalLogarithm(1 - power(2, -5 - $0)) }
    query = Operand(H * K, of: D, convolutionWidth: W, using: &generator)
    key = Operand(G * K, of: D, convolutionWidth: W, using: &generator)
    value = Operand(G * V, of: D, convolutionWidth: W, using: &generator)
    output = GatedOutput(
      width: D, heads: H, valueWidth: V, hasGate: configuration.hasGate,
      hasScale: configuration.hasNormScale, using: &generator)
  }

  public func initialState(batch: Int) -> State {
    let (H, G) = (configuration.heads, configuration.keyValueHeads)
    let (K, V) = (configuration.keyWidth, configuration.valueWidth)
    let heads = HeadState(
      batch: batch, convolutionWidth: configuration.convolutionWidth, queries: H * K, keys: G * K,
      values: G * V, memory: [batch, H, K, V])
    return State(heads: heads, position: Array(repeating: 0, count: batch))
  }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let (B, T) = (x.shape[0], x.shape[1])
    let (H, G, K, V) = (
      configuration.heads, configuration.keyValueHeads, configuration.keyWidth, configuration.valueWidth
    )
    let positions = resets.positions(steps: T, advancing: &state.position)
    let q = query(x, .silu, resets: resets, window: &state.heads.queryWindow)
    let k = key(x, .silu, resets: resets, window: &state.heads.keyWindow)
    let v = value(x, .silu, resets: resets, window: &state.heads.valueWindow)
    func rotated(_ x: Tensor, _ heads: Int) -> Tensor {
      let features = activate(x, configuration.featureMap)
      return repeatedHeads(
        rotary(
          features.reshaped([B, T, heads, K]), positions: positions, base: 10_000,
          interleaved: configuration.isInterleaved), each: H / heads)
    }
    let y = MatrixMemory.run(
      q: rotated(q, H), k: 1 / Float(K).squareRoot() * rotated(k, G),
      v: repeatedHeads(v.reshaped([B, T, G, V]), each: H / G), decay: .perHead(logDecay), form: form,
      resets: resets, state: &state.heads.memory)
    return output(
      y, x, epsilon: configuration.normEpsilon, activation: configuration.gateActivation)
  }
}
