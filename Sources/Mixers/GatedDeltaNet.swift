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

/// The delta rule with a decay per token and head.
public struct GatedDeltaNet: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, heads = 0, valueHeads = 0, keyWidth = 0, valueWidth = 0, convolutionWidth = 4
    public var hasConvolutionBias = false, allowsNegativeEigenvalues = false, hasGate = true
    public var gateActivation = Activation.silu
    public var normEpsilon: Float = 1e-5
    public init() {}

    public static let settings: [Setting<Self>] = [
      Setting(
        "heads", \.heads, "heads of queries and keys",
        chosen: Rule("be at most three quarters of the width") { value, own in value <= 3 * own.width / 4 }
      ) { max(1, max(min(2, $0.width / 16), 3 * $0.width / 4 / 64)) },
      Setting("value_heads", \.valueHeads, "heads of values", .multiple(of: "heads", \.heads)) { $0.heads },
      .keyWidth(\.keyWidth) {
        max(1, 3 * $0.width / 4 / $0.heads)
      },
      .valueWidth(\.valueWidth) { 2 * $0.keyWidth },
      .convolutionWidth(\.convolutionWidth), .hasConvolutionBias(\.hasConvolutionBias),
      .allowsNegativeEigenvalues(\.allowsNegativeEigenvalues), .hasGate(\.hasGate),
      .gateActivation(\.gateActivation), .normEpsilon(\.normEpsilon),
    ]
    public static let feedForward = FeedForwardKind.gated(ratio: 8.0 / 3)
  }

  public static let description = MixerDescription(
    name: "gated-deltanet", title: "Gated DeltaNet", paper: "Yang et al. 2024, arXiv:2412.06464",
    recurrence: "S = α (I − β kᵀ k) S + β kᵀ v, y = q S, α per token and head",
    state: "H K V + H (2 K + V) (W − 1)", cost: "9 H K V", parallelForm: "chunkwise (WY)")

  public let configuration: Configuration
  let operands: Operands
  let decayWeight, strengthWeight, logA, stepBias: Tensor
  let output: GatedOutput
  /// log α, β and −α β, [B T H], of a decay before its bias, the bias, log A and β before its sigmoid.
  let gates: Equation<(Tensor, Tensor, Tensor)>

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, H, VH) = (configuration.width, configuration.heads, configuration.valueHeads)
    let (K, V) = (configuration.keyWidth, configuration.valueWidth)
    operands = Operands(
      queries: H * K, keys: H * K, values: VH * V, of: D, convolutionWidth: configuration.convolutionWidth,
      hasBias: configuration.hasConvolutionBias, from: p)
    decayWeight = p.tensor("a_proj.weight", [VH, D], .weight, .usual)
    strengthWeight = p.tensor("b_proj.weight", [VH, D], .weight, .usual)
    logA = p.tensor("A_log", [VH], .exempt, .drawn { naturalLogarithm(max(1e-3, 16 * $0.uniform())) })
    stepBias = p.tensor("dt_bias", [VH], .exempt, .softplusSteps(low: 1e-3, high: 0.1, floor: 1e-4))
    let strongest: Float = configuration.allowsNegativeEigenvalues ? 2 : 1
    gates = Equation { step, bias, logA, strength in
      let logDecay = headLogDecay(step + bias, rate: logA)
      let strength = strongest * sigmoid(strength)
      return (logDecay, strength, -exp(logDecay) * strength)
    }
    output = GatedOutput(width: D, heads: VH, valueWidth: V, hasGate: configuration.hasGate, from: p)
  }

  public var memory: [StateTensor] {
    operands.memory([configuration.valueHeads, configuration.keyWidth, configuration.valueWidth])
  }

  public func run(_ x: Tensor, _: Void, form: Form, resets: Resets, state: inout RecurrentState) -> Tensor {
    let (B, T, H, VH) = (x.shape[0], x.shape[1], configuration.heads, configuration.valueHeads)
    let (K, V) = (configuration.keyWidth, configuration.valueWidth)
    func keys(_ x: Tensor) -> Tensor {
      repeatedHeads(unitRows(x.reshaped([B, T, H, K]), epsilon: 1e-6), each: VH / H)
    }
    let q = keys(operands.query(x, .silu, bare: .silu, resets: resets, state: &state))
    let k = keys(operands.key(x, .silu, bare: .silu, resets: resets, state: &state))
    let v = operands.value(x, .silu, bare: .silu, resets: resets, state: &state).reshaped([B, T, VH, V])
    let (logDecay, strength, removed) = gates(
      linear(x, decayWeight), stepBias, logA, linear(x, strengthWeight))
    let y = MatrixMemory.run(
      q: 1 / Float(K).squareRoot() * q, k: k, v: scaledRows(v, by: strength), decay: .perToken(logDecay),
      removal: (a: k, b: scaledRows(k, by: removed)), form: form, resets: resets, state: &state["memory"])
    return output(
      y, x, epsilon: configuration.normEpsilon, activation: configuration.gateActivation)
  }
}
