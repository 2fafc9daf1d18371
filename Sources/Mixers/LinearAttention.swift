/// Causal linear attention (Katharopoulos et al. 2020, "Transformers are RNNs", §3.2 and §3.3).
///
///     S_t = S_{t−1} + φ(k_t)ᵀ v_t;   z_t = z_{t−1} + φ(k_t);   y_t = φ(q_t) S_t / (φ(q_t) · z_t)
///
/// φ(x) = elu(x) + 1 (equation 7), or another feature map. The recurrence itself does not see order, so the
/// features in the numerator, and only there, are rotated by their position (Su et al. 2021, "RoFormer",
/// §3.3, equation 19): the denominator stays positive. The normaliser z is a second state of the same
/// recurrence, driven by a value of one.
///
/// Maps whose products are positive for any projections are rotated before the map instead, and the
/// normaliser with them. The identity has no normaliser; each head's output is divided by its root mean
/// square.

import RunnelKernels
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
    public var featureMap: FeatureMap
    /// F: the projections to a head's query and key, of which the map makes features.
    public var featureWidth: Int
    /// Of the norm that stands in for the normaliser.
    public var normEpsilon: Float
    public static let feedForward = FeedForwardKind.gated(ratio: 8.0 / 3)
    public static let forgets = false

    public init(width: Int) {
      self.init(width: width, heads: max(1, max(min(2, width / 8), width / 64)))
    }
    /// Features are as many as values, or with the Taylor map at most 16 (Arora et al. 2024, §3.1).
    public init(
      width: Int, heads: Int, epsilon: Float = 1e-6, rotates: Bool = true,
      featureMap: FeatureMap = .eluPlusOne,
      featureWidth: Int? = nil, normEpsilon: Float = 1e-5
    ) {
      self.width = width
      self.heads = heads
      self.epsilon = epsilon
      self.rotates = rotates
      self.featureMap = featureMap
      self.featureWidth =
        featureWidth ?? Self.featureWidth(of: featureMap, headWidth: width / max(1, heads))
      self.normEpsilon = normEpsilon
    }
    /// Files of before there was a choice of maps have the first one.
    public init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      self.init(
        width: try container.decode(Int.self, forKey: .width),
        heads: try container.decode(Int.self, forKey: .heads),
        epsilon: try container.decode(Float.self, forKey: .epsilon),
        rotates: try container.decode(Bool.self, forKey: .rotates),
        featureMap: try container.decodeIfPresent(FeatureMap.self, forKey: .featureMap) ?? .eluPlusOne,
        featureWidth: try container.decodeIfPresent(Int.self, forKey: .featureWidth),
        normEpsilon: try container.decodeIfPresent(Float.self, forKey: .normEpsilon) ?? 1e-5)
    }
    private static func featureWidth(of map: FeatureMap, headWidth: Int) -> Int {
      map == .taylor ? min(16, headWidth) : headWidth
    }
    public func withHeads(_ heads: Int) throws -> Self {
      let isDefault =
        self.heads > 0 && featureWidth == Self.featureWidth(of: featureMap, headWidth: width / self.heads)
      return Self(
        width: width, heads: heads, epsilon: epsilon, rotates: rotates, featureMap: featureMap,
        featureWidth: isDefault ? nil : featureWidth, normEpsilon: normEpsilon)
    }
    public func validate() throws {
      try ConfigurationError.requirePositive([
        "width": width, "heads": heads, "feature_width": featureWidth,
      ])
      try ConfigurationError.requireDivisible("width", width, by: "heads", heads)
      if rotates { try ConfigurationError.requirePairs("feature_width", featureWidth) }
      guard normEpsilon > 0, normEpsilon.isFinite else {
        throw ConfigurationError("norm_epsilon is \(normEpsilon); it must be positive")
      }
      // The Taylor map squares the width, so that the state may not fit where the weights do.
      let features =
        featureMap == .taylor ? Double(featureWidth) * Double(featureWidth) : Double(featureWidth)
      guard 4 * features * Double(width) <= Double(Machine.physicalMemory) else {
        throw ConfigurationError(
          "a state of \(features) features for \(width) values does not fit into memory")
      }
    }
  }

  public struct State: RecurrentState {
    /// S, [B H K V] for K features.
    public var memory: Tensor
    /// z, [B H K 1]; without elements where there is no normaliser.
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
  /// [V], the same for all heads; absent where there is a normaliser.
  var normScale: Tensor

  public static let fields: [Field<Self>] = [
    .init("q_proj.weight", \.queryWeight),
    .init("k_proj.weight", \.keyWeight),
    .init("v_proj.weight", \.valueWeight),
    .init("norm.weight", \.normScale, .exempt),
    .init("o_proj.weight", \.outputWeight, .residual),
  ]

  public init(_ configuration: Configuration, using generator: inout some RandomNumberGenerator) {
    self.configuration = configuration
    let (D, H) = (configuration.width, configuration.heads)
    queryWeight = .weight(H * configuration.featureWidth, D, using: &generator)
    keyWeight = .weight(H * configuration.featureWidth, D, using: &generator)
    valueWeight = .weight(D, D, using: &generator)
    outputWeight = .weight(D, D, using: &generator)
    normScale = configuration.featureMap.hasNormalizer ? .absent : Tensor(ones: [D / H])
  }

  public func initialState(batch: Int) -> State {
    let (H, V) = (configuration.heads, configuration.width / configuration.heads)
    let map = configuration.featureMap, K = map.count(of: configuration.featureWidth)
    return State(
      memory: Tensor(zeros: [batch, H, K, V]),
      normalizer: Tensor(zeros: [batch, H, K, map.hasNormalizer ? 1 : 0]),
      position: Array(repeating: 0, count: batch))
  }

  public func run(_ x: Tensor, form: Form, resets: Resets, state: inout State) -> Tensor {
    let (B, T, D, H) = (x.shape[0], x.shape[1], configuration.width, configuration.heads)
    let map = configuration.featureMap
    let positions = resets.positions(steps: T, advancing: &state.position)
    func rotated(_ x: Tensor, where condition: Bool) -> Tensor {
      configuration.rotates && condition ? rotary(x, positions: positions, interleaved: true) : x
    }
    func features(_ weight: Tensor) -> Tensor {
      let projected = linear(x, weight).reshaped([B, T, H, configuration.featureWidth])
      return map(rotated(projected, where: map.rotatesBefore))
    }
    let q = features(queryWeight), k = features(keyWeight)
    let sums = OuterProduct.run(
      q: rotated(q, where: !map.rotatesBefore), k: rotated(k, where: !map.rotatesBefore),
      v: linear(x, valueWeight).reshaped([B, T, H, D / H]), form: form, resets: resets, state: &state.memory)
    guard map.hasNormalizer else {
      let y = rmsNorm(sums, scale: normScale, epsilon: configuration.normEpsilon)
      return linear(y.reshaped([B, T, D]), outputWeight)
    }
    let weights = OuterProduct.run(
      q: q, k: k, v: Tensor(ones: [B, T, H, 1]), form: form, resets: resets, state: &state.normalizer)
    let y = divided(sums, by: added(weights, Tensor([configuration.epsilon])))
    return linear(y.reshaped([B, T, D]), outputWeight)
  }
}
