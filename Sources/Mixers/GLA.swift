/// Gated linear attention (Yang et al. 2023, "Gated Linear Attention Transformers with Hardware-Efficient Training").
///
///     S_t = diag(α_t) S_{t−1} + k_tᵀ v_t;   y_t = q_t S_t;   out = W_o (swish(W_r x) ⊙ rms(y))
///     α_t = σ(x W_α¹ W_α² + b)^(1/τ)
///
/// Our name · the paper (§4.4): decay per key α, made by a projection of low rank and kept near one by the temperature
/// τ = 16 · q scaled by 1/√K · keys half as wide as the model, values as wide. Parameter names are those of
/// flash-linear-attention.

import RunnelRecurrences
import RunnelTensors

/// Linear attention with a decay per token and key.
public struct GLA: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, heads = 0, keyValueHeads = 0, keyWidth = 0, valueWidth = 0, gateRank = 16,
      convolutionWidth = 0
    public var temperature: Float = 16, normEpsilon: Float = 1e-5
    public var leastLogDecay: Float?
    public var featureMap = Activation.identity, gateActivation = Activation.silu
    public var hasGate = true, hasNormScale = true
    public init() {}

    public static let settings: [Setting<Self>] = [
      Setting(
        "heads", \.heads, "H: heads of queries",
        chosen: Rule("divide half the width") { value, own in own.width % (2 * value) == 0 }
      ) { max(1, max(min(2, $0.width / 8), $0.width / 128)) },
      .keyValueHeads(\.keyValueHeads) { $0.heads },
      .keyWidth(\.keyWidth) {
        max(1, $0.width / 2 / $0.heads)
      },
      .valueWidth(\.valueWidth) { $0.width / $0.heads },
      Setting("gate_rank", \.gateRank, "the inner width of what makes decays"),
      .temperature(\.temperature),
      Setting(
        "least_log_decay", \.leastLogDecay, "the least log decay of a token, or none",
        Rule("be 0 or less, or none") { value, _ in value ?? 0 <= 0 }),
      .featureMap(\.featureMap),
      .convolutionWidth(\.convolutionWidth), .hasGate(\.hasGate), .gateActivation(\.gateActivation),
      .hasNormScale(\.hasNormScale), .normEpsilon(\.normEpsilon),
    ]
    public static let feedForward = FeedForwardKind.gated(ratio: 8.0 / 3)
  }

  public static let description = MixerDescription(
    name: "gla", title: "GLA", paper: "Yang et al. 2023, arXiv:2312.06635",
    recurrence: "S = diag(α) S + kᵀ v, y = q S, α per token and key", state: "H K V", cost: "5 H K V",
    parallelForm: "masked product")

  public let configuration: Configuration
  let operands: Operands
  let decayIn, decayOut, decayBias: Tensor
  let output: GatedOutput
  /// log α of the gates before their sigmoids.
  let logDecay: Equation<Tensor>

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, H, G) = (configuration.width, configuration.heads, configuration.keyValueHeads)
    let (K, V, R) = (configuration.keyWidth, configuration.valueWidth, configuration.gateRank)
    operands = Operands(
      queries: H * K, keys: G * K, values: G * V, of: D, convolutionWidth: configuration.convolutionWidth,
      from: p)
    decayIn = p.tensor("gk_proj.0.weight", [R, D], .weight, .usual)
    decayOut = p.tensor("gk_proj.1.weight", [G * K, R], .weight, .usual)
    decayBias = p.tensor("gk_proj.1.bias", [G * K])
    logDecay = Equation {
      let logDecay = logSigmoid($0) / configuration.temperature
      return configuration.leastLogDecay.map { maximum(logDecay, $0) } ?? logDecay
    }
    output = GatedOutput(
      width: D, heads: H, valueWidth: V, hasGate: configuration.hasGate, norm: "g_norm",
      hasScale: configuration.hasNormScale, from: p)
  }

  public var memory: [StateTensor] {
    operands.memory([configuration.heads, configuration.keyWidth, configuration.valueWidth])
  }

  public func run(_ x: Tensor, _: Void, form: Form, resets: Resets, state: inout RecurrentState) -> Tensor {
    let (B, T, H, G) = (x.shape[0], x.shape[1], configuration.heads, configuration.keyValueHeads)
    let (K, V) = (configuration.keyWidth, configuration.valueWidth)
    let q = operands.query(x, .silu, resets: resets, state: &state)
    let k = operands.key(x, .silu, resets: resets, state: &state)
    let v = operands.value(x, .silu, resets: resets, state: &state)
    let logDecay = logDecay(linear(linear(x, decayIn), decayOut, bias: decayBias))
    func heads(_ x: Tensor, _ count: Int, _ width: Int) -> Tensor {
      repeatedHeads(x.reshaped([B, T, count, width]), each: H / count)
    }
    func features(_ x: Tensor) -> Tensor { activate(x, configuration.featureMap) }
    let y = MatrixMemory.run(
      q: 1 / Float(K).squareRoot() * heads(features(q), H, K), k: heads(features(k), G, K), v: heads(v, G, V),
      decay: .perKey(heads(logDecay, G, K)), form: form, resets: resets, state: &state["memory"])
    return output(
      y, x, epsilon: configuration.normEpsilon, activation: configuration.gateActivation)
  }
}
