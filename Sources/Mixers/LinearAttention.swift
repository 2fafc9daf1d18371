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

import RunnelRecurrences
import RunnelTensors

/// Sums of keys times values without decay, divided by the sum of weights.
public struct LinearAttention: SequenceMixer {
  public struct Configuration: MixerConfiguration {
    /// What `settings` says of each.
    public var width = 0, heads = 0, keyValueHeads = 0, valueWidth = 0, featureWidth = 0
    public var epsilon: Float = 1e-6, normEpsilon: Float = 1e-5
    public var featureMap = FeatureMap.eluPlusOne
    public var rotates = true, hasNormScale = true
    public var queriesSumToOne = false, keysSumToOne = false, scalesQueries = false
    /// Never nil once the configuration is made.
    public var hasNormalizer: Bool?, hasNorm: Bool?
    public init() {}

    public static let settings: [Setting<Self>] = [
      .heads(\.heads),
      .keyValueHeads(\.keyValueHeads) { $0.heads },
      .valueWidth(\.valueWidth) { $0.width / $0.heads },
      Setting(
        "epsilon", \.epsilon, "added to the denominator, which may be tiny",
        Rule("be 0 or more") { value, _ in value >= 0 }),
      Setting("rotates", \.rotates, "whether features are rotated by their position"),
      Setting("feature_map", \.featureMap, "what makes features of queries and keys"),
      Setting(
        "feature_width", \.featureWidth,
        "F: the projections to a head's query and key, of which the map makes features",
        Rule("be positive, and even where features are rotated") { value, own in
          value > 0 && (!own.rotates || value % 2 == 0)
        }
      ) { $0.featureMap == .taylor ? min(16, $0.width / $0.heads) : $0.width / $0.heads },
      Setting("has_normalizer", \.hasNormalizer, "whether the sum of weights divides the output") {
        $0.featureMap.isPositive
      },
      Setting("has_norm", \.hasNorm, "whether each head's output is normalised") {
        !$0.featureMap.isPositive
      },
      .hasNormScale(\.hasNormScale), .normEpsilon(\.normEpsilon),
      Setting("queries_sum_to_one", \.queriesSumToOne, "whether a query's features are divided by their sum"),
      Setting("keys_sum_to_one", \.keysSumToOne, "whether a key's features are divided by their sum"),
      Setting("scales_queries", \.scalesQueries, "whether queries are scaled by 1/√K for K features"),
    ]
    public static let feedForward = FeedForwardKind.gated(ratio: 8.0 / 3)
    public static let forgets = false
  }

  public static let description = MixerDescription(
    name: "linear-attention", title: "Linear attention", paper: "Katharopoulos et al. 2020, arXiv:2006.16236",
    recurrence: "S = S + φ(k)ᵀ v, z = z + φ(k), y = φ(q) S / φ(q) z", state: "H K (V + 1)",
    cost: "4 H K (V + 1)",
    parallelForm: "masked product")

  public let configuration: Configuration
  let queryWeight, keyWeight, valueWeight, outputWeight: Weight
  let queryMap, keyMap: LearntMap
  /// [V], the same for all heads; absent where there is no norm.
  let normScale: Tensor

  public init(_ configuration: Configuration, at depth: Depth, from p: Parameters) {
    self.configuration = configuration
    let (D, H, G) = (configuration.width, configuration.heads, configuration.keyValueHeads)
    let (F, V) = (configuration.featureWidth, configuration.valueWidth)
    queryWeight = p.matrix("q_proj.weight", [H * F, D])
    keyWeight = p.matrix("k_proj.weight", [G * F, D])
    valueWeight = p.matrix("v_proj.weight", [G * V, D])
    queryMap = LearntMap(configuration.featureMap, "feature_map_q", width: F, from: p)
    keyMap = LearntMap(configuration.featureMap, "feature_map_k", width: F, from: p)
    normScale = p.tensor(
      "norm.weight", [V], .exempt, .ones,
      if: configuration.hasNorm == true && configuration.hasNormScale)
    outputWeight = p.matrix("o_proj.weight", [D, H * V], .residual)
  }

  public static let countsTokens = true
  /// S, [H K V] for K features, and z, without elements where there is no normaliser.
  public var memory: [StateTensor] {
    let (H, V) = (configuration.heads, configuration.valueWidth)
    let K = configuration.featureMap.count(of: configuration.featureWidth)
    return [
      StateTensor("memory", [H, K, V]),
      StateTensor("normalizer", [H, K, configuration.hasNormalizer == true ? 1 : 0]),
    ]
  }

  /// What is added to a sum of features that divides them, and ε of the normaliser; the ones that make such sums [1 K], absent
  /// where there are none.
  public typealias Constants = (least: Tensor, epsilon: Tensor, ones: Tensor)
  public var constants: Constants {
    let width = configuration.featureMap.count(of: configuration.featureWidth)
    let hasSums = configuration.queriesSumToOne || configuration.keysSumToOne
    return (
      Tensor([1e-4]), Tensor([configuration.epsilon]), hasSums ? Tensor(ones: [1, width]) : .absent
    )
  }

  public func run(
    _ x: Tensor, _ constants: Constants, form: Form, resets: Resets, state: inout RecurrentState
  ) -> Tensor {
    let (B, T, H, G) = (x.shape[0], x.shape[1], configuration.heads, configuration.keyValueHeads)
    let V = configuration.valueWidth
    let map = configuration.featureMap
    let positions = resets.positions(steps: T, advancing: &state.position)
    func rotated(_ x: Tensor, where condition: Bool) -> Tensor {
      configuration.rotates && condition ? rotary(x, positions: positions, interleaved: true) : x
    }
    func features(_ weight: Weight, _ heads: Int, _ learnt: LearntMap, sumToOne: Bool) -> Tensor {
      let projected = linear(x, weight).reshaped([B, T, heads, configuration.featureWidth])
      let features = map(rotated(projected, where: map.rotatesBefore), learnt)
      guard sumToOne else { return repeatedHeads(features, each: H / heads) }
      let sums = added(linear(features, constants.ones), constants.least)
      return repeatedHeads(divided(features, by: sums), each: H / heads)
    }
    var q = features(queryWeight, H, queryMap, sumToOne: configuration.queriesSumToOne)
    if configuration.scalesQueries { q = 1 / Float(q.shape.width).squareRoot() * q }
    let k = features(keyWeight, G, keyMap, sumToOne: configuration.keysSumToOne)
    let v = repeatedHeads(linear(x, valueWeight).reshaped([B, T, G, V]), each: H / G)
    var y = MatrixMemory.run(
      q: rotated(q, where: !map.rotatesBefore), k: rotated(k, where: !map.rotatesBefore), v: v, form: form,
      resets: resets, state: &state["memory"])
    if configuration.hasNormalizer == true {
      let weights = MatrixMemory.run(
        q: q, k: k, v: Tensor(ones: [B, T, H, 1]), form: form, resets: resets, state: &state["normalizer"])
      y = divided(y, by: added(weights, constants.epsilon))
    }
    if configuration.hasNorm == true { y = rmsNorm(y, scale: normScale, epsilon: configuration.normEpsilon) }
    return linear(y.reshaped([B, T, H * V]), outputWeight)
  }
}
