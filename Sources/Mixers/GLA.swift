/// Gated linear attention (Yang et al. 2023, "Gated Linear Attention Transformers with Hardware-Efficient Training").
///
///     S_t = diag(α_t) S_{t−1} + k_tᵀ v_t;   y_t = q_t S_t;   out = W_o (swish(W_r x) ⊙ rms(y))
///     α_t = σ(x W_α¹ W_α² + b)^(1/τ)
///
/// Our name · the paper (§4.4): decay per key α, made by a projection of low rank and kept near one by the temperature
/// τ = 16 · q scaled by 1/√K · keys half as wide as the model, values as wide. Parameter names are those of
/// flash-linear-attention.

import RunnelRecurrences
import RunnelTensors

public struct GLA: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, heads = 0, keyValueHeads = 0, keyWidth = 0, valueWidth = 0, gateRank = 16,
      convolutionWidth = 0
    public var temperature: Float = 16, normEpsilon: Float = 1e-5
    public var leastLogDecay: Float?
    public var featureMap = Activation.identity, gateActivation = Activation.silu
    public var hasGate = true, hasNormScale = true
    public init() {}

    public static let settings: [Setting<Self>] = [
      Setting(
        "heads", \.heads, "H: heads of queries",
        chosen: Rule("divide half the width") { value, own in own.width % (2 * value) == 0 }
      ) { max(1, max(min(2, $0.width / 8), $0.width / 128)) },
      .keyValueHeads(\.keyValueHeads) { $0.heads },
      Setting("key_width", \.keyWidth, "K: features of a query and a key") {
        max(1, $0.width / 2 / $0.heads)
      },
      Setting("value_width", \.valueWidth, "V: features of a value") { $0.width / $0.heads },
      Setting("gate_rank", \.gateRank, "the inner width of what makes decays"),
      Setting("temperature", \.temperature, "τ: decays are the gates' sigmoids to the power 1/τ"),
      Setting(
        "least_log_decay", \.leastLogDecay, "the least log decay of a token, or none",
        Rule("be 0 or less, or none") { value, _ in value ?? 0 <= 0 }),
      Setting("feature_map", \.featureMap, "what acts on queries and keys"),
      .convolutionWidth(\.convolutionWidth), .hasGate(\.hasGate), .gateActivation(\.gateActivation),
      .hasNormScale(\.hasNormScale), .normEpsilon(\.normEpsilon),
    ]
    public static let feedForward = FeedForwardKind.gated(ratio: 8.0 / 3)
  }

  public typealias State = HeadState

  public static let description = MixerDescription(
    name: "gla", title: "GLA", paper: "Yang et al. 2023, arXiv:2312.06635",
    recurrence: "S = diag(α) S + kᵀ v, y = q S, α per token and key", state: "H K V", cost: "5 H K V",
    parallelForm: "masked product")

  public let configuration: Configuration
  var query, key, value: Operand
  var decayIn, decayOut, decayBias: Tensor
  var output: GatedOutput

  public static let fields: [Field<Self>] = [
    .matrix("q_proj.weight", \.query.weight),
    .matrix("k_proj.weight", \.key.weight),
    .matrix("v_proj.weight", \.value.weight),
    .init("gk_proj.0.weight", \.decayIn),
    .init("gk_proj.1.weight", \.decayOut),
    .init("gk_proj.1.bias", \.decayBias, .exempt),
    .init("q_conv1d.weight", \.query.convolution.weight, .exempt),
    .init("q_conv1d.bias", \.query.convolution.bias, .exempt),
    .init("k_conv1d.weight", \.key.convolution.weight, .exempt),
    .init("k_conv1d.bias", \.key.convolution.bias, .exempt),
    .init("v_conv1d.weight", \.value.convolution.weight, .exempt),
    .init("v_conv1d.bias", \.value.convolution.bias, .exempt),
    .matrix("g_proj.weight", \.output.gateWeight),
    .init("g_norm.weight", \.output.scale, .exempt),
    .matrix("o_proj.weight", \.output.outputWeight, .residual),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.configuration = configuration
    let (D, H, G) = (configuration.width, configuration.heads, configuration.keyValueHeads)
    let (K, V, R) = (configuration.keyWidth, configuration.valueWidth, configuration.gateRank)
    let W = configuration.convolutionWidth
    query = Operand(H * K, of: D, convolutionWidth: W, using: &generator)
    key = Operand(G * K, of: D, convolutionWidth: W, using: &generator)
    value = Operand(G * V, of: D, convolutionWidth: W, using: &generator)
    decayIn = .weight(R, D, using: &generator)
    decayOut = .weight(G * K, R, using: &generator)
    decayBias = Tensor(zeros: [G * K])
    output = GatedOutput(
      width: D, heads: H, valueWidth: V, hasGate: configuration.hasGate,
      hasScale: configuration.hasNormScale, using: &generator)
  }

  public func initialState(batch: Int) -> State {
    let (H, G) = (configuration.heads, configuration.keyValueHeads)
    let (K, V) = (configuration.keyWidth, configuration.valueWidth)
    return State(
      batch: batch, convolutionWidth: configuration.convolutionWidth, queries: H * K, keys: G * K,
      values: G * V, memory: [batch, H, K, V])
  }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let (B, T, H, G) = (x.shape[0], x.shape[1], configuration.heads, configuration.keyValueHeads)
    let (K, V) = (configuration.keyWidth, configuration.valueWidth)
    let q = query(x, .silu, resets: resets, window: &state.queryWindow)
    let k = key(x, .silu, resets: resets, window: &state.keyWindow)
    let v = value(x, .silu, resets: resets, window: &state.valueWindow)
    let logits = linear(linear(x, decayIn), decayOut, bias: decayBias)
    var logDecay = 1 / configuration.temperature * logSigmoid(logits)
    if let least = configuration.leastLogDecay { logDecay = maximum(logDecay, least) }
    func heads(_ x: Tensor, _ count: Int, _ width: Int) -> Tensor {
      repeatedHeads(x.reshaped([B, T, count, width]), each: H / count)
    }
    func features(_ x: Tensor) -> Tensor { activate(x, configuration.featureMap) }
    let y = MatrixMemory.run(
      q: 1 / Float(K).squareRoot() * heads(features(q), H, K), k: heads(features(k), G, K), v: heads(v, G, V),
      decay: .perKey(heads(logDecay, G, K)), form: form, resets: resets, state: &state.memory)
    return output(
      y, x, epsilon: configuration.normEpsilon, activation: configuration.gateActivation)
  }
}
