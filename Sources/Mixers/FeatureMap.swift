/// What linear attention makes of queries and keys, so that their products stand for softmax's exponential.

import RunnelTensors

public enum FeatureMap: String, Codable, Sendable, CaseIterable {
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

  /// How many features F projections become.
  public func count(of F: Int) -> Int {
    switch self {
    case .eluPlusOne, .relu, .exp, .softmax, .identity: F
    case .cosine: F + 1
    case .taylor: taylorWidth(F)
    }
  }

  /// Whether the sum of weights divides the output.
  public var hasNormalizer: Bool { self != .identity }

  /// Whether positions turn the projections, not the features. The products of these maps stay positive for
  /// any projections, so the normaliser may see the rotation as well.
  var rotatesBefore: Bool { self == .cosine || self == .taylor }

  /// [… F] → [… count].
  func callAsFunction(_ x: Tensor) -> Tensor {
    switch self {
    case .eluPlusOne: return activate(x, .eluPlusOne)
    case .relu: return activate(x, .relu)
    case .exp: return activate(x, .exp)
    case .softmax: return RunnelTensors.softmax(x)
    case .taylor: return taylorFeatures(x)
    case .identity: return x
    case .cosine:
      // The root mean square is |x| / √F.
      let unit = 1 / Float(x.shape.width).squareRoot() * rmsNorm(x, epsilon: 1e-12)
      return concatenated([Tensor(ones: x.shape.with(width: 1)), unit])
    }
  }
}
