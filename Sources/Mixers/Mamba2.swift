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

/// A matrix memory with one decay per token and head, and keys shared by groups of heads.
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
      .taps(\.convolutionWidth),
      .normEpsilon(\.normEpsilon),
      .hasBias(\.hasBias),
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

  public static let description = MixerDescription(
    name: "mamba2", title: "Mamba-2", paper: "Dao and Gu 2024, arXiv:2405.21060",
    recurrence: "S = exp(Δ A) S + Bᵀ Δ x, y = C S + D x", state: "H N P + (E + 2 G N) (W − 1)",
    cost: "5 H N P",
    parallelForm: "masked product")

  public let configuration: Configuration
  let inputWeight, outputWeight: Weight
  let convolution: ShortConvolution
  let stepBias, logA, skip, normScale: Tensor
  /// Absent where there are none.
  let inputBias, outputBias: Tensor
  /// Δ and log a, [B T H], of δ, its bias and log A.
  let steps: Equation<(Tensor, Tensor)>

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, E, H) = (configuration.width, configuration.expandedWidth, configuration.heads)
    let channels = E + 2 * configuration.groups * configuration.stateSize
    inputWeight = p.matrix("in_proj.weight", [E + channels + H, D])
    inputBias = p.tensor("in_proj.bias", [E + channels + H], if: configuration.hasBias)
    convolution = ShortConvolution(
      "conv1d", channels, width: configuration.convolutionWidth, hasBias: configuration.hasConvolutionBias,
      from: p)
    stepBias = p.tensor("dt_bias", [H], .exempt, .softplusSteps(low: 1e-3, high: 0.1, floor: 1e-4))
    logA = p.tensor("A_log", [H], .exempt, .drawn { naturalLogarithm(1 + 15 * $0.uniform()) })
    skip = p.tensor("D", [configuration.hasSkipPerChannel ? E : H], .exempt, .ones)
    normScale = p.tensor("norm.weight", [E], .exempt, .ones, if: configuration.hasNorm)
    outputWeight = p.matrix("out_proj.weight", [D, E], .residual)
    outputBias = p.tensor("out_proj.bias", [D], if: configuration.hasBias)
    // Limits of Δ, before softplus.
    let least = configuration.leastStep.map { Float(inverseSoftplus(Double($0))) }
    let largest = configuration.largestStep.map { Float(inverseSoftplus(Double($0))) }
    steps = Equation { delta, bias, logA in
      var step = delta + bias
      if let least { step = maximum(step, least) }
      if let largest { step = minimum(step, largest) }
      return (softplus(step), headLogDecay(step, rate: logA))
    }
  }

  /// The window of the convolution, and S.
  public var memory: [StateTensor] {
    let (H, N, P) = (configuration.heads, configuration.stateSize, configuration.headWidth)
    return convolution.memory + [StateTensor("memory", [H, N, P])]
  }

  /// D for each channel.
  public var constants: Tensor {
    configuration.hasSkipPerChannel ? skip : repeated(skip, each: configuration.headWidth)
  }

  public func run(
    _ u: Tensor, _ skip: Tensor, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    let (H, P) = (configuration.heads, configuration.headWidth)
    let (G, N) = (configuration.groups, configuration.stateSize)
    let (B, T, E) = (u.shape[0], u.shape[1], configuration.expandedWidth)
    let projected = linear(u, inputWeight, bias: inputBias, sizes: [E, E + 2 * G * N, H])  // z, xBC, δ
    let mixed = convolution(projected[1], .silu, resets: resets, state: &state)
    let operands = split(mixed, sizes: [E, G * N, G * N])
    let (step, logDecay) = steps(projected[2], stepBias, logA)
    let x = operands[0].reshaped([B, T, H, P])
    let y = MatrixMemory.run(
      q: operands[2].reshaped([B, T, G, N]), k: operands[1].reshaped([B, T, G, N]),
      v: scaledRows(x, by: step), decay: .perToken(logDecay),
      form: form, resets: resets, state: &state["memory"])
    let skipped = RunnelTensors.skip(y.reshaped([B, T, E]), operands[0], by: skip)
    let output =
      configuration.hasNorm
      ? gatedRMSNorm(
        skipped, gate: projected[0], scale: normScale, epsilon: configuration.normEpsilon,
        groups: G, normBeforeGate: configuration.normBeforeGate)
      : gated(skipped, by: projected[0], .silu)
    return linear(output, outputWeight, bias: outputBias)
  }
}
