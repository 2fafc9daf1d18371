/// mLSTM (Beck et al. 2024, "xLSTM: Extended Long Short-Term Memory", §2.3; the block: §2.4, appendix).
///
///     x, z = W_up u;   c = silu(conv(x));   q, k = W_q c, W_k c;   v = W_v x
///     ĩ, f̃ = W_i [q k v] + b_i, W_f [q k v] + b_f
///     C_t = σ(f̃_t) C_{t−1} + exp(ĩ_t) k_tᵀ v_t;   n_t = σ(f̃_t) n_{t−1} + exp(ĩ_t) k_t
///     h_t = q_t C_t / max(|q_t · n_t|, 1);   out = W_down ((norm(h) + a ⊙ c) ⊙ silu(z))
///
/// Our name · the paper: memory C, normalizer n and maximum m, the stabiliser state of equation 15, by whose
/// exponential both are divided (ExponentialGating.swift) · skip a, "learnable skip" · k is scaled by 1/√K
/// (equation 23) · the norm is one for each head (GroupNorm in the paper's figure). W_q, W_k and W_v are
/// block-diagonal with blocks of four. Parameter names are those of the authors' package `xlstm`.
///
/// The authors' code adds 1e-6 to the denominator, by which h depends on the stabiliser; here it does not.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

