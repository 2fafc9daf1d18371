/// Simple gated linear attention: GLA with one decay for each head and token (Yang et al. 2023, as in Mamba-2).
///
///     S_t = α_t S_{t−1} + k_tᵀ v_t;   y_t = q_t S_t / √K;   out = W_o (swish(W_r x) ⊙ rms(y))
///     α_t = σ(W_α x + b)^(1/τ), with τ = 16; parameter names and defaults are those of flash-linear-attention.

import RunnelRecurrences
import RunnelTensors

/// Linear attention with a decay per token and head.
public struct SimpleGLA: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    public var width = 0, heads = 0, keyWidth = 0, valueWidth = 0, convolutionWidth = 4
    public var temperature: Float = 16, normEpsilon: Float = 1e-5
    public init() {}

    public static let settings: [Setting<Self>] = [
      .heads(\.heads), .convolutionWidth(\.convolutionWidth), .normEpsilon(\.normEpsilon),
      .keyWidth(\.keyWidth) { $0.width / $0.heads },
      .valueWidth(\.valueWidth) { $0.width / $0.heads },
      .temperature(\.temperature),
    ]
    public static let feedForward = FeedForwardKind.gated(ratio: 8.0 / 3)
  }

  public static let description = MixerDescription(
    name: "simple-gla", title: "Simple GLA", paper: "Yang et al. 2023, arXiv:2312.06635",
    recurrence: "S = α S + kᵀ v, y = q S, α per token and head", state: "H K V + H (2 K + V) (W − 1)",
    cost: "5 H K V", parallelForm: "masked product")

  public let configuration: Configuration
  let operands: Operands
  let decayWeight, decayBias: Tensor
  let output: GatedOutput
  let logDecay: Equation<Tensor>

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, H, W) = (configuration.width, configuration.heads, configuration.convolutionWidth)
    let (K, V) = (configuration.keyWidth, configuration.valueWidth)
    operands = Operands(queries: H * K, keys: H * K, values: H * V, of: D, convolutionWidth: W, from: p)
    decayWeight = p.tensor("gk_proj.weight", [H, D], .weight, .usual)
    decayBias = p.tensor("gk_proj.bias", [H])
    logDecay = Equation { logSigmoid($0) / configuration.temperature }
    output = GatedOutput(width: D, heads: H, valueWidth: V, hasGate: true, norm: "g_norm", from: p)
  }

  public var memory: [StateTensor] {
    operands.memory([configuration.heads, configuration.keyWidth, configuration.valueWidth])
  }

  public func run(_ x: Tensor, _: Void, form: Form, resets: Resets, state: inout RecurrentState) -> Tensor {
    let (H, K) = (configuration.heads, configuration.keyWidth)
    func heads(_ x: Tensor) -> Tensor { x.reshaped([x.shape[0], x.shape[1], H, x.shape.width / H]) }
    let parts = [operands.query, operands.key, operands.value]
      .map { heads($0(x, .silu, resets: resets, state: &state)) }
    let logDecay = logDecay(linear(x, decayWeight, bias: decayBias))
    let y = MatrixMemory.run(
      q: 1 / Float(K).squareRoot() * parts[0], k: parts[1], v: parts[2], decay: .perToken(logDecay),
      form: form, resets: resets, state: &state["memory"])
    return output(y, x, epsilon: configuration.normEpsilon)
  }
}
