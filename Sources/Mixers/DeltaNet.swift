/// DeltaNet (Schlag et al. 2021, "Linear Transformers Are Secretly Fast Weight Programmers", §4; Yang et al. 2024,
/// "Parallelizing Linear Transformers with the Delta Rule over Sequence Length").
///
///     S_t = (I − β_t k_tᵀ k_t) S_{t−1} + β_t k_tᵀ v_t;   y_t = q_t S_t;   out = W_o rms(y)
///
/// What the memory holds under a key is replaced, not added to. Our name · the paper (2024, §3.3 and §3.4): β = σ(W_β x),
/// the writing strength of a head · q and k are silu of a short convolution, then of unit length; q scaled by 1/√K ·
/// v is silu of a short convolution. Twice β lets the memory turn signs (Grazzi et al. 2024). Parameter names are those
/// of flash-linear-attention.

import RunnelRecurrences
import RunnelTensors

public struct DeltaNet: SequenceMixer {
  /// How queries and keys are scaled.
  public enum KeyNorm: String, SettingWord {
    /// To unit length: x / √(Σ x² + 10⁻⁶).
    case length
    /// To a sum of one: x / max(Σ |x|, 10⁻⁶).
    case sum
  }

  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, heads = 0, keyWidth = 0, valueWidth = 0, convolutionWidth = 4
    public var hasConvolutionBias = false, hasStrength = true, allowsNegativeEigenvalues = false,
      hasGate = false
    public var keyActivation = Activation.silu
    public var keyNorm = KeyNorm.length
    public var normEpsilon: Float = 1e-5
    public init() {}

    public static let settings: [Setting<Self>] = [
      .heads(\.heads),
      Setting("key_width", \.keyWidth, "K: features of a query and a key") { $0.width / $0.heads },
      Setting("value_width", \.valueWidth, "V: features of a value") { $0.width / $0.heads },
      .convolutionWidth(\.convolutionWidth), .hasConvolutionBias(\.hasConvolutionBias),
      Setting("key_activation", \.keyActivation, "what acts on queries and keys"),
      Setting("key_norm", \.keyNorm, "what keys are normalised to"),
      Setting("has_strength", \.hasStrength, "whether β is learnt, else one"),
      .allowsNegativeEigenvalues(\.allowsNegativeEigenvalues), .hasGate(\.hasGate),
      .normEpsilon(\.normEpsilon),
    ]
    public static let feedForward = FeedForwardKind.gated(ratio: 8.0 / 3)
  }

  public typealias State = HeadState

  public static let description = MixerDescription(
    name: "deltanet", title: "DeltaNet", paper: "Yang et al. 2024, arXiv:2406.06484",
    recurrence: "S = (I − β kᵀ k) S + β kᵀ v, y = q S", state: "H K V + H (2 K + V) (W − 1)",
    cost: "8 H K V", parallelForm: "chunkwise (WY)")

  public let configuration: Configuration
  var query, key, value: Operand
  var strengthWeight: Tensor
  var output: GatedOutput

  public static let fields: [Field<Self>] = [
    .matrix("q_proj.weight", \.query.weight),
    .matrix("k_proj.weight", \.key.weight),
    .matrix("v_proj.weight", \.value.weight),
    .init("b_proj.weight", \.strengthWeight),
    .init("q_conv1d.weight", \.query.convolution.weight, .exempt),
    .init("q_conv1d.bias", \.query.convolution.bias, .exempt),
    .init("k_conv1d.weight", \.key.convolution.weight, .exempt),
    .init("k_conv1d.bias", \.key.convolution.bias, .exempt),
    .init("v_conv1d.weight", \.value.convolution.weight, .exempt),
    .init("v_conv1d.bias", \.value.convolution.bias, .exempt),
    .matrix("g_proj.weight", \.output.gateWeight),
    .init("o_norm.weight", \.output.scale, .exempt),
    .matrix("o_proj.weight", \.output.outputWeight, .residual),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.configuration = configuration
    let (D, H) = (configuration.width, configuration.heads)
    let (K, V) = (configuration.keyWidth, configuration.valueWidth)
    func operand(_ channels: Int) -> Operand {
      Operand(
        channels, of: D, convolutionWidth: configuration.convolutionWidth,
        hasBias: configuration.hasConvolutionBias, using: &generator)
    }
    query = operand(H * K)
    key = operand(H * K)
    value = operand(H * V)
    strengthWeight = configuration.hasStrength ? .weight(H, D, using: &generator) : .absent
    output = GatedOutput(width: D, heads: H, valueWidth: V, hasGate: configuration.hasGate, using: &generator)
  }

  public func initialState(batch: Int) -> State {
    let (H, K, V) = (configuration.heads, configuration.keyWidth, configuration.valueWidth)
    return State(
      batch: batch, convolutionWidth: configuration.convolutionWidth, queries: H * K, keys: H * K,
      values: H * V, memory: [batch, H, K, V])
  }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let (B, T, H) = (x.shape[0], x.shape[1], configuration.heads)
    let (K, V) = (configuration.keyWidth, configuration.valueWidth)
    func normed(_ x: Tensor) -> Tensor {
      let x = x.reshaped([B, T, H, K])
      switch configuration.keyNorm {
      case .length: return unitRows(x, epsilon: 1e-6)
      case .sum:
        let sizes = linear(activate(x, .relu) + activate(-1 * x, .relu), Tensor(ones: [1, K]))
        return divided(x, by: maximum(sizes, 1e-6))
      }
    }
    let f = configuration.keyActivation
    let q = normed(query(x, f, bare: f, resets: resets, window: &state.queryWindow))
    let k = normed(key(x, f, bare: f, resets: resets, window: &state.keyWindow))
    let v = value(x, .silu, bare: .silu, resets: resets, window: &state.valueWindow).reshaped([B, T, H, V])
    var strength =
      configuration.hasStrength
      ? activate(linear(x, strengthWeight), .sigmoid) : Tensor(ones: [B, T, H])
    if configuration.allowsNegativeEigenvalues { strength = 2 * strength }
    let y = MatrixMemory.run(
      q: 1 / Float(K).squareRoot() * q, k: k, v: scaledRows(v, by: strength), decay: .none,
      removal: (a: k, b: scaledRows(k, by: -1 * strength)), form: form, resets: resets,
      state: &state.memory)
    return output(y, x, epsilon: configuration.normEpsilon)
  }
}
