/// Causal linear attention (Katharopoulos et al. 2020, "Transformers are RNNs", §3.2 and §3.3).
///
///     S_t = S_{t−1} + φ(k_t)ᵀ v_t;   z_t = z_{t−1} + φ(k_t);   y_t = φ(q_t) S_t / (φ(q_t) · z_t)
///
/// φ(x) = elu(x) + 1 (equation 7). The normaliser z is one more column of S, driven by a value of one, so that
/// numerator and denominator come from the same recurrence in every form.

import RunnelRecurrences
import RunnelTensors

public struct LinearAttention: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    public var width: Int
    public var heads: Int
    /// Added to the denominator, which is positive but may be tiny; the authors' code has the same.
    public var epsilon: Float
    public static let mlp = MLPKind.gated(ratio: 8.0 / 3)
    public static let forgets = false

    public init(width: Int) {
      self.init(width: width, heads: max(1, max(min(2, width / 8), width / 64)))
    }
    public init(width: Int, heads: Int, epsilon: Float = 1e-6) {
      self.width = width
      self.heads = heads
      self.epsilon = epsilon
    }
    public func withHeads(_ heads: Int) throws -> Self { Self(width: width, heads: heads, epsilon: epsilon) }
    public func validate() throws {
      try ConfigurationError.requirePositive(["width": width, "heads": heads])
      try ConfigurationError.requireDivisible("width", width, by: "heads", heads)
    }
  }

  public struct State: RecurrentState {
    /// S with z as its last column, [B H K V+1].
    public var memory: Tensor
    public static let tensors: [StateField<Self, Tensor>] = [.init("memory", \.memory)]
  }

  public static let description = MixerDescription(
    name: "linear-attention", title: "Linear attention", paper: "Katharopoulos et al. 2020, arXiv:2006.16236",
    recurrence: "S = S + φ(k)ᵀ v, z = z + φ(k), y = φ(q) S / φ(q) z", state: "H K (V + 1)",
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
    return State(memory: Tensor(zeros: [batch, H, K, K + 1]))
  }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let (B, T, D, H) = (x.shape[0], x.shape[1], configuration.width, configuration.heads)
    let K = D / H
    func features(_ weight: Tensor) -> Tensor {
      activate(linear(x, weight), .eluPlusOne).reshaped([B, T, H, K])
    }
    let values = linear(x, valueWeight).reshaped([B, T, H, K])
    let sums = OuterProduct.run(
      q: features(queryWeight), k: features(keyWeight),
      v: concatenated([values, Tensor(ones: [B, T, H, 1])]), decay: .none, form: form, resets: resets,
      state: &state.memory)
    let parts = split(sums, sizes: [K, 1])
    let y = divided(parts[0], by: added(parts[1], Tensor([configuration.epsilon])))
    return linear(y.reshaped([B, T, D]), outputWeight)
  }
}
