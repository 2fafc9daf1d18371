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

import RunnelRecurrences
import RunnelTensors

/// A gated recurrence whose gates and candidates depend on the input alone.
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

  public static let description = MixerDescription(
    name: "mingru", title: "minGRU", paper: "Feng et al. 2024, arXiv:2410.01201",
    recurrence: "h = (1 − z) h + z g(x)", state: "E + D (W − 1)", cost: "3 E",
    parallelForm: "associative scan")

  public let configuration: Configuration
  /// Absent where it has one tap.
  let convolution: ShortConvolution
  let inputWeight, outputWeight: Weight

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, E, W) = (configuration.width, configuration.expandedWidth, configuration.convolutionWidth)
    convolution = ShortConvolution("conv1d", D, width: W, least: 2, hasBias: true, from: p)
    inputWeight = p.matrix("to_hidden_and_gate.weight", [2 * E, D])
    outputWeight = p.matrix("to_out.weight", [D, E], .residual)
  }

  /// The window of the convolution, and h.
  public var memory: [StateTensor] {
    convolution.memory + [StateTensor("memory", [configuration.expandedWidth])]
  }

  /// 1 − z, not as a difference, which would lose the small ones; and z ⊙ g(x). All [B T E].
  package static let gates = Equation { z, x in
    (sigmoid(-z), sigmoid(z) * maximum(x + 0.5, sigmoid(x)))
  }

  public func run(_ x: Tensor, _: Void, form: Form, resets: Resets, state: inout RecurrentState) -> Tensor {
    let E = configuration.expandedWidth
    let projected = linear(convolution(x, resets: resets, state: &state), inputWeight, sizes: [E, E])
    let (decay, input) = Self.gates(projected[1], projected[0])
    let h = Diagonal.run(
      decay: decay, input: input, .real, form: form, resets: resets, state: &state["memory"])
    return linear(h, outputWeight)
  }
}
