/// DeltaNet (Schlag et al. 2021, "Linear Transformers Are Secretly Fast Weight Programmers", §4; Yang et al. 2024,
/// "Parallelizing Linear Transformers with the Delta Rule over Sequence Length").
///
///     S_t = (I − β_t k_tᵀ k_t) S_{t−1} + β_t k_tᵀ v_t;   y_t = q_t S_t;   out = W_o rms(y)
///
/// What the memory holds under a key is replaced, not added to. Our name · the paper (2024, §3.3 and §3.4): β = σ(W_β x),
/// the writing strength of a head · q and k are silu of a short convolution, then of unit length; q scaled by 1/√K ·
/// v is silu of a short convolution. Twice β lets the memory turn signs (Grazzi et al. 2024). Parameter names are those
/// of flash-linear-attention.

import RunnelRecurrences
import RunnelTensors

/// A matrix memory in which a token replaces what is held under its key.
public struct DeltaNet: SequenceMixer {
  /// How queries and keys are scaled.
  public enum KeyNorm: String, SettingWord {
    /// To unit length: x / √(Σ x² + 10⁻⁶).
    case length
    /// To a sum of one: x / max(Σ |x|, 10⁻⁶).
    case sum
  }

  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, heads = 0, keyWidth = 0, valueWidth = 0, convolutionWidth = 4
    public var hasConvolutionBias = false, hasStrength = true, allowsNegativeEigenvalues = false,
      hasGate = false
    public var keyActivation = Activation.silu
    public var keyNorm = KeyNorm.length
    public var normEpsilon: Float = 1e-5
    public init() {}

    public static let settings: [Setting<Self>] = [
      .heads(\.heads),
      .keyWidth(\.keyWidth) { $0.width / $0.heads },
      .valueWidth(\.valueWidth) { $0.width / $0.heads },
      .convolutionWidth(\.convolutionWidth), .hasConvolutionBias(\.hasConvolutionBias),
      Setting("key_activation", \.keyActivation, "what acts on queries and keys"),
      Setting("key_norm", \.keyNorm, "what keys are normalised to"),
      Setting("has_strength", \.hasStrength, "whether β is learnt, else one"),
      .allowsNegativeEigenvalues(\.allowsNegativeEigenvalues), .hasGate(\.hasGate),
      .normEpsilon(\.normEpsilon),
    ]
    public static let feedForward = FeedForwardKind.gated(ratio: 8.0 / 3)
  }

  public static let description = MixerDescription(
    name: "deltanet", title: "DeltaNet", paper: "Yang et al. 2024, arXiv:2406.06484",
    recurrence: "S = (I − β kᵀ k) S + β kᵀ v, y = q S", state: "H K V + H (2 K + V) (W − 1)",
    cost: "8 H K V", parallelForm: "chunkwise (WY)")

  public let configuration: Configuration
  let operands: Operands
  /// Absent where β is one.
  let strengthWeight: Tensor
  let output: GatedOutput
  /// What β is of its sigmoid, and itself where it is not learnt.
  private let strongest: Float
  /// β and −β, of β before its sigmoid.
  let strengths: Equation<(Tensor, Tensor)>

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, H) = (configuration.width, configuration.heads)
    let (K, V) = (configuration.keyWidth, configuration.valueWidth)
    operands = Operands(
      queries: H * K, keys: H * K, values: H * V, of: D, convolutionWidth: configuration.convolutionWidth,
      hasBias: configuration.hasConvolutionBias, from: p)
    strengthWeight = p.tensor("b_proj.weight", [H, D], .weight, .usual, if: configuration.hasStrength)
    let strongest: Float = configuration.allowsNegativeEigenvalues ? 2 : 1
    self.strongest = strongest
    strengths = Equation { (strongest * sigmoid($0), -strongest * sigmoid($0)) }
    output = GatedOutput(width: D, heads: H, valueWidth: V, hasGate: configuration.hasGate, from: p)
  }

  public var memory: [StateTensor] {
    operands.memory([configuration.heads, configuration.keyWidth, configuration.valueWidth])
  }

  /// The ones [1 K] that make the sums of keys; absent where keys have unit length.
  public var constants: Tensor {
    configuration.keyNorm == .sum ? Tensor(ones: [1, configuration.keyWidth]) : .absent
  }

  static let magnitude = Equation { abs($0) }
  static let divided = Equation { x, size in x / maximum(size, 1e-6) }

  public func run(
    _ x: Tensor, _ ones: Tensor, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    let (B, T, H) = (x.shape[0], x.shape[1], configuration.heads)
    let (K, V) = (configuration.keyWidth, configuration.valueWidth)
    func normed(_ x: Tensor) -> Tensor {
      let x = x.reshaped([B, T, H, K])
      switch configuration.keyNorm {
      case .length: return unitRows(x, epsilon: 1e-6)
      case .sum: return Self.divided(x, linear(Self.magnitude(x), ones))
      }
    }
    let f = configuration.keyActivation
    let q = normed(operands.query(x, f, bare: f, resets: resets, state: &state))
    let k = normed(operands.key(x, f, bare: f, resets: resets, state: &state))
    let v = operands.value(x, .silu, bare: .silu, resets: resets, state: &state).reshaped([B, T, H, V])
    let written: Tensor, removed: Tensor
    if configuration.hasStrength {
      let (strength, opposite) = strengths(linear(x, strengthWeight))
      (written, removed) = (scaledRows(v, by: strength), scaledRows(k, by: opposite))
    } else {
      (written, removed) = (strongest * v, -strongest * k)
    }
    let y = MatrixMemory.run(
      q: 1 / Float(K).squareRoot() * q, k: k, v: written, decay: .none, removal: (a: k, b: removed),
      form: form, resets: resets, state: &state["memory"])
    return output(y, x, epsilon: configuration.normEpsilon)
  }
}