public struct MLSTM: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, expandedWidth = 0, heads = 0, convolutionWidth = 4, blockWidth = 0
    public var normEpsilon: Float = 1e-5
    public init() {}

    public static let settings: [Setting<Self>] = [
      .expandedWidth(\.expandedWidth) { 2 * $0.width },
      Setting("heads", \.heads, "H: heads", .dividing("expanded_width", \.expandedWidth)) {
        $0.width % 2 == 0 && $0.width >= 32 ? 4 : 2
      },
      Setting("convolution_width", \.convolutionWidth, "W: taps of the short convolution"),
      Setting(
        "block_width", \.blockWidth, "inputs and outputs of one block of the projections to q, k and v",
        .dividing("expanded_width", \.expandedWidth)
      ) { $0.expandedWidth % 4 == 0 ? 4 : 2 },
      .normEpsilon(\.normEpsilon),
    ]
    public static let feedForward = FeedForwardKind.none
    public static let norm = NormKind.layer
    // The memory grows as the square of the expanded width.
    public var stateSpan: Double { Double(expandedWidth) * Double(expandedWidth) / Double(max(1, heads)) }

    /// How many blocks are multiplied as one: as many as make the row a cache line, 16 columns. That is three
    /// times as fast in training as each by itself; 8 and 32 columns are slower.
    var joinedBlocks: Int {
      let blocks = expandedWidth / blockWidth
      return stride(from: max(1, 16 / blockWidth), to: 1, by: -1).first { blocks % $0 == 0 } ?? 1
    }
  }

  public struct State: RecurrentState {
    /// The last W − 1 inputs of the convolution, [B W−1 E].
    public var window: Tensor
    /// C exp(−m), [B H K V].
    public var memory: Tensor
    /// n exp(−m), [B H K 1].
    public var normalizer: Tensor
    /// m, [B H].
    public var maximum: Tensor
    public static let tensors: [StateField<Self, Tensor>] = [
      .init("window", \.window), .init("memory", \.memory), .init("normalizer", \.normalizer),
      .init("maximum", \.maximum),
    ]
  }

  public static let description = MixerDescription(
    name: "mlstm", title: "mLSTM", paper: "Beck et al. 2024, arXiv:2405.04517",
    recurrence: "C = f C + i kᵀ v, n = f n + i k, h = q C / max(|q n|, 1), i exponential",
    state: "H (K (V + 1) + 1) + E (W − 1)", cost: "5 H K (V + 1)", parallelForm: "masked product")

  public let configuration: Configuration
  var skip: Tensor
  var upWeight, downWeight: Weight
  /// [E/b b b], each block output by input.
  var queryBlocks, keyBlocks, valueBlocks: Tensor
  var convolution: ShortConvolution
  var inputGateWeight, inputGateBias, forgetGateWeight, forgetGateBias: Tensor
  /// Of the norm's scale what is more than one.
  var normScale: Tensor

  private struct Derived {
    var query, key, value, normScale: Tensor
  }
  private var derived: Derived?

  public static let fields: [Field<Self>] = [
    .matrix("proj_up.weight", \.upWeight),
    .init("q_proj.weight", \.queryBlocks),
    .init("k_proj.weight", \.keyBlocks),
    .init("v_proj.weight", \.valueBlocks),
    .init("conv1d.conv.weight", \.convolution.weight),
    .init("conv1d.conv.bias", \.convolution.bias, .exempt),
    .init("mlstm_cell.igate.weight", \.inputGateWeight),
    .init("mlstm_cell.igate.bias", \.inputGateBias, .exempt),
    .init("mlstm_cell.fgate.weight", \.forgetGateWeight),
    .init("mlstm_cell.fgate.bias", \.forgetGateBias, .exempt),
    .init("mlstm_cell.outnorm.weight", \.normScale, .exempt),
    .init("learnable_skip", \.skip, .exempt),
    // Not `.residual`: its deviation has the number of layers in it already.
    .matrix("proj_down.weight", \.downWeight),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.init(configuration, at: .alone, using: &generator)
  }

  /// The authors' initialisation: gates that start without looking at their input, the forget gates of the
  /// heads spread from σ(3) to σ(6).
  public init(
    _ configuration: Configuration, at depth: Depth, using generator: inout some RandomNumberGenerator
  ) {
    self.configuration = configuration
    let (D, E, H) = (configuration.width, configuration.expandedWidth, configuration.heads)
    let b = configuration.blockWidth
    let small = (2 / (5 * Float(D))).squareRoot()
    upWeight = .normal([2 * E, D], deviation: small, using: &generator)
    queryBlocks = .normal([E / b, b, b], deviation: small, using: &generator)
    keyBlocks = .normal([E / b, b, b], deviation: small, using: &generator)
    valueBlocks = .normal([E / b, b, b], deviation: small, using: &generator)
    convolution = ShortConvolution(
      E, width: configuration.convolutionWidth, hasBias: true, using: &generator)
    inputGateWeight = Tensor(zeros: [H, 3 * E])
    inputGateBias = .normal([H], deviation: 0.1, using: &generator)
    forgetGateWeight = Tensor(zeros: [H, 3 * E])
    forgetGateBias = Tensor((0..<H).map { 3 + 3 * Float($0) / Float(max(1, H - 1)) })
    normScale = Tensor(zeros: [E])
    skip = Tensor(ones: [E])
    downWeight = .normal(
      [D, E], deviation: 2 / (Float(depth.count) * Float(D).squareRoot()), using: &generator)
  }

  public func initialState(batch: Int) -> State {
    let (E, H) = (configuration.expandedWidth, configuration.heads)
    return State(
      window: Tensor(zeros: [batch, configuration.convolutionWidth - 1, E]),
      memory: Tensor(zeros: [batch, H, E / H, E / H]), normalizer: Tensor(zeros: [batch, H, E / H, 1]),
      maximum: Tensor(zeros: [batch, H]))
  }

  private var derivation: Derived {
    let count = configuration.joinedBlocks
    return Derived(
      query: joinedBlocks(queryBlocks, count), key: joinedBlocks(keyBlocks, count),
      value: joinedBlocks(valueBlocks, count), normScale: Tensor(ones: normScale.shape) + normScale)
  }

  public func frozen() -> Self {
    var copy = self
    copy.derived = derivation
    return copy
  }

  public func run(_ u: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let (B, T, E, H) = (u.shape[0], u.shape[1], configuration.expandedWidth, configuration.heads)
    let K = E / H
    let weights = derived ?? derivation
    let branches = split(linear(u, upWeight), sizes: [E, E])  // x, z
    let c = convolution(branches[0], .silu, resets: resets, window: &state.window)
    let q = blockLinear(c, weights.query), k = blockLinear(c, weights.key)
    let v = blockLinear(branches[0], weights.value)
    let operands = concatenated([q, k, v])  // [B T 3E]
    let h = ExponentialGating.run(
      q: q.reshaped([B, T, H, K]), k: 1 / Float(K).squareRoot() * k.reshaped([B, T, H, K]),
      v: v.reshaped([B, T, H, K]), logInput: linear(operands, inputGateWeight, bias: inputGateBias),
      logForget: logSigmoid(linear(operands, forgetGateWeight, bias: forgetGateBias)), form: form,
      resets: resets, memory: &state.memory, normalizer: &state.normalizer, maximum: &state.maximum)
    let normed = layerNorm(
      h.reshaped([B, T, E]), scale: weights.normScale, epsilon: configuration.normEpsilon, groups: H)
    return linear(gated(RunnelTensors.skip(normed, c, by: skip), by: branches[1], .silu), downWeight)
  }
}
