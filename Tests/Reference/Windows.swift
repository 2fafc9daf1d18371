/// Attention over windows of tokens in Double, token by token.

import Foundation

/// y_t = Σ softmax(scale q_t · k_s) v_s over the last W tokens of the document. Rings [W G K] and [W G V] per
/// row hold the token at position p in slot p mod W.
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

  func affine(_ name: String, _ x: [Double]) -> [Double] {
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
        let scores = seen.map { s in
          (0..<K).reduce(0) { $0 + q[h * K + $1] * k[s][g * K + $1] } / Double(K).squareRoot()
        }
        let largest = scores.max() ?? 0, weights = scores.map { exp($0 - largest) }
        let total = weights.reduce(0, +)
        y += (0..<K).map { j in zip(seen, weights).reduce(0) { $0 + $1.1 / total * v[$1.0][g * K + j] } }
      }
      return affine("o_proj", y)
    }
  }
}

/// y_t = Σ relu(q_t · k_s / C)² v_s over the chunk of t so far + q'_t Σ k'_sᵀ v_s / C over the chunks before.
/// The last C tokens of a document lie in slot p mod C of the rings; M has what full chunks left.
package func chunkAttentionReference(
  localQuery q: [Double], localKey k: [Double], linearQuery: [Double], linearKey: [Double], value v: [Double],
  localKeys: [Double], linearKeys: [Double], values: [Double], sum M: [Double], counts: [Int], batch: Int,
  steps: Int, S: Int, E: Int, chunk C: Int, resets: [[Int]]
) -> (y: [Double], localKeys: [Double], linearKeys: [Double], values: [Double], sum: [Double]) {
  var (localKeys, linearKeys, values, M) = (localKeys, linearKeys, values, M), y: [Double] = []
  for b in 0..<batch {
    var position = counts[b]
    for t in 0..<steps {
      if b < resets.count, resets[b].contains(t) {
        position = 0
        for i in 0..<C * S { (localKeys[b * C * S + i], linearKeys[b * C * S + i]) = (0, 0) }
        for i in 0..<C * E { values[b * C * E + i] = 0 }
        for i in 0..<S * E { M[b * S * E + i] = 0 }
      }
      let token = b * steps + t, ring = b * C, own = ring + position % C
      for i in 0..<S {
        localKeys[own * S + i] = k[token * S + i]
        linearKeys[own * S + i] = linearKey[token * S + i]
      }
      for j in 0..<E { values[own * E + j] = v[token * E + j] }
      let weights = (0...position % C).map { slot in
        let score = (0..<S).reduce(0) { $0 + q[token * S + $1] * localKeys[(ring + slot) * S + $1] }
        return pow(max(0, score / Double(C)), 2)
      }
      for j in 0..<E {
        let near = weights.indices.reduce(0) { $0 + weights[$1] * values[(ring + $1) * E + j] }
        let far = (0..<S).reduce(0) { $0 + linearQuery[token * S + $1] * M[(b * S + $1) * E + j] }
        y.append(near + far / Double(C))
      }
      position += 1
      if position % C == 0 {
        for slot in ring..<ring + C {
          for i in 0..<S {
            for j in 0..<E { M[(b * S + i) * E + j] += linearKeys[slot * S + i] * values[slot * E + j] }
          }
        }
      }
    }
  }
  return (y, localKeys, linearKeys, values, M)
}

extension MixerReference {
  /// Hua et al. 2022, §2.1 and §3.2, both parts scaled by the chunk, position by rotation.
  package func flash(_ x: [[Double]], chunk C: Int) -> [[Double]] {
    let E = self["to_hidden.0.bias"].count / 2, S = self["to_qk.0.bias"].count
    let hidden = x.map { affine("to_hidden.0", $0).map(silu) }
    /// For each token the heads q, q', k, k'.
    let heads = x.enumerated().map { t, x in
      let z = affine("to_qk.0", x).map(silu)
      return (0..<4).map { head in
        let scaled = (0..<S).map {
          self["qk_offset_scale.gamma"][head * S + $0] * z[$0] + self["qk_offset_scale.beta"][head * S + $0]
        }
        return turned(scaled, headWidth: S, rotated: S, position: t)
      }
    }
    return x.indices.map { t in
      var y = [Double](repeating: 0, count: E)
      for s in 0...t {
        let isNear = s / C == t / C
        let score = zip(heads[t][isNear ? 0 : 1], heads[s][isNear ? 2 : 3]).reduce(0) { $0 + $1.0 * $1.1 }
        let weight = isNear ? pow(max(0, score / Double(C)), 2) : score / Double(C)
        for j in 0..<E { y[j] += weight * hidden[s][j] }
      }
      return affine("to_out", (0..<E).map { hidden[t][E + $0] * y[$0] })
    }
  }
}
