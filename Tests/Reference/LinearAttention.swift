/// Linear attention in Double, token by token, with every feature map.

import Foundation

/// The features of one head, by the map's name in a configuration.
private func features(_ x: [Double], _ map: String) -> [Double] {
  let F = Double(x.count)
  switch map {
  case "elu-plus-one": return x.map { $0 > 0 ? $0 + 1 : exp($0) }
  case "relu": return x.map { max(0, $0) }
  case "exp": return x.map(exp)
  case "softmax":
    let largest = x.max() ?? 0, weights = x.map { exp($0 - largest) }
    return weights.map { $0 / weights.reduce(0, +) }
  case "cosine":
    let norm = x.reduce(F * 1e-12) { $0 + $1 * $1 }.squareRoot()
    return [1] + x.map { $0 / norm }
  case "taylor":
    // All F² products, as in the paper.
    let u = x.map { $0 / F.squareRoot().squareRoot() }
    return [1] + u + u.flatMap { a in u.map { a * $0 / 2.0.squareRoot() } }
  default: return x
  }
}

extension MixerReference {
  /// The pairs (2i, 2i + 1) of one head turned by their position.
  private func turnedPairs(_ x: [Double], _ t: Int) -> [Double] {
    var y = x
    for pair in 0..<x.count / 2 {
      let angle = Double(t) * pow(10_000, -Double(2 * pair) / Double(x.count)),
        (a, b) = (2 * pair, 2 * pair + 1)
      y[a] = rounding(x[a] * cos(angle)) - rounding(x[b] * sin(angle))
      y[b] = rounding(x[a] * sin(angle)) + rounding(x[b] * cos(angle))
    }
    return y
  }

  /// The features of a map with parameters: (A x + a) ⊙ (B x + b), softmax(±2 (A x + a)), relu(A x).
  private func learnt(_ x: [Double], _ map: String, _ name: String) -> [Double]? {
    func affine(_ layer: Int) -> [Double] {
      let bias = self["\(name)\(layer).bias"], y = product("\(name)\(layer).weight", x)
      return bias.isEmpty ? y : sum(y, bias)
    }
    switch map {
    case "product": return zip(affine(1), affine(2)).map { $0 * $1 }
    case "hedgehog":
      let y = affine(1).map { 2 * $0 }
      return features(y + y.map { -$0 }, "softmax")
    case "projected-relu": return affine(1).map { max(0, $0) }
    default: return nil
    }
  }

  /// Katharopoulos et al. 2020, equations 16 to 20, with the authors' ε in the denominator. Position turns
  /// the features of the numerator, or what is mapped; the identity has a norm for a normaliser.
  package func linearAttention(
    _ x: [[Double]], heads H: Int, map: String = "elu-plus-one", epsilon: Double, normEpsilon: Double = 0,
    rotates: Bool
  ) -> [[Double]] {
    let V = x[0].count / H, turnsInput = map == "cosine" || map == "taylor"
    /// For each head the features in the numerator and in the denominator.
    func heads(_ name: String, _ t: Int) -> [(above: [Double], below: [Double])] {
      let all = product(name, x[t]), F = all.count / H
      return (0..<H).map { h in
        let own = Array(all[h * F..<(h + 1) * F])
        if turnsInput {
          let both = features(rotates ? turnedPairs(own, t) : own, map)
          return (both, both)
        }
        let below = learnt(own, map, "feature_map_\(name.prefix(1)).layer") ?? features(own, map)
        return (rotates ? turnedPairs(below, t) : below, below)
      }
    }
    let q = x.indices.map { heads("q_proj.weight", $0) }, k = x.indices.map { heads("k_proj.weight", $0) }
    let v = x.map { product("v_proj.weight", $0) }
    return x.indices.map { t in
      var y = [Double](repeating: 0, count: H * V)
      for h in 0..<H {
        var normaliser = epsilon
        for s in 0...t {
          let weight = zip(q[t][h].above, k[s][h].above).reduce(0) { $0 + $1.0 * $1.1 }
          normaliser += zip(q[t][h].below, k[s][h].below).reduce(0) { $0 + $1.0 * $1.1 }
          for j in 0..<V { y[h * V + j] += weight * v[s][h * V + j] }
        }
        if map != "identity" && map != "product" { for j in h * V..<(h + 1) * V { y[j] /= normaliser } }
      }
      if map == "identity" || map == "product" {
        let scale = (0..<H).flatMap { _ in self["norm.weight"] }
        y = normalized(y, groups: H, epsilon: normEpsilon, scale: scale)
      }
      return product("o_proj.weight", y)
    }
  }
}
