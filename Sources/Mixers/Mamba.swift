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
      Setting("convolution_width", \.convolutionWidth, "W: taps of the short convolution"),
      Setting("step_rank", \.stepRank, "R: the inner width of what makes Δ") { ($0.width + 15) / 16 },
      Setting("has_bias", \.hasBias, "whether the input and output projections have biases"),
      .hasConvolutionBias(\.hasConvolutionBias),
      Setting(
        "operand_norm_epsilon", \.operandNormEpsilon,
        "ε of a norm without parameters over δ, B and C each (Falcon Mamba), or none"),
    ]
    public static let feedForward = FeedForwardKind.none
  }

  public struct State: RecurrentState {
    /// The last W − 1 inputs of the convolution, [B W−1 E].
    public var window: Tensor
    /// h, [B E N].
    public var memory: Tensor
    public static let tensors: [StateField<Self, Tensor>] = [
      .init("window", \.window), .init("memory", \.memory),
    ]
  }

  public static let description = MixerDescription(
    name: "mamba", title: "Mamba", paper: "Gu and Dao 2023, arXiv:2312.00752",
    recurrence: "h = exp(Δ A) h + Δ x B, y = C h + D x", state: "E N + E (W − 1)", cost: "6 E N",
    parallelForm: "scan")

  public let configuration: Configuration
  var convolutionWeight, convolutionBias: Tensor
  var inputWeight, operandWeight: Weight
  var stepBias, logA, skip: Tensor
  var stepWeight, outputWeight: Weight
  /// Absent where there are none.
  var inputBias, outputBias: Tensor
  /// A = −exp(logA), in a frozen copy.
  private var decay: Tensor?

  public static let fields: [Field<Self>] = [
    .matrix("in_proj.weight", \.inputWeight),
    .init("in_proj.bias", \.inputBias, .exempt),
    .init("conv1d.weight", \.convolutionWeight, .exempt),
    .init("conv1d.bias", \.convolutionBias, .exempt),
    .matrix("x_proj.weight", \.operandWeight),
    .matrix("dt_proj.weight", \.stepWeight, .delicate),
    .init("dt_proj.bias", \.stepBias, .exempt),
    .init("A_log", \.logA, .exempt),
    .init("D", \.skip, .exempt),
    .matrix("out_proj.weight", \.outputWeight, .residual),
    .init("out_proj.bias", \.outputBias, .exempt),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.configuration = configuration
    let (D, E, N) = (configuration.width, configuration.expandedWidth, configuration.stateSize)
    let (W, R) = (configuration.convolutionWidth, configuration.stepRank)
    let bound = 1 / Float(W).squareRoot()
    inputWeight = .weight(2 * E, D, using: &generator)
    convolutionWeight = .uniform([E, W], in: -bound...bound, using: &generator)
    convolutionBias =
      configuration.hasConvolutionBias ? .uniform([E], in: -bound...bound, using: &generator) : .absent
    operandWeight = .weight(R + 2 * N, E, using: &generator)
    stepWeight = .weight(E, R, using: &generator)
    stepBias = .softplusSteps(E, low: 1e-3, high: 0.1, floor: 1e-4, using: &generator)
    // S4D-Real: A_n = −(n + 1), §3.6.
    logA = Tensor((0..<E * N).map { Float(naturalLogarithm(Double($0 % N + 1))) }, [E, N])
    skip = Tensor(ones: [E])
    outputWeight = .weight(D, E, using: &generator)
    inputBias = configuration.hasBias ? Tensor(zeros: [2 * E]) : .absent
    outputBias = configuration.hasBias ? Tensor(zeros: [D]) : .absent
  }

  public func initialState(batch: Int) -> State {
    let (E, N, W) = (configuration.expandedWidth, configuration.stateSize, configuration.convolutionWidth)
    return State(window: Tensor(zeros: [batch, W - 1, E]), memory: Tensor(zeros: [batch, E, N]))
  }

  public func run(_ u: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    if form == .step, u.shape[1] == 1, resets.isEmpty, configuration.operandNormEpsilon == nil, let decay,
      let step = stepWeight.matrix, let output = outputWeight.matrix
    {
      return fusedStep(u, decay: decay, step: step, output: output, state: &state)
    }
    let (E, N, R) = (configuration.expandedWidth, configuration.stateSize, configuration.stepRank)
    let projected = linear(u, inputWeight, bias: inputBias, sizes: [E, E])  // x, z: [B T E]
    let x = causalConvolution(
      projected[0], weight: convolutionWeight, bias: convolutionBias, activation: .silu, resets: resets,
      window: &state.window)
    var operands = linear(x, operandWeight, sizes: [R, N, N])  // δ [B T R], B and C [B T N]
    if let epsilon = configuration.operandNormEpsilon {
      operands = operands.map { rmsNorm($0, epsilon: epsilon) }
    }
    let delta = activate(linear(operands[0], stepWeight, bias: stepBias), .softplus)
    let y = SelectiveScan.run(
      u: x, delta: delta, A: decay ?? -1 * activate(logA, .exp), B: operands[1], C: operands[2], D: skip,
      form: form, resets: resets, state: &state.memory)
    return linear(gated(y, by: projected[1], .silu), outputWeight, bias: outputBias)
  }

  /// The same function of one token for a frozen copy, with as few jobs for the pool as there are products that need all
  /// of what comes before.
  private func fusedStep(
    _ u: Tensor, decay: Tensor, step: PackedMatrix, output: PackedMatrix, state: inout State
  ) -> Tensor {
    let (E, N, R) = (configuration.expandedWidth, configuration.stateSize, configuration.stepRank)
    let B = u.shape[0]
    let projected = linear(u, inputWeight, bias: inputBias, sizes: [E, E])
    let x = causalConvolution(
      projected[0], weight: convolutionWeight, bias: convolutionBias, activation: .silu, window: &state.window
    )
    let operands = linear(x, operandWeight, sizes: [R, N, N])
    let y = SelectiveScan.gatedStep(
      u: x.reshaped([B, E]), delta: operands[0].reshaped([B, R]), step: step, bias: stepBias, A: decay,
      B: operands[1].reshaped([B, N]), C: operands[2].reshaped([B, N]), D: skip,
      gate: projected[1].reshaped([B, E]), for: output.element, state: &state.memory)
    return linear(y, output, bias: outputBias, shape: [B, 1])
  }

  public func frozen() -> Mamba {
    var copy = self
    copy.decay = -1 * activate(logA.detached, .exp)
    return copy
  }
}
