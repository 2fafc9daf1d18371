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

/// Griffin's recurrence: a diagonal one with a gated decay per token and channel.
public struct RGLRU: SequenceMixer {
  public struct Configuration: MixerConfiguration {
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
      .taps(\.convolutionWidth),
      Setting("gate_activation", \.gateActivation, "what acts on the gate W_y x, if not gelu"),
    ]
    public static let feedForward = FeedForwardKind.gated(ratio: 3, activation: .gelu)
  }

  public static let description = MixerDescription(
    name: "rg-lru", title: "RG-LRU", paper: "De et al. 2024, arXiv:2402.19427",
    recurrence: "h = a h + √(1 − a²) i x, log a = −8 softplus(Λ) r", state: "E + E (W − 1)", cost: "3 E",
    parallelForm: "associative scan")

  public let configuration: Configuration
  let inputWeight, gateWeight, outputWeight: Weight
  let inputBias, gateBias, outputBias: Tensor
  let convolution: ShortConvolution
  let decay, inputGateWeight, inputGateBias, recurrenceGateWeight, recurrenceGateBias: Tensor

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, E, H) = (configuration.width, configuration.expandedWidth, configuration.heads)
    let W = configuration.convolutionWidth, K = E / H
    inputWeight = p.matrix("linear_x.weight", [E, D], .weight, .normal(1 / Float(D).squareRoot()))
    inputBias = p.tensor("linear_x.bias", [E])
    gateWeight = p.matrix("linear_y.weight", [E, D], .weight, .normal(1 / Float(D).squareRoot()))
    gateBias = p.tensor("linear_y.bias", [E])
    // The authors' variance is 2 / (layers E); the model divides what it adds to its residual stream by 2
    // layers.
    outputWeight = p.matrix("linear_out.weight", [D, E], .residual, .normal(2 / Float(E).squareRoot()))
    outputBias = p.tensor("linear_out.bias", [D])
    convolution = ShortConvolution(
      "conv_1d", E, width: W, hasBias: true, weight: .normal((0.01 / Float(W)).squareRoot()), bias: .zeros,
      from: p)
    // a² at r = 1/c uniform on [0.9², 0.999²]: softplus(Λ) = −log a (§2.4).
    decay = p.tensor(
      "rg_lru.recurrent_param", [E], .exempt,
      .drawn {
        let squared = 0.81 + (0.999 * 0.999 - 0.81) * $0.uniform()
        return naturalLogarithm(exponential(-0.5 * naturalLogarithm(squared)) - 1)
      })
    let block = Beginning.normal((0.01 / Float(K)).squareRoot())
    inputGateWeight = p.tensor("rg_lru.input_gate_weight", [H, K, K], .weight, block)
    inputGateBias = p.tensor("rg_lru.input_gate_bias", [H, K])
    recurrenceGateWeight = p.tensor("rg_lru.recurrent_gate_weight", [H, K, K], .weight, block)
    recurrenceGateBias = p.tensor("rg_lru.recurrent_gate_bias", [H, K])
  }

  public static let countsTokens = true
  /// The window of the convolution, and h.
  public var memory: [StateTensor] {
    convolution.memory + [StateTensor("memory", [configuration.expandedWidth])]
  }

  /// a and what enters h, [B T E], of u, r and i before their sigmoids, the rate c softplus(Λ), [E], and one for the first token
  /// of a document, else zero, [B T 1].
  ///
  /// 1 − a² as −expm1(2 log a) keeps its accuracy for decays near one. Where it vanishes the slope of the root is unbounded; as
  /// in the authors' code it is held at 1000.
  package static let gates = Equation { u, r, i, rate, first in
    let logDecay = -rate * sigmoid(r)
    let share = first + (1 - first) * sqrt(-expm1(2 * logDecay), steepest: 1000)
    return (exp(logDecay), share * sigmoid(i) * u)
  }

  /// c softplus(Λ).
  public var constants: Tensor { evaluate(8 * softplus(of(decay))) }

  public func run(
    _ x: Tensor, _ rate: Tensor, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    let positions = resets.positions(steps: x.shape[1], advancing: &state.position)
    let u = convolution(linear(x, inputWeight, bias: inputBias), resets: resets, state: &state)
    let first = Tensor(positions.map { $0 == 0 ? 1 : 0 }, [x.shape[0], x.shape[1], 1])
    let (decay, input) = Self.gates(
      u, blockLinear(u, recurrenceGateWeight, bias: recurrenceGateBias),
      blockLinear(u, inputGateWeight, bias: inputGateBias), rate, first)
    let h = Diagonal.run(
      decay: decay, input: input, .real, form: form, resets: resets, state: &state["memory"])
    let gate = linear(x, gateWeight, bias: gateBias)
    return linear(
      gated(h, by: gate, configuration.gateActivation ?? .gelu), outputWeight, bias: outputBias)
  }
}
