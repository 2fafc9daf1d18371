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

  /// The windows of queries, forget gates and inputs, and S.
  public typealias State = HeadState

  public static let description = MixerDescription(
    name: "hgrn2", title: "HGRN2", paper: "Qin et al. 2024, arXiv:2404.07904",
    recurrence: "S = diag(g) S + (1 − g)ᵀ i, y = q S, g per token and key", state: "H K V",
    cost: "5 H K V", parallelForm: "masked product")

  public let configuration: Configuration
  var query, forget, input: Operand
  var boundLogit, normScale: Tensor
  var outputWeight: Weight
  /// log β and 1 − β, in a frozen copy.
  private var derived: (logBound: Tensor, free: Tensor)?

  public static let fields: [Field<Self>] = [
    .matrix("q_proj.weight", \.query.weight),
    .matrix("f_proj.weight", \.forget.weight),
    .matrix("i_proj.weight", \.input.weight),
    .init("q_conv1d.weight", \.query.convolution.weight, .exempt),
    .init("f_conv1d.weight", \.forget.convolution.weight, .exempt),
    .init("i_conv1d.weight", \.input.convolution.weight, .exempt),
    .init("lower_bound_logit", \.boundLogit, .exempt),
    .init("g_norm.weight", \.normScale, .exempt),
    .matrix("o_proj.weight", \.outputWeight, .residual),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.init(configuration, at: .alone, using: &generator)
  }

  public init(
    _ configuration: Configuration, at depth: Depth, using generator: inout some RandomNumberGenerator
  ) {
    self.configuration = configuration
    let (D, F) = (configuration.width, configuration.heads * configuration.keyWidth)
    let W = configuration.convolutionWidth
    query = Operand(F, of: D, convolutionWidth: W, using: &generator)
    forget = Operand(F, of: D, convolutionWidth: W, using: &generator)
    input = Operand(D, of: D, convolutionWidth: W, using: &generator)
    // The cumulative softmax of a table of zeros: β = l / L.
    let bound = Double(depth.layer) / Double(depth.count)
    boundLogit =
      configuration.hasLowerBound && depth.layer > 0
      ? Tensor(repeating: Float(naturalLogarithm(bound / (1 - bound))), [F]) : .absent
    normScale = configuration.hasNormScale ? Tensor(ones: [D]) : .absent
    outputWeight = .weight(D, D, using: &generator)
  }

  public func initialState(batch: Int) -> State {
    let (D, H, K) = (configuration.width, configuration.heads, configuration.keyWidth)
    return State(
      batch: batch, convolutionWidth: configuration.convolutionWidth, queries: H * K, keys: H * K, values: D,
      memory: [batch, H, K, D / H])
  }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let (B, T, D) = (x.shape[0], x.shape[1], configuration.width)
    let (H, K) = (configuration.heads, configuration.keyWidth)
    let q = query(x, .identity, resets: resets, window: &state.queryWindow)
    let f = forget(x, .identity, resets: resets, window: &state.keyWindow)
    let i = input(x, .identity, resets: resets, window: &state.valueWindow)
    let (key, logDecay) = gates(f)
    func heads(_ x: Tensor) -> Tensor { x.reshaped([B, T, H, K]) }
    let y = MatrixMemory.run(
      q: 1 / Float(K).squareRoot() * heads(activate(q, .silu)), k: heads(key),
      v: i.reshaped([B, T, H, D / H]), decay: .perKey(heads(logDecay)), form: form, resets: resets,
      state: &state.memory)
    return linear(
      rmsNorm(y.reshaped([B, T, D]), scale: normScale, epsilon: configuration.normEpsilon), outputWeight)
  }

  /// 1 − g and log g for g = β + (1 − β) σ(f).
  private func gates(_ f: Tensor) -> (rest: Tensor, logDecay: Tensor) {
    let rest = activate(-1 * f, .sigmoid)
    guard !boundLogit.isEmpty else { return (rest, logSigmoid(f)) }
    // g = σ(f) (1 + β e^{−f}), so log g = softplus(log β − f) − softplus(−f), without a cancellation.
    let (logBound, free) = derived ?? makeDerived()
    return (
      scaled(rest, by: free), activate(added(-1 * f, logBound), .softplus) + logSigmoid(f)
    )
  }

  /// log β and 1 − β.
  private func makeDerived() -> (logBound: Tensor, free: Tensor) {
    (logSigmoid(boundLogit), activate(-1 * boundLogit, .sigmoid))
  }

  public func frozen() -> HGRN2 {
    guard !boundLogit.isEmpty else { return self }
    var copy = self
    let made = makeDerived()
    copy.derived = (made.logBound.detached, made.free.detached)
    return copy
  }
}
