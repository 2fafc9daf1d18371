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
    public var width: Int
    public var heads: Int
    /// Heads of keys and values, each shared by heads / keyValueHeads queries.
    public var keyValueHeads: Int
    public var keyWidth: Int
    public var valueWidth: Int
    public var gateRank: Int
    /// τ.
    public var temperature: Float
    /// The least log decay of a token; −∞ stands as nil.
    public var leastLogDecay: Float?
    /// Applied to queries and keys.
    public var featureMap: Activation
    /// W of the short convolutions; 0 for none.
    public var convolutionWidth: Int
    public var hasGate: Bool
    public var gateActivation: Activation
    public var hasNormScale: Bool
    public var normEpsilon: Float
    public static let feedForward = FeedForwardKind.gated(ratio: 8.0 / 3)

    /// Heads of 64 keys and 128 values; a narrow model has at least two heads.
    public init(width: Int) {
      let heads = max(1, max(min(2, width / 8), width / 128))
      self.init(width: width, heads: heads, keyWidth: max(1, width / 2 / heads), valueWidth: width / heads)
    }
    public init(
      width: Int, heads: Int, keyValueHeads: Int? = nil, keyWidth: Int, valueWidth: Int, gateRank: Int = 16,
      temperature: Float = 16, leastLogDecay: Float? = nil, featureMap: Activation = .identity,
      convolutionWidth: Int = 0, hasGate: Bool = true, gateActivation: Activation = .silu,
      hasNormScale: Bool = true, normEpsilon: Float = 1e-5
    ) {
      self.width = width
      self.heads = heads
      self.keyValueHeads = keyValueHeads ?? heads
      self.keyWidth = keyWidth
      self.valueWidth = valueWidth
      self.gateRank = gateRank
      self.temperature = temperature
      self.leastLogDecay = leastLogDecay
      self.featureMap = featureMap
      self.convolutionWidth = convolutionWidth
      self.hasGate = hasGate
      self.gateActivation = gateActivation
      self.hasNormScale = hasNormScale
      self.normEpsilon = normEpsilon
    }
    public func withHeads(_ heads: Int) throws -> Self {
      try ConfigurationError.requireDivisible("width", width, by: "twice the heads", 2 * heads)
      var copy = self
      (copy.heads, copy.keyValueHeads) = (heads, heads)
      (copy.keyWidth, copy.valueWidth) = (width / 2 / heads, width / heads)
      return copy
    }
    public func validate() throws {
      try ConfigurationError.requirePositive([
        "width": width, "heads": heads, "key_value_heads": keyValueHeads, "key_width": keyWidth,
        "value_width": valueWidth, "gate_rank": gateRank,
      ])
      try ConfigurationError.requireDivisible("heads", heads, by: "key_value_heads", keyValueHeads)
      guard temperature > 0, temperature.isFinite, leastLogDecay ?? -1 <= 0, convolutionWidth >= 0 else {
        throw ConfigurationError(
          "temperature must be positive, least_log_decay at most 0 and convolution_width at least 0")
      }
    }
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
    let y = DeltaRule.run(
      q: 1 / Float(K).squareRoot() * heads(features(q), H, K), k: heads(features(k), G, K), v: heads(v, G, V),
      decay: .perKey(heads(logDecay, G, K)), form: form, resets: resets, state: &state.memory)
    return output(
      y, x, epsilon: configuration.normEpsilon, activation: configuration.gateActivation)
  }
}
