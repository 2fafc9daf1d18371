/// Causal linear attention (Katharopoulos et al. 2020, "Transformers are RNNs", §3.2 and §3.3).
///
///     S_t = S_{t−1} + φ(k_t)ᵀ v_t;   z_t = z_{t−1} + φ(k_t);   y_t = φ(q_t) S_t / (φ(q_t) · z_t)
///
/// φ(x) = elu(x) + 1 (equation 7). The recurrence itself does not see order, so the features in the numerator, and only
/// there, are rotated by their position (Su et al. 2021, "RoFormer", §3.3, equation 19): the denominator stays positive.
/// The normaliser z is a second state of the same recurrence, driven by a value of one.

import RunnelRecurrences
import RunnelTensors

public struct LinearAttention: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    public var width: Int
    public var heads: Int
    /// Added to the denominator, which is positive but may be tiny; the authors' code has the same.
    public var epsilon: Float
    /// Whether features are rotated by their position.
    public var rotates: Bool
    public static let feedForward = FeedForwardKind.gated(ratio: 8.0 / 3)
    public static let forgets = false

    public init(width: Int) {
      self.init(width: width, heads: max(1, max(min(2, width / 8), width / 64)))
    }
    public init(width: Int, heads: Int, epsilon: Float = 1e-6, rotates: Bool = true) {
      self.width = width
      self.heads = heads
      self.epsilon = epsilon
      self.rotates = rotates
    }
    public func withHeads(_ heads: Int) throws -> Self {
      Self(width: width, heads: heads, epsilon: epsilon, rotates: rotates)
    }
    public func validate() throws {
      try ConfigurationError.requirePositive(["width": width, "heads": heads])
      try ConfigurationError.requireDivisible("width", width, by: "heads", heads)
      if rotates { try ConfigurationError.requirePairs("the width of a head", width / heads) }
    }
  }

  public struct State: RecurrentState {
    /// S, [B H K V].
    public var memory: Tensor
    /// z, [B H K 1].
    public var normalizer: Tensor
    /// How many tokens each row's document has seen.
    public var position: [Int]
    public static let tensors: [StateField<Self, Tensor>] = [
      .init("memory", \.memory), .init("normalizer", \.normalizer),
    ]
    public static let counters: [StateField<Self, [Int]>] = [.init("position", \.position)]
  }

  public static let description = MixerDescription(
    name: "linear-attention", title: "Linear attention", paper: "Katharopoulos et al. 2020, arXiv:2006.16236",
    recurrence: "S = S + φ(k)ᵀ v, z = z + φ(k), y = φ(q) S / φ(q) z", state: "H K (V + 1)",
    cost: "4 H K (V + 1)",
    parallelForm: "masked product")

  public let configuration: Configuration
  var queryWeight, keyWeight, valueWeight, outputWeight: Tensor

  public static let fields: [Field<Self>] = [
    .init("q_proj.weight", \.queryWeight),
    .init("k_proj.weight", \.keyWeight),
    .init("v_proj.weight", \.valueWeight),
    .init("o_proj.weight", \.outputWeight, .residual),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.configuration = configuration
    let D = configuration.width
    queryWeight = .weight(D, D, using: &generator)
    keyWeight = .weight(D, D, using: &generator)
    valueWeight = .weight(D, D, using: &generator)
    outputWeight = .weight(D, D, using: &generator)
  }

  public func initialState(batch: Int) -> State {
    let (H, K) = (configuration.heads, configuration.width / configuration.heads)
    return State(
      memory: Tensor(zeros: [batch, H, K, K]), normalizer: Tensor(zeros: [batch, H, K, 1]),
      position: Array(repeating: 0, count: batch))
  }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let (B, T, D, H) = (x.shape[0], x.shape[1], configuration.width, configuration.heads)
    let K = D / H
    let positions = resets.positions(steps: T, advancing: &state.position)
    func features(_ weight: Tensor) -> Tensor {
      activate(linear(x, weight), .eluPlusOne).reshaped([B, T, H, K])
    }
    func rotated(_ features: Tensor) -> Tensor {
      configuration.rotates ? rotary(features, positions: positions, interleaved: true) : features
    }
    let q = features(queryWeight), k = features(keyWeight)
    let sums = OuterProduct.run(
      q: rotated(q), k: rotated(k), v: linear(x, valueWeight).reshaped([B, T, H, K]), form: form,
      resets: resets,
      state: &state.memory)
    let weights = OuterProduct.run(
      q: q, k: k, v: Tensor(ones: [B, T, H, 1]), form: form, resets: resets, state: &state.normalizer)
    let y = divided(sums, by: added(weights, Tensor([configuration.epsilon])))
    return linear(y.reshaped([B, T, D]), outputWeight)
  }
}
