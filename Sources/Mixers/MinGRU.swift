/// minGRU (Feng et al. 2024, "Were RNNs All We Needed?", §3.1).
///
///     z_t = σ(W_z x_t);   h_t = (1 − z_t) ⊙ h_{t−1} + z_t ⊙ g(W_h x_t);   out = W_o h
///
/// g(x) is x + ½ for x ≥ 0, else σ(x): positive and continuous, as the paper's scan in log-space needs it
/// (Appendix B). The state is positive, so the sums here cannot cancel, and logarithms are not needed. A
/// document starts from h = 0.
///
/// Our name · the paper: expandedWidth E, the expansion of the hidden state · convolutionWidth, the short
/// causal convolution that the authors put before the recurrence in their language model. The paper's MLP has
/// four times the width; the gated one behind this mixer has as many parameters. Parameter names are those of
/// the best-known implementation (minGRU-pytorch), where W_h and W_z stand in one matrix, in this order.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

public struct MinGRU: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, expandedWidth = 0, convolutionWidth = 4
    public init() {}

    public static let settings: [Setting<Self>] = [
      .expandedWidth(\.expandedWidth) { 2 * $0.width },
      Setting(
        "convolution_width", \.convolutionWidth, "W: taps of the short convolution; with 1 there is none"),
    ]
    public static let feedForward = FeedForwardKind.gated(ratio: 8.0 / 3, activation: .gelu)
  }

  public struct State: RecurrentState {
    /// The last W − 1 inputs of the convolution, [B W−1 D].
    public var window: Tensor
    /// h, [B E].
    public var memory: Tensor
    public static let tensors: [StateField<Self, Tensor>] = [
      .init("window", \.window), .init("memory", \.memory),
    ]
  }

  public static let description = MixerDescription(
    name: "mingru", title: "minGRU", paper: "Feng et al. 2024, arXiv:2410.01201",
    recurrence: "h = (1 − z) h + z g(x)", state: "E + D (W − 1)", cost: "3 E",
    parallelForm: "scan")

  public let configuration: Configuration
  /// The convolution is absent where it has one tap.
  var convolutionWeight, convolutionBias: Tensor
  var inputWeight, outputWeight: Weight

  public static let fields: [Field<Self>] = [
    .init("conv1d.weight", \.convolutionWeight, .exempt),
    .init("conv1d.bias", \.convolutionBias, .exempt),
    .matrix("to_hidden_and_gate.weight", \.inputWeight),
    .matrix("to_out.weight", \.outputWeight, .residual),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.configuration = configuration
    let (D, E, W) = (configuration.width, configuration.expandedWidth, configuration.convolutionWidth)
    let bound = 1 / Float(W).squareRoot()
    convolutionWeight = W > 1 ? .uniform([D, W], in: -bound...bound, using: &generator) : .absent
    convolutionBias = W > 1 ? .uniform([D], in: -bound...bound, using: &generator) : .absent
    inputWeight = .weight(2 * E, D, using: &generator)
    outputWeight = .weight(D, E, using: &generator)
  }

  public func initialState(batch: Int) -> State {
    State(
      window: Tensor(zeros: [batch, configuration.convolutionWidth - 1, configuration.width]),
      memory: Tensor(zeros: [batch, configuration.expandedWidth]))
  }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let E = configuration.expandedWidth
    let mixed =
      convolutionWeight.isEmpty
      ? x
      : causalConvolution(
        x, weight: convolutionWeight, bias: convolutionBias, resets: resets, window: &state.window)
    let projected = linear(mixed, inputWeight, sizes: [E, E])
    let gates = minimalGates(gate: projected[1], candidate: projected[0])
    let h = Diagonal.run(
      decay: gates.decay, input: gates.input, .real, form: form, resets: resets, state: &state.memory)
    return linear(h, outputWeight)
  }
}
