/// Retention (Sun et al. 2023, "Retentive Network", §2).
///
///     S_t = γ_h S_{t−1} + k_tᵀ v_t;   y_t = q_t S_t;   out = W_o (swish(W_g x) ⊙ groupnorm(y))
///
/// q and k are rotated by their position (the paper's e^{inθ}, equation 5), k is scaled by 1/√K, and
/// γ_h = 1 − 2^(−5−h) (equation 8). The paper also divides the products by norms of the decay matrix; the group norm that
/// follows does not see such factors, so they are left out, as in the authors' recurrent form. That norm has no
/// parameters in the paper; short convolutions, shared keys and values and a scale of the norm are
/// flash-linear-attention's, whose parameter names these are.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

public struct RetNet: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, heads = 0, keyValueHeads = 0, keyWidth = 0, valueWidth = 0, convolutionWidth = 0
    public var isInterleaved = true, hasGate = true, hasNormScale = false
    public var featureMap = Activation.identity, gateActivation = Activation.silu
    public var normEpsilon: Float = 1e-5
    public init() {}

    public static let settings: [Setting<Self>] = [
      .heads(\.heads),
      .keyValueHeads(\.keyValueHeads) { $0.heads },
      .keyWidth(\.keyWidth, .pairs) { $0.width / $0.heads },
      .valueWidth(\.valueWidth) { 2 * $0.width / $0.heads },
      Setting(
        "is_interleaved", \.isInterleaved,
        "whether a rotated pair is (2i, 2i + 1), as in the paper, or (i, i + K/2)"),
      .featureMap(\.featureMap),
      .convolutionWidth(\.convolutionWidth), .hasGate(\.hasGate), .gateActivation(\.gateActivation),
      .hasNormScale(\.hasNormScale), .normEpsilon(\.normEpsilon),
    ]
    public static let feedForward = FeedForwardKind.gated(ratio: 4.0 / 3)
  }

  public static let description = MixerDescription(
    name: "retnet", title: "RetNet", paper: "Sun et al. 2023, arXiv:2307.08621",
    recurrence: "S = γ S + kᵀ v, y = q S, γ per head", state: "H K V", cost: "5 H K V",
    parallelForm: "masked product")

  public let configuration: Configuration
  let operands: Operands
  let output: GatedOutput

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, H, G) = (configuration.width, configuration.heads, configuration.keyValueHeads)
    let (K, V) = (configuration.keyWidth, configuration.valueWidth)
    operands = Operands(
      queries: H * K, keys: G * K, values: G * V, of: D, convolutionWidth: configuration.convolutionWidth,
      from: p)
    output = GatedOutput(
      width: D, heads: H, valueWidth: V, hasGate: configuration.hasGate, norm: "g_norm",
      hasScale: configuration.hasNormScale, from: p)
  }

  public static let countsTokens = true
  public var memory: [StateTensor] {
    operands.memory([configuration.heads, configuration.keyWidth, configuration.valueWidth])
  }

  /// log γ_h, [H].
  public var constants: Tensor {
    Tensor((0..<configuration.heads).map { Float(naturalLogarithm(1 - power(2, -5 - Double($0)))) })
  }

  public func run(
    _ x: Tensor, _ logDecay: Tensor, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    let (B, T, K, V) = (x.shape[0], x.shape[1], configuration.keyWidth, configuration.valueWidth)
    let (H, G) = (configuration.heads, configuration.keyValueHeads)
    let positions = resets.positions(steps: T, advancing: &state.position)
    let q = operands.query(x, .silu, resets: resets, state: &state)
    let k = operands.key(x, .silu, resets: resets, state: &state)
    let v = operands.value(x, .silu, resets: resets, state: &state)
    func rotated(_ x: Tensor, _ heads: Int) -> Tensor {
      let features = activate(x, configuration.featureMap)
      return repeatedHeads(
        rotary(
          features.reshaped([B, T, heads, K]), positions: positions, base: 10_000,
          interleaved: configuration.isInterleaved), each: H / heads)
    }
    let y = OuterProduct.run(
      q: rotated(q, H), k: 1 / Float(K).squareRoot() * rotated(k, G),
      v: repeatedHeads(v.reshaped([B, T, G, V]), each: H / G), decay: .perHead(logDecay), form: form,
      resets: resets, state: &state["memory"])
    return output(
      y, x, epsilon: configuration.normEpsilon, activation: configuration.gateActivation)
  }
}
