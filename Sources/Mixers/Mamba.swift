/// Mamba (Gu and Dao 2023, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces").
///
///     x, z = W_in u;   x = silu(conv(x));   δ, B, C = W_x x;   Δ = softplus(W_Δ δ + b_Δ)
///     h_t = exp(Δ_t A) h_{t−1} + Δ_t x_t B_t;   y_t = C_t h_t + D x_t;   out = W_out (y ⊙ silu(z))
///
/// Our name · the paper: width D · expandedWidth E = 2D · stateSize N · stepRank R, the rank of Δ's projection (§3.6) ·
/// convolutionWidth, the short causal convolution (Figure 3). B's discretisation is Δ B, the authors' simplification of
/// zero-order hold. Parameter names are those of the authors' checkpoints.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

/// A diagonal state space whose step, input and output depend on the token.
public struct Mamba: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, expandedWidth = 0, stateSize = 16, convolutionWidth = 4, stepRank = 0
    public var hasBias = false, hasConvolutionBias = true
    public var operandNormEpsilon: Float?
    public init() {}

    public static let settings: [Setting<Self>] = [
      .expandedWidth(\.expandedWidth) { 2 * $0.width },
      .stateSize(\.stateSize),
      .taps(\.convolutionWidth),
      Setting("step_rank", \.stepRank, "R: the inner width of what makes Δ") { ($0.width + 15) / 16 },
      .hasBias(\.hasBias),
      .hasConvolutionBias(\.hasConvolutionBias),
      Setting(
        "operand_norm_epsilon", \.operandNormEpsilon,
        "ε of a norm without parameters over δ, B and C each (Falcon Mamba), or none"),
    ]
    public static let feedForward = FeedForwardKind.none
  }

  public static let description = MixerDescription(
    name: "mamba", title: "Mamba", paper: "Gu and Dao 2023, arXiv:2312.00752",
    recurrence: "h = exp(Δ A) h + Δ x B, y = C h + D x", state: "E N + E (W − 1)", cost: "6 E N",
    parallelForm: "associative scan")

  public let configuration: Configuration
  let inputWeight, operandWeight, stepWeight, outputWeight: Weight
  let convolution: ShortConvolution
  let stepBias, logA, skip: Tensor
  /// Absent where there are none.
  let inputBias, outputBias: Tensor

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, E, N) = (configuration.width, configuration.expandedWidth, configuration.stateSize)
    let R = configuration.stepRank
    inputWeight = p.matrix("in_proj.weight", [2 * E, D])
    inputBias = p.tensor("in_proj.bias", [2 * E], if: configuration.hasBias)
    convolution = ShortConvolution(
      "conv1d", E, width: configuration.convolutionWidth, hasBias: configuration.hasConvolutionBias, from: p)
    operandWeight = p.matrix("x_proj.weight", [R + 2 * N, E])
    stepWeight = p.matrix("dt_proj.weight", [E, R], .delicate)
    stepBias = p.tensor("dt_proj.bias", [E], .exempt, .softplusSteps(low: 1e-3, high: 0.1, floor: 1e-4))
    // S4D-Real: A_n = −(n + 1), §3.6.
    logA = p.tensor(
      "A_log", [E, N], .exempt,
      .channels { naturalLogarithm($0.truncatingRemainder(dividingBy: Double(N)) + 1) })
    skip = p.tensor("D", [E], .exempt, .ones)
    outputWeight = p.matrix("out_proj.weight", [D, E], .residual)
    outputBias = p.tensor("out_proj.bias", [D], if: configuration.hasBias)
  }

  /// The window of the convolution, and h.
  public var memory: [StateTensor] {
    convolution.memory + [StateTensor("memory", [configuration.expandedWidth, configuration.stateSize])]
  }

  /// A.
  public var constants: Tensor { evaluate(-exp(of(logA))) }

  public func run(_ u: Tensor, _ A: Tensor, form: Form, resets: Resets, state: inout RecurrentState) -> Tensor
  {
    let (E, N, R) = (configuration.expandedWidth, configuration.stateSize, configuration.stepRank)
    let projected = linear(u, inputWeight, bias: inputBias, sizes: [E, E])  // x, z: [B T E]
    let x = convolution(projected[0], .silu, resets: resets, state: &state)
    var operands = linear(x, operandWeight, sizes: [R, N, N])  // δ [B T R], B and C [B T N]
    if let epsilon = configuration.operandNormEpsilon {
      operands = operands.map { rmsNorm($0, epsilon: epsilon) }
    }
    let delta = activate(linear(operands[0], stepWeight, bias: stepBias), .softplus)
    let y = SelectiveScan.run(
      u: x, delta: delta, A: A, B: operands[1], C: operands[2], D: skip, form: form, resets: resets,
      state: &state["memory"])
    return linear(gated(y, by: projected[1], .silu), outputWeight, bias: outputBias)
  }

  /// With as few jobs for the pool as there are products that need all of what comes before.
  public func fusedStep(_ u: Tensor, _ A: Tensor, state: inout RecurrentState) -> Tensor? {
    guard configuration.operandNormEpsilon == nil, let step = stepWeight.matrix,
      let output = outputWeight.matrix
    else { return nil }
    let (E, N, R) = (configuration.expandedWidth, configuration.stateSize, configuration.stepRank)
    let batch = u.shape[0]
    let projected = linear(u, inputWeight, bias: inputBias, sizes: [E, E])
    let x = convolution(projected[0], .silu, resets: .none, state: &state)
    let operands = linear(x, operandWeight, sizes: [R, N, N])
    let y = SelectiveScan.gatedStep(
      u: x.reshaped([batch, E]), delta: operands[0].reshaped([batch, R]), step: step, bias: stepBias, A: A,
      B: operands[1].reshaped([batch, N]), C: operands[2].reshaped([batch, N]), D: skip,
      gate: projected[1].reshaped([batch, E]), for: output.element, state: &state["memory"])
    return linear(y, output, bias: outputBias, shape: [batch, 1])
  }
}
