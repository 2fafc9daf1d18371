/// Mamba-2 (Dao and Gu 2024, "Transformers are SSMs", §7 and Figure 6).
///
///     z, xBC, δ = W_in u;   x, B, C = silu(conv(xBC));   Δ = softplus(δ + b_Δ)
///     S_t = exp(Δ_t A) S_{t−1} + B_tᵀ (Δ_t x_t);   y_t = C_t S_t + D x_t;   out = W_out rms(y ⊙ silu(z))
///
/// Our name · the paper: key k = B, query q = C, value v = Δ x (the duality of §3) · heads H of width P · groups G of
/// heads that share B and C · stateSize N. Parameter names are those of the authors' checkpoints.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

public struct Mamba2: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, heads = 0, headWidth = 0, groups = 1, stateSize = 64, convolutionWidth = 4
    public var normEpsilon: Float = 1e-5
    public var hasBias = false, hasConvolutionBias = true, hasSkipPerChannel = false
    public var hasNorm = true, normBeforeGate = false
    public var leastStep: Float?, largestStep: Float?
    public init() {}

    public static let settings: [Setting<Self>] = [
      Setting(
        "heads", \.heads, "H: heads",
        chosen: Rule("divide twice the width") { value, own in 2 * own.width % value == 0 }
      ) { own in 2 * own.width / (own.headWidth > 0 ? own.headWidth : own.usualHeadWidth) },
      Setting("head_width", \.headWidth, "P: channels of a head") { 2 * $0.width / $0.heads },
      Setting("groups", \.groups, "G: heads that share B and C are heads / G", .dividing("heads", \.heads)),
      .stateSize(\.stateSize),
      Setting("convolution_width", \.convolutionWidth, "W: taps of the short convolution"),
      .normEpsilon(\.normEpsilon),
      Setting("has_bias", \.hasBias, "whether the input and output projections have biases"),
      .hasConvolutionBias(\.hasConvolutionBias),
      Setting(
        "has_skip_per_channel", \.hasSkipPerChannel, "whether D has a number for each channel, not each head"),
      Setting("has_norm", \.hasNorm, "whether the gated output is normalised"),
      Setting("norm_before_gate", \.normBeforeGate, "whether it is normalised in front of the gate"),
      Setting(
        "least_step", \.leastStep, "the least Δ, or none",
        Rule("be 0 or more, or none") { value, _ in value ?? 0 >= 0 }),
      Setting(
        "largest_step", \.largestStep, "the largest Δ, or none",
        Rule("be more than least_step, or none") { value, own in value ?? .infinity > own.leastStep ?? 0 }),
    ]
    public static let feedForward = FeedForwardKind.none
    /// E.
    public var expandedWidth: Int { heads * headWidth }
    /// Heads of 64, as published, or of 32 or less where twice the width does not divide.
    private var usualHeadWidth: Int {
      var headWidth = min(64, 2 * width)
      while 2 * width % headWidth != 0 { headWidth /= 2 }
      return headWidth
    }
  }

  public struct State: RecurrentState {
    /// The last W − 1 inputs of the convolution, [B W−1 E+2GN].
    public var window: Tensor
    /// S, [B H N P].
    public var memory: Tensor
    public static let tensors: [StateField<Self, Tensor>] = [
      .init("window", \.window), .init("memory", \.memory),
    ]
  }

  public static let description = MixerDescription(
    name: "mamba2", title: "Mamba-2", paper: "Dao and Gu 2024, arXiv:2405.21060",
    recurrence: "S = exp(Δ A) S + Bᵀ Δ x, y = C S + D x", state: "H N P + (E + 2 G N) (W − 1)",
    cost: "5 H N P",
    parallelForm: "masked product")

  public let configuration: Configuration
  var convolutionWeight, convolutionBias, stepBias: Tensor
  var inputWeight: Weight
  var logA, skip, normScale: Tensor
  var outputWeight: Weight
  /// Absent where there are none.
  var inputBias, outputBias: Tensor
  /// D for each channel, in a frozen copy.
  private var skipPerChannel: Tensor?

  public static let fields: [Field<Self>] = [
    .matrix("in_proj.weight", \.inputWeight),
    .init("in_proj.bias", \.inputBias, .exempt),
    .init("conv1d.weight", \.convolutionWeight, .exempt),
    .init("conv1d.bias", \.convolutionBias, .exempt),
    .init("dt_bias", \.stepBias, .exempt),
    .init("A_log", \.logA, .exempt),
    .init("D", \.skip, .exempt),
    .init("norm.weight", \.normScale, .exempt),
    .matrix("out_proj.weight", \.outputWeight, .residual),
    .init("out_proj.bias", \.outputBias, .exempt),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.configuration = configuration
    let (D, E, H) = (configuration.width, configuration.expandedWidth, configuration.heads)
    let (GN, W) = (configuration.groups * configuration.stateSize, configuration.convolutionWidth)
    let bound = 1 / Float(W).squareRoot()
    inputWeight = .weight(2 * E + 2 * GN + H, D, using: &generator)
    convolutionWeight = .uniform([E + 2 * GN, W], in: -bound...bound, using: &generator)
    convolutionBias =
      configuration.hasConvolutionBias
      ? .uniform([E + 2 * GN], in: -bound...bound, using: &generator) : .absent
    stepBias = .softplusSteps(H, low: 1e-3, high: 0.1, floor: 1e-4, using: &generator)
    logA = Tensor((0..<H).map { _ in Float(naturalLogarithm(1 + 15 * generator.uniform())) })
    skip = Tensor(ones: [configuration.hasSkipPerChannel ? E : H])
    normScale = configuration.hasNorm ? Tensor(ones: [E]) : .absent
    outputWeight = .weight(D, E, using: &generator)
    inputBias = configuration.hasBias ? Tensor(zeros: [2 * E + 2 * GN + H]) : .absent
    outputBias = configuration.hasBias ? Tensor(zeros: [D]) : .absent
  }

  public func initialState(batch: Int) -> State {
    let (H, N, P) = (configuration.heads, configuration.stateSize, configuration.headWidth)
    let channels = configuration.expandedWidth + 2 * configuration.groups * N
    return State(
      window: Tensor(zeros: [batch, configuration.convolutionWidth - 1, channels]),
      memory: Tensor(zeros: [batch, H, N, P]))
  }

  public func run(_ u: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let (H, P, G, N) = (
      configuration.heads, configuration.headWidth, configuration.groups, configuration.stateSize
    )
    let (B, T, E) = (u.shape[0], u.shape[1], configuration.expandedWidth)
    let projected = linear(u, inputWeight, bias: inputBias, sizes: [E, E + 2 * G * N, H])  // z, xBC, δ
    let mixed = causalConvolution(
      projected[1], weight: convolutionWeight, bias: convolutionBias, activation: .silu, resets: resets,
      window: &state.window)
    let operands = split(mixed, sizes: [E, G * N, G * N])
    var step = added(projected[2], stepBias)  // before softplus, as its limits are: [B T H]
    if let least = configuration.leastStep { step = maximum(step, Float(inverseSoftplus(Double(least)))) }
    if let largest = configuration.largestStep {
      step = -1 * maximum(-1 * step, -Float(inverseSoftplus(Double(largest))))
    }
    let x = operands[0].reshaped([B, T, H, P])
    let y = MatrixMemory.run(
      q: operands[2].reshaped([B, T, G, N]), k: operands[1].reshaped([B, T, G, N]),
      v: scaledRows(x, by: activate(step, .softplus)), decay: .perToken(logDecay(step, rate: logA)),
      form: form, resets: resets, state: &state.memory)
    let skipped = RunnelTensors.skip(y.reshaped([B, T, E]), operands[0], by: skipPerChannel ?? makeSkip())
    let output =
      configuration.hasNorm
      ? gatedRMSNorm(
        skipped, gate: projected[0], scale: normScale, epsilon: configuration.normEpsilon,
        groups: G, normBeforeGate: configuration.normBeforeGate)
      : gated(skipped, by: projected[0], .silu)
    return linear(output, outputWeight, bias: outputBias)
  }

  private func makeSkip() -> Tensor {
    configuration.hasSkipPerChannel ? skip : repeated(skip, each: configuration.headWidth)
  }

  public func frozen() -> Mamba2 {
    var copy = self
    copy.skipPerChannel = makeSkip().detached
    return copy
  }
}
