/// The recurrent block of Griffin around its real-gated linear recurrent unit (De et al. 2024, "Griffin:
/// Mixing Gated Linear Recurrences with Local Attention for Efficient Language Models", §2.3 and §2.4).
///
///     u = conv(W_x x + b);   r = σ(W_a u + b_a);   i = σ(W_i u + b_i);   log a_t = −c softplus(Λ) ⊙ r_t
///     h_t = a_t ⊙ h_{t−1} + √(1 − a_t²) ⊙ i_t ⊙ u_t;   out = W_o (h ⊙ gelu(W_y x + b_y)) + b_o
///
/// Our name · the paper: expandedWidth E, D_RNN · c = 8 (equation 3) · Λ with the sign of the authors' code
/// (the paper's a = σ(Λ) has the other) · the gates' weights are block-diagonal with `heads` blocks ·
/// convolutionWidth 4. The first token of a document enters whole, without the root, as in the authors' code;
/// so the state counts tokens. Parameter names are those of the transformers library (RecurrentGemma).

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

public struct RGLRU: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, expandedWidth = 0, heads = 0, convolutionWidth = 4
    public var gateActivation: Activation?
    public init() {}

    public static let settings: [Setting<Self>] = [
      .expandedWidth(\.expandedWidth) { max(16, (4 * $0.width / 3 + 15) / 16 * 16) },
      Setting(
        "heads", \.heads, "H: blocks of the gates' weights", .dividing("expanded_width", \.expandedWidth)
      ) {
        own in (1...max(1, min(16, own.expandedWidth / 16))).last { own.expandedWidth % $0 == 0 } ?? 1
      },
      Setting("convolution_width", \.convolutionWidth, "W: taps of the short convolution"),
      Setting("gate_activation", \.gateActivation, "what acts on the gate W_y x, if not gelu"),
    ]
    public static let feedForward = FeedForwardKind.gated(ratio: 3, activation: .gelu)
  }

  public struct State: RecurrentState {
    /// The last W − 1 inputs of the convolution, [B W−1 E].
    public var window: Tensor
    /// h, [B E].
    public var memory: Tensor
    /// How many tokens each row's document has seen.
    public var position: [Int]
    public static let tensors: [StateField<Self, Tensor>] = [
      .init("window", \.window), .init("memory", \.memory),
    ]
    public static let counters: [StateField<Self, [Int]>] = [.init("position", \.position)]
  }

  public static let description = MixerDescription(
    name: "rg-lru", title: "RG-LRU", paper: "De et al. 2024, arXiv:2402.19427",
    recurrence: "h = a h + √(1 − a²) i x, log a = −8 softplus(Λ) r", state: "E + E (W − 1)", cost: "3 E",
    parallelForm: "scan")

  public let configuration: Configuration
  var inputBias, gateBias, outputBias: Tensor
  var inputWeight, gateWeight, outputWeight: Weight
  var convolutionWeight, convolutionBias, decay: Tensor
  var inputGateWeight, inputGateBias, recurrenceGateWeight, recurrenceGateBias: Tensor
  /// c softplus(Λ), in a frozen copy.
  private var derivedRate: Tensor?

  public static let fields: [Field<Self>] = [
    .matrix("linear_x.weight", \.inputWeight),
    .init("linear_x.bias", \.inputBias, .exempt),
    .matrix("linear_y.weight", \.gateWeight),
    .init("linear_y.bias", \.gateBias, .exempt),
    .matrix("linear_out.weight", \.outputWeight, .residual),
    .init("linear_out.bias", \.outputBias, .exempt),
    .init("conv_1d.weight", \.convolutionWeight, .exempt),
    .init("conv_1d.bias", \.convolutionBias, .exempt),
    .init("rg_lru.recurrent_param", \.decay, .exempt),
    .init("rg_lru.input_gate_weight", \.inputGateWeight),
    .init("rg_lru.input_gate_bias", \.inputGateBias, .exempt),
    .init("rg_lru.recurrent_gate_weight", \.recurrenceGateWeight),
    .init("rg_lru.recurrent_gate_bias", \.recurrenceGateBias, .exempt),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.configuration = configuration
    let (D, E, H) = (configuration.width, configuration.expandedWidth, configuration.heads)
    let W = configuration.convolutionWidth, K = E / H
    func normal(_ shape: Shape, variance: Float, _ generator: inout some RandomNumberGenerator) -> Tensor {
      .normal(shape, deviation: variance.squareRoot(), using: &generator)
    }
    inputWeight = .normal([E, D], deviation: 1 / Float(D).squareRoot(), using: &generator)
    inputBias = Tensor(zeros: [E])
    gateWeight = .normal([E, D], deviation: 1 / Float(D).squareRoot(), using: &generator)
    gateBias = Tensor(zeros: [E])
    // The authors' variance is 2 / (layers E); the model divides what it adds to its residual stream by 2
    // layers.
    outputWeight = .normal([D, E], deviation: 2 / Float(E).squareRoot(), using: &generator)
    outputBias = Tensor(zeros: [D])
    convolutionWeight = normal([E, W], variance: 0.01 / Float(W), &generator)
    convolutionBias = Tensor(zeros: [E])
    // a² at r = 1/c uniform on [0.9², 0.999²]: softplus(Λ) = −log a (§2.4).
    decay = Tensor(
      (0..<E).map { _ in
        let squared = 0.81 + (0.999 * 0.999 - 0.81) * generator.uniform()
        return Float(naturalLogarithm(exponential(-0.5 * naturalLogarithm(squared)) - 1))
      })
    inputGateWeight = normal([H, K, K], variance: 0.01 / Float(K), &generator)
    inputGateBias = Tensor(zeros: [H, K])
    recurrenceGateWeight = normal([H, K, K], variance: 0.01 / Float(K), &generator)
    recurrenceGateBias = Tensor(zeros: [H, K])
  }

  public func initialState(batch: Int) -> State {
    let E = configuration.expandedWidth
    return State(
      window: Tensor(zeros: [batch, configuration.convolutionWidth - 1, E]),
      memory: Tensor(zeros: [batch, E]), position: Array(repeating: 0, count: batch))
  }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let positions = resets.positions(steps: x.shape[1], advancing: &state.position)
    let u = causalConvolution(
      linear(x, inputWeight, bias: inputBias), weight: convolutionWeight, bias: convolutionBias,
      resets: resets, window: &state.window)
    let gates = realGates(
      u, recurrenceGate: blockLinear(u, recurrenceGateWeight, bias: recurrenceGateBias),
      inputGate: blockLinear(u, inputGateWeight, bias: inputGateBias), rate: derivedRate ?? rate,
      isFirst: Tensor(positions.map { $0 == 0 ? 1 : 0 }))
    let h = Diagonal.run(
      decay: gates.decay, input: gates.input, .real, form: form, resets: resets, state: &state.memory)
    let gate = linear(x, gateWeight, bias: gateBias)
    return linear(
      gated(h, by: gate, configuration.gateActivation ?? .gelu), outputWeight, bias: outputBias)
  }

  private var rate: Tensor { 8 * activate(decay, .softplus) }

  public func frozen() -> RGLRU {
    var copy = self
    copy.derivedRate = rate.detached
    return copy
  }
}
