/// What linear attention makes of queries and keys, so that their products stand for softmax's exponential.

import RunnelTensors

public enum FeatureMap: String, SettingWord {
  /// elu(x) + 1 (Katharopoulos et al. 2020, equation 7).
  case eluPlusOne = "elu-plus-one"
  case relu
  /// exp x. A feature above 88 saturates, and sums of such overflow: for small projections only. `softmax` is
  /// the stable one.
  case exp
  /// The softmax over a head's features.
  case softmax
  /// [1, x / |x|], whose products are 1 + cos(q, k).
  case cosine
  /// The exponential's series to second order (Arora et al. 2024, "Based", §3.1).
  case taylor
  /// x itself. Products may be negative, so there is no normaliser; the output of a head is normalised
  /// instead (Qin et al. 2022, "The Devil in Linear Transformer", §4.1).
  case identity
  /// (A x + a) ⊙ (B x + b), learnt, of any sign.
  case product
  /// softmax([2 y, −2 y]) for y = A x + a, learnt (Zhang et al. 2024, "The Hedgehog & the Porcupine", §4.1).
  case hedgehog
  /// relu(A x), learnt (Kasai et al. 2021, "Finetuning Pretrained Transformers into RNNs", §2.2).
  case projectedReLU = "projected-relu"

  /// How many features F projections become.
  public func count(of F: Int) -> Int {
    switch self {
    case .eluPlusOne, .relu, .exp, .softmax, .identity, .product, .projectedReLU: F
    case .hedgehog: 2 * F
    case .cosine: F + 1
    case .taylor: taylorWidth(F)
    }
  }

  /// Whether features are positive, so that the sum of weights can divide the output.
  public var isPositive: Bool { self != .identity && self != .product }

  /// Whether positions turn the projections, not the features. The products of these maps stay positive for
  /// any projections, so the normaliser may see the rotation as well.
  var rotatesBefore: Bool { self == .cosine || self == .taylor }

  /// [… F] → [… count].
  func callAsFunction(_ x: Tensor, _ learnt: LearntMap) -> Tensor {
    switch self {
    case .eluPlusOne: return activate(x, .eluPlusOne)
    case .relu: return activate(x, .relu)
    case .exp: return activate(x, .exp)
    case .softmax: return RunnelTensors.softmax(x)
    case .taylor: return taylorFeatures(x)
    case .identity: return x
    case .product:
      return evaluate(
        linear(x, learnt.first, bias: learnt.firstBias)
          * linear(x, learnt.second, bias: learnt.secondBias))
    case .hedgehog:
      let y = linear(x, learnt.first, bias: learnt.firstBias)
      let (positive, negative) = evaluate(2 * y, -2 * y)
      return RunnelTensors.softmax(concatenated([positive, negative]))
    case .projectedReLU: return activate(linear(x, learnt.first), .relu)
    case .cosine:
      return concatenated([
        Tensor(ones: x.shape.with(width: 1)), unitRows(x, epsilon: 1e-12 * Float(x.shape.width)),
      ])
    }
  }
}

/// The parameters of a learnt map, the same for all heads; absent where the map has none.
struct LearntMap: Sendable {
  let first, firstBias, second, secondBias: Tensor

  /// - Parameter name: "feature_map_q" for "feature_map_q.layer1.weight".
  init(_ map: FeatureMap, _ name: String, width F: Int, from p: Parameters) {
    func layer(_ number: Int, _ beginning: Beginning = .usual, if present: Bool, biased: Bool) -> (
      Tensor, Tensor
    ) {
      (
        p.tensor("\(name).layer\(number).weight", [F, F], .weight, beginning, if: present),
        p.tensor("\(name).layer\(number).bias", [F], if: present && biased)
      )
    }
    // The hedgehog begins with the identity, as its authors start.
    let identity = Beginning.made { _, _ in Tensor((0..<F * F).map { $0 / F == $0 % F ? 1 : 0 }, [F, F]) }
    (first, firstBias) = layer(
      1, map == .hedgehog ? identity : .usual,
      if: map == .product || map == .hedgehog || map == .projectedReLU, biased: map != .projectedReLU)
    (second, secondBias) = layer(2, if: map == .product, biased: true)
  }
}
