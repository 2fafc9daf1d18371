/// Attention over windows of tokens in Double, token by token.

import Foundation

/// y_t = Σ softmax(scale q_t · k_s) v_s over the last W tokens of the document. Rings [W G K] and [W G V] per row hold
/// the token at position p in slot p mod W.
package func windowReference(
  q: [Double], k: [Double], v: [Double], keys: [Double], values: [Double], counts: [Int], scale: Double,
  batch: Int, steps: Int, heads H: Int, groups G: Int, K: Int, V: Int, window W: Int, resets: [[Int]]
) -> (y: [Double], keys: [Double], values: [Double]) {
  var y: [Double] = [], keys = keys, values = values
  for b in 0..<batch {
    var position = counts[b]
    for t in 0..<steps {
      if b < resets.count, resets[b].contains(t) {
        position = 0
        for i in b * W * G * K..<(b + 1) * W * G * K { keys[i] = 0 }
        for i in b * W * G * V..<(b + 1) * W * G * V { values[i] = 0 }
      }
      let token = (b * steps + t) * G, own = (b * W + position % W) * G
      for i in 0..<G * K { keys[own * K + i] = k[token * K + i] }
      for i in 0..<G * V { values[own * V + i] = v[token * V + i] }
      position += 1
      for h in 0..<H {
        let g = h / (H / G), query = ((b * steps + t) * H + h) * K
        let weights = (0..<min(position, W)).map { slot in
          exp(scale * (0..<K).reduce(0) { $0 + q[query + $1] * keys[((b * W + slot) * G + g) * K + $1] })
        }
        let total = weights.reduce(0, +)
        for j in 0..<V {
          y.append(
            weights.indices.reduce(0) { $0 + weights[$1] / total * values[((b * W + $1) * G + g) * V + j] })
        }
      }
    }
  }
  return (y, keys, values)
}

extension MixerReference {
  /// The first R of the K features of each head turned by position · 10000^(−2i/R), i against i + R/2.
  func turned(_ x: [Double], headWidth K: Int, rotated R: Int, position: Int) -> [Double] {
    var y = x
    for head in 0..<x.count / K {
      for i in 0..<R / 2 {
        let angle = Double(position) * pow(10_000, -Double(2 * i) / Double(R))
        let (a, b) = (head * K + i, head * K + R / 2 + i)
        y[a] = x[a] * cos(angle) - x[b] * sin(angle)
        y[b] = x[b] * cos(angle) + x[a] * sin(angle)
      }
    }
    return y
  }

  private func affine(_ name: String, _ x: [Double]) -> [Double] {
    let y = product(name + ".weight", x), bias = self[name + ".bias"]
    return bias.isEmpty ? y : sum(y, bias)
  }

  /// Vaswani et al. 2017, equation 1, over the last W tokens.
  package func attention(_ x: [[Double]], headWidth K: Int, rotated R: Int, window W: Int) -> [[Double]] {
    func heads(_ name: String, _ t: Int) -> [Double] {
      turned(affine(name, x[t]), headWidth: K, rotated: R, position: t)
    }
    let k = x.indices.map { heads("k_proj", $0) }, v = x.map { affine("v_proj", $0) }
    return x.indices.map { t in
      let q = heads("q_proj", t), shared = q.count / k[t].count
      let seen = max(0, t - W + 1)...t
      var y: [Double] = []
      for h in 0..<q.count / K {
        let g = h / shared
        let weights = seen.map { s in
          exp((0..<K).reduce(0) { $0 + q[h * K + $1] * k[s][g * K + $1] } / Double(K).squareRoot())
        }
        let total = weights.reduce(0, +)
        y += (0..<K).map { j in zip(seen, weights).reduce(0) { $0 + $1.1 / total * v[$1.0][g * K + j] } }
      }
      return affine("o_proj", y)
    }
  }
}
