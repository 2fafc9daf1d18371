/// Retention (Sun et al. 2023, "Retentive Network", §2).
///
///     S_t = γ_h S_{t−1} + k_tᵀ v_t;   y_t = q_t S_t;   out = W_o (swish(W_g x) ⊙ groupnorm(y))
///
/// q and k are rotated by their position (the paper's e^{inθ}, equation 5), k is scaled by 1/√K, and
/// γ_h = 1 − 2^(−5−h) (equation 8). The paper also divides the products by norms of the decay matrix; the group norm that
/// follows does not see such factors, so they are left out, as in the authors' recurrent form. That norm has no
/// parameters in the paper.

import RunnelKernels
import RunnelRecurrences
import RunnelTensors

public struct RetNet: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    public var width: Int
    public var heads: Int
    public var keyWidth: Int
    public var valueWidth: Int
    public var normEpsilon: Float
    public static let feedForward = FeedForwardKind.gated(ratio: 4.0 / 3)

    /// Heads of 64 and values twice as wide as keys; a narrow model has at least two heads.
    public init(width: Int) {
      let heads = max(1, max(min(2, width / 8), width / 64))
      self.init(width: width, heads: heads, keyWidth: width / heads, valueWidth: 2 * width / heads)
    }
    public init(width: Int, heads: Int, keyWidth: Int, valueWidth: Int, normEpsilon: Float = 1e-5) {
      self.width = width
      self.heads = heads
      self.keyWidth = keyWidth
      self.valueWidth = valueWidth
      self.normEpsilon = normEpsilon
    }
    public func withHeads(_ heads: Int) throws -> Self {
      try ConfigurationError.requireDivisible("width", width, by: "heads", heads)
      return Self(
        width: width, heads: heads, keyWidth: width / heads, valueWidth: 2 * width / heads,
        normEpsilon: normEpsilon)
    }
    public func validate() throws {
      try ConfigurationError.requirePositive([
        "width": width, "heads": heads, "key_width": keyWidth, "value_width": valueWidth,
      ])
      try ConfigurationError.requirePairs("key_width", keyWidth)
    }
  }

  public struct State: RecurrentState {
    /// S, [B H K V].
    public var memory: Tensor
    /// How many tokens each row's document has seen: the angle of the next rotation.
    public var position: [Int]
    public static let tensors: [StateField<Self, Tensor>] = [.init("memory", \.memory)]
    public static let counters: [StateField<Self, [Int]>] = [.init("position", \.position)]
  }

  public static let description = MixerDescription(
    name: "retnet", title: "RetNet", paper: "Sun et al. 2023, arXiv:2307.08621",
    recurrence: "S = γ S + kᵀ v, y = q S, γ per head", state: "H K V", cost: "5 H K V",
    parallelForm: "masked product")

  public let configuration: Configuration
  var queryWeight, keyWeight, valueWeight, gateWeight, outputWeight: Tensor

  public static let fields: [Field<Self>] = [
    .init("q_proj.weight", \.queryWeight),
    .init("k_proj.weight", \.keyWeight),
    .init("v_proj.weight", \.valueWeight),
    .init("g_proj.weight", \.gateWeight),
    .init("o_proj.weight", \.outputWeight, .residual),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.configuration = configuration
    let (D, H) = (configuration.width, configuration.heads)
    let (K, V) = (configuration.keyWidth, configuration.valueWidth)
    queryWeight = .weight(H * K, D, using: &generator)
    keyWeight = .weight(H * K, D, using: &generator)
    valueWeight = .weight(H * V, D, using: &generator)
    gateWeight = .weight(H * V, D, using: &generator)
    outputWeight = .weight(D, H * V, using: &generator)
  }

  public func initialState(batch: Int) -> State {
    let (H, K, V) = (configuration.heads, configuration.keyWidth, configuration.valueWidth)
    return State(memory: Tensor(zeros: [batch, H, K, V]), position: Array(repeating: 0, count: batch))
  }

  /// log γ_h, [H].
  private var logDecay: Tensor {
    Tensor((0..<configuration.heads).map { Float(naturalLogarithm(1 - power(2, -5 - Double($0)))) })
  }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let (B, T) = (x.shape[0], x.shape[1])
    let (H, K, V) = (configuration.heads, configuration.keyWidth, configuration.valueWidth)
    let positions = resets.positions(steps: T, advancing: &state.position)
    func rotated(_ weight: Tensor) -> Tensor {
      rotary(linear(x, weight).reshaped([B, T, H, K]), positions: positions, base: 10_000, interleaved: true)
    }
    let y = OuterProduct.run(
      q: rotated(queryWeight), k: 1 / Float(K).squareRoot() * rotated(keyWeight),
      v: linear(x, valueWeight).reshaped([B, T, H, V]), decay: .perHead(logDecay), form: form, resets: resets,
      state: &state.memory)
    let normed = gatedRMSNorm(
      y.reshaped([B, T, H * V]), gate: linear(x, gateWeight), scale: .absent,
      epsilon: configuration.normEpsilon,
      groups: H, normBeforeGate: true)
    return linear(normed, outputWeight)
  }
}
