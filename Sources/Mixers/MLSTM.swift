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

import RunnelRecurrences
import RunnelTensors

/// A matrix memory with an exponential input gate and a sigmoid forget gate per head.
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
      .taps(\.convolutionWidth),
      Setting(
        "block_width", \.blockWidth, "inputs and outputs of one block of the projections to q, k and v",
        .dividing("expanded_width", \.expandedWidth)
      ) { $0.expandedWidth % 4 == 0 ? 4 : 2 },
      .normEpsilon(\.normEpsilon),
    ]
    public static let feedForward = FeedForwardKind.none
    public static let norm = NormKind.layer

    /// How many blocks are multiplied as one: as many as make the row a cache line, 16 columns. That is three
    /// times as fast in training as each by itself; 8 and 32 columns are slower.
    var joinedBlocks: Int {
      let blocks = expandedWidth / blockWidth
      return stride(from: max(1, 16 / blockWidth), to: 1, by: -1).first { blocks % $0 == 0 } ?? 1
    }
  }

  public static let description = MixerDescription(
    name: "mlstm", title: "mLSTM", paper: "Beck et al. 2024, arXiv:2405.04517",
    recurrence: "C = f C + i kᵀ v, n = f n + i k, h = q C / max(|q n|, 1), i exponential",
    state: "H (K (V + 1) + 1) + E (W − 1)", cost: "5 H K (V + 1)", parallelForm: "masked product")

  public let configuration: Configuration
  let upWeight, downWeight: Weight
  /// [E/b b b], each block output by input.
  let queryBlocks, keyBlocks, valueBlocks: Tensor
  let convolution: ShortConvolution
  let inputGateWeight, inputGateBias, forgetGateWeight, forgetGateBias: Tensor
  /// Of the norm's scale what is more than one.
  let normScale: Tensor
  let skip: Tensor

  /// The authors' initialisation: gates that start without looking at their input, the forget gates of the
  /// heads spread from σ(3) to σ(6).
  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, E, H) = (configuration.width, configuration.expandedWidth, configuration.heads)
    let b = configuration.blockWidth
    let small = Beginning.normal((2 / (5 * Float(D))).squareRoot())
    upWeight = p.matrix("proj_up.weight", [2 * E, D], .weight, small)
    queryBlocks = p.tensor("q_proj.weight", [E / b, b, b], .weight, small)
    keyBlocks = p.tensor("k_proj.weight", [E / b, b, b], .weight, small)
    valueBlocks = p.tensor("v_proj.weight", [E / b, b, b], .weight, small)
    convolution = ShortConvolution(
      "conv1d.conv", E, width: configuration.convolutionWidth, .weight, hasBias: true, from: p)
    inputGateWeight = p.tensor("mlstm_cell.igate.weight", [H, 3 * E], .weight)
    inputGateBias = p.tensor("mlstm_cell.igate.bias", [H], .exempt, .normal(0.1))
    forgetGateWeight = p.tensor("mlstm_cell.fgate.weight", [H, 3 * E], .weight)
    forgetGateBias = p.tensor(
      "mlstm_cell.fgate.bias", [H], .exempt, .channels { 3 + 3 * $0 / Double(max(1, H - 1)) })
    normScale = p.tensor("mlstm_cell.outnorm.weight", [E])
    skip = p.tensor("learnable_skip", [E], .exempt, .ones)
    // Not `.residual`: its deviation has the number of layers in it already.
    downWeight = p.matrix(
      "proj_down.weight", [D, E], .weight, .normal(2 / (Float(depth.count) * Float(D).squareRoot())))
  }

  /// The last W − 1 inputs of the convolution, C exp(−m), n exp(−m), and m.
  public var memory: [StateTensor] {
    let (E, H) = (configuration.expandedWidth, configuration.heads)
    return convolution.memory + [
      StateTensor("memory", [H, E / H, E / H]), StateTensor("normalizer", [H, E / H, 1]),
      StateTensor("maximum", [H]),
    ]
  }

  /// The weights of the projections to q, k and v, and the norm's scale.
  public typealias Constants = (query: Tensor, key: Tensor, value: Tensor, normScale: Tensor)
  public var constants: Constants {
    let count = configuration.joinedBlocks
    return (
      joinedBlocks(queryBlocks, count), joinedBlocks(keyBlocks, count), joinedBlocks(valueBlocks, count),
      evaluate(1 + of(normScale))
    )
  }

  static let logForget = Equation { logSigmoid($0) }

  public func run(
    _ u: Tensor, _ weights: Constants, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    let (B, T, E, H) = (u.shape[0], u.shape[1], configuration.expandedWidth, configuration.heads)
    let K = E / H
    let branches = split(linear(u, upWeight), sizes: [E, E])  // x, z
    let c = convolution(branches[0], .silu, resets: resets, state: &state)
    let q = blockLinear(c, weights.query), k = blockLinear(c, weights.key)
    let v = blockLinear(branches[0], weights.value)
    let operands = concatenated([q, k, v])  // [B T 3E]
    var (memory, normalizer, maximum) = (
      state.take("memory"), state.take("normalizer"), state.take("maximum")
    )
    let h = ExponentialGating.run(
      q: q.reshaped([B, T, H, K]), k: 1 / Float(K).squareRoot() * k.reshaped([B, T, H, K]),
      v: v.reshaped([B, T, H, K]), logInput: linear(operands, inputGateWeight, bias: inputGateBias),
      logForget: Self.logForget(linear(operands, forgetGateWeight, bias: forgetGateBias)), form: form,
      resets: resets, memory: &memory, normalizer: &normalizer, maximum: &maximum)
    (state["memory"], state["normalizer"], state["maximum"]) = (memory, normalizer, maximum)
    let normed = layerNorm(
      h.reshaped([B, T, E]), scale: weights.normScale, epsilon: configuration.normEpsilon, groups: H)
    return linear(gated(RunnelTensors.skip(normed, c, by: skip), by: branches[1], .silu), downWeight)
  }
}
