/// HGRN2 (Qin et al. 2024, "HGRN2: Gated Linear RNNs with State Expansion").
///
///     S_t = diag(g_t) S_{t−1} + (1 − g_t)ᵀ i_t;   y_t = swish(W_q x_t) S_t;   out = W_o rms(y)
///     g_t = β + (1 − β) σ(W_f x_t)
///
/// Our name · the paper (§3): the keys are what the forget gate g leaves over · heads of K = the expansion ratio · β, a
/// lower bound of the gate that rises from layer to layer, zero in the first (Qin et al. 2023, HGRN, §3.2). There β
/// is a cumulative softmax over the layers of one table; here every layer keeps its own row as a logit, which starts
/// from the same values. Parameter names are those of flash-linear-attention.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

/// Linear attention whose keys are one minus its decays, with bounds that rise from layer to layer.
public struct HGRN2: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, heads = 0, keyWidth = 0, convolutionWidth = 0
    public var hasLowerBound = true, hasNormScale = true
    public var normEpsilon: Float = 1e-5
    public init() {}

    public static let settings: [Setting<Self>] = [
      Setting("heads", \.heads, "H: heads", .dividing("width", \.width)) { $0.usualHeads },
      Setting("key_width", \.keyWidth, "K: the expansion ratio, features of a query and a key") {
        $0.width / $0.heads
      },
      Setting(
        "has_lower_bound", \.hasLowerBound, "whether the decays of layers behind the first have a lower bound"
      ),
      .convolutionWidth(\.convolutionWidth), .hasNormScale(\.hasNormScale), .normEpsilon(\.normEpsilon),
    ]
    public static let feedForward = FeedForwardKind.gated(ratio: 8.0 / 3)
  }

  public static let description = MixerDescription(
    name: "hgrn2", title: "HGRN2", paper: "Qin et al. 2024, arXiv:2404.07904",
    recurrence: "S = diag(g) S + (1 − g)ᵀ i, y = q S, g per token and key", state: "H K V",
    cost: "5 H K V", parallelForm: "masked product")

  public let configuration: Configuration
  /// Queries, forget gates and inputs.
  let operands: Operands
  /// The logit of β, [H K]; absent where β is zero.
  let boundLogit: Tensor
  /// With one norm over all heads.
  let output: GatedOutput
  let query: Equation<Tensor>

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, F) = (configuration.width, configuration.heads * configuration.keyWidth)
    operands = Operands(
      ("q", "f", "i"), queries: F, keys: F, values: D, of: D,
      convolutionWidth: configuration.convolutionWidth, from: p)
    // The cumulative softmax of a table of zeros: β = l / L.
    let bound = Double(depth.layer) / Double(depth.count)
    boundLogit = p.tensor(
      "lower_bound_logit", [F], .exempt, .channels { _ in naturalLogarithm(bound / (1 - bound)) },
      if: configuration.hasLowerBound && depth.layer > 0)
    let size = Float(configuration.keyWidth).squareRoot()
    query = Equation { silu($0) / size }
    output = GatedOutput(
      width: D, heads: 1, valueWidth: D, hasGate: false, norm: "g_norm",
      hasScale: configuration.hasNormScale, from: p)
  }

  public var memory: [StateTensor] {
    let (D, H, K) = (configuration.width, configuration.heads, configuration.keyWidth)
    return operands.memory([H, K, D / H])
  }

  /// log β and 1 − β, where β is not zero.
  public typealias Constants = (logBound: Tensor, free: Tensor)?
  public var constants: Constants {
    boundLogit.isEmpty ? nil : evaluate(logSigmoid(of(boundLogit)), sigmoid(-of(boundLogit)))
  }

  /// 1 − g and log g for g = σ(f), [B T H K].
  static let gates = Equation { f in (sigmoid(-f), logSigmoid(f)) }
  /// Those for g = β + (1 − β) σ(f) = σ(f) (1 + β e^{−f}), so log g has no cancellation.
  static let boundedGates = Equation { f, logBound, free in
    (sigmoid(-f) * free, softplus(logBound - f) - softplus(-f))
  }

  public func run(
    _ x: Tensor, _ bound: Constants, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    let (B, T, D) = (x.shape[0], x.shape[1], configuration.width)
    let (H, K) = (configuration.heads, configuration.keyWidth)
    let q = operands.query(x, .identity, resets: resets, state: &state)
    let f = operands.key(x, .identity, resets: resets, state: &state)
    let i = operands.value(x, .identity, resets: resets, state: &state)
    let (key, logDecay) = bound.map { Self.boundedGates(f, $0.logBound, $0.free) } ?? Self.gates(f)
    func heads(_ x: Tensor) -> Tensor { x.reshaped([B, T, H, K]) }
    let y = MatrixMemory.run(
      q: heads(query(q)), k: heads(key),
      v: i.reshaped([B, T, H, D / H]), decay: .perKey(heads(logDecay)), form: form, resets: resets,
      state: &state["memory"])
    return output(y.reshaped([B, T, 1, D]), x, epsilon: configuration.normEpsilon)
  }
}
