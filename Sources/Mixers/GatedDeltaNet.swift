/// Gated DeltaNet (Yang et al. 2024, "Gated Delta Networks: Improving Mamba2 with Delta Rule").
///
///     S_t = α_t (I − β_t k_tᵀ k_t) S_{t−1} + β_t k_tᵀ v_t;   y_t = q_t S_t;   out = W_o (rms(y) ⊙ silu(W_g x))
///
/// Our name · the paper (§3.1, equation 10; §3.4): α = exp(−exp(A) softplus(W_a x + b_Δ)), Mamba-2's decay of a head ·
/// β = σ(W_b x) · q, k, v are silu of short convolutions, q and k of unit length, q scaled by 1/√K · several value heads
/// may share a head of queries and keys. Parameter names are those of flash-linear-attention.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

public struct GatedDeltaNet: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    public var width: Int
    /// Heads of queries and keys.
    public var heads: Int
    /// Heads of values, a multiple of `heads`.
    public var valueHeads: Int
    public var keyWidth: Int
    public var valueWidth: Int
    /// W of the short convolutions; 0 for none.
    public var convolutionWidth: Int
    public var hasConvolutionBias: Bool
    /// Whether β reaches two, so that the transition has negative eigenvalues.
    public var allowsNegativeEigenvalues: Bool
    public var hasGate: Bool
    public var gateActivation: Activation
    public var normEpsilon: Float
    public static let feedForward = FeedForwardKind.gated(ratio: 8.0 / 3)

    /// Keys of about three quarters of the width in heads of up to 64, values twice as wide (§3.4).
    public init(width: Int) {
      let heads = max(1, max(min(2, width / 16), 3 * width / 4 / 64))
      let keyWidth = max(1, 3 * width / 4 / heads)
      self.init(width: width, heads: heads, keyWidth: keyWidth, valueWidth: 2 * keyWidth)
    }
    public init(
      width: Int, heads: Int, valueHeads: Int? = nil, keyWidth: Int, valueWidth: Int,
      convolutionWidth: Int = 4, hasConvolutionBias: Bool = false, allowsNegativeEigenvalues: Bool = false,
      hasGate: Bool = true, gateActivation: Activation = .silu, normEpsilon: Float = 1e-5
    ) {
      self.width = width
      self.heads = heads
      self.valueHeads = valueHeads ?? heads
      self.keyWidth = keyWidth
      self.valueWidth = valueWidth
      self.convolutionWidth = convolutionWidth
      self.hasConvolutionBias = hasConvolutionBias
      self.allowsNegativeEigenvalues = allowsNegativeEigenvalues
      self.hasGate = hasGate
      self.gateActivation = gateActivation
      self.normEpsilon = normEpsilon
    }
    public func withHeads(_ heads: Int) throws -> Self {
      guard heads > 0, 3 * width / 4 >= heads else {
        throw ConfigurationError("\(heads) heads are too many for a width of \(width)")
      }
      var copy = self
      (copy.heads, copy.valueHeads) = (heads, heads)
      copy.keyWidth = 3 * width / 4 / heads
      copy.valueWidth = 2 * copy.keyWidth
      return copy
    }
    public func validate() throws {
      try ConfigurationError.requirePositive([
        "width": width, "heads": heads, "value_heads": valueHeads, "key_width": keyWidth,
        "value_width": valueWidth,
      ])
      try ConfigurationError.requireDivisible("value_heads", valueHeads, by: "heads", heads)
      guard convolutionWidth >= 0 else {
        throw ConfigurationError("convolution_width is \(convolutionWidth); 0 means none")
      }
    }
  }

  public typealias State = HeadState

  public static let description = MixerDescription(
    name: "gated-deltanet", title: "Gated DeltaNet", paper: "Yang et al. 2024, arXiv:2412.06464",
    recurrence: "S = α (I − β kᵀ k) S + β kᵀ v, y = q S, α per token and head",
    state: "H K V + H (2 K + V) (W − 1)", cost: "9 H K V", parallelForm: "chunkwise (WY)")

  public let configuration: Configuration
  var query, key, value: Operand
  var strengthWeight, decayWeight, logA, stepBias: Tensor
  var output: GatedOutput

  public static let fields: [Field<Self>] = [
    .matrix("q_proj.weight", \.query.weight),
    .matrix("k_proj.weight", \.key.weight),
    .matrix("v_proj.weight", \.value.weight),
    .init("a_proj.weight", \.decayWeight),
    .init("b_proj.weight", \.strengthWeight),
    .init("A_log", \.logA, .exempt),
    .init("dt_bias", \.stepBias, .exempt),
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
    let (D, H, VH) = (configuration.width, configuration.heads, configuration.valueHeads)
    let (K, V) = (configuration.keyWidth, configuration.valueWidth)
    func operand(_ channels: Int) -> Operand {
      Operand(
        channels, of: D, convolutionWidth: configuration.convolutionWidth,
        hasBias: configuration.hasConvolutionBias, using: &generator)
    }
    query = operand(H * K)
    key = operand(H * K)
    value = operand(VH * V)
    decayWeight = .weight(VH, D, using: &generator)
    strengthWeight = .weight(VH, D, using: &generator)
    logA = Tensor((0..<VH).map { _ in Float(naturalLogarithm(max(1e-3, 16 * generator.uniform()))) })
    stepBias = .softplusSteps(VH, low: 1e-3, high: 0.1, floor: 1e-4, using: &generator)
    output = GatedOutput(
      width: D, heads: VH, valueWidth: V, hasGate: configuration.hasGate, using: &generator)
  }

  public func initialState(batch: Int) -> State {
    let (H, VH) = (configuration.heads, configuration.valueHeads)
    let (K, V) = (configuration.keyWidth, configuration.valueWidth)
    return State(
      batch: batch, convolutionWidth: configuration.convolutionWidth, queries: H * K, keys: H * K,
      values: VH * V, memory: [batch, VH, K, V])
  }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let (B, T, H, VH) = (x.shape[0], x.shape[1], configuration.heads, configuration.valueHeads)
    let (K, V) = (configuration.keyWidth, configuration.valueWidth)
    func keys(_ x: Tensor) -> Tensor {
      repeatedHeads(unitRows(x.reshaped([B, T, H, K]), epsilon: 1e-6), each: VH / H)
    }
    let q = keys(query(x, .silu, bare: .silu, resets: resets, window: &state.queryWindow))
    let k = keys(key(x, .silu, bare: .silu, resets: resets, window: &state.keyWindow))
    let v = value(x, .silu, bare: .silu, resets: resets, window: &state.valueWindow).reshaped([B, T, VH, V])
    var strength = activate(linear(x, strengthWeight), .sigmoid)
    if configuration.allowsNegativeEigenvalues { strength = 2 * strength }
    let logDecay = logDecay(added(linear(x, decayWeight), stepBias), rate: logA)
    let removed = -1 * (activate(logDecay, .exp) * strength)
    let y = DeltaRule.run(
      q: 1 / Float(K).squareRoot() * q, k: k, v: scaledRows(v, by: strength), decay: .perToken(logDecay),
      removal: (a: k, b: scaledRows(k, by: removed)), form: form, resets: resets, state: &state.memory)
    return output(
      y, x, epsilon: configuration.normEpsilon, activation: configuration.gateActivation)
  }
}
