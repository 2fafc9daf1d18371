/// RWKV in Double: version 4's weighted mean as a recurrence, and the mixers token by token.

import Foundation

/// y = (A + e^(u+k) v) / (B + e^(u+k)), then A = e^w A + e^k v and B = e^w B + e^k.
///
/// k, v [B T D], w, u [D]; A and B [B D], their sums before the first token → y [B T D] and the sums behind
/// the last.
package func wkvReference(
  k: [Double], v: [Double], w: [Double], u: [Double], numerator: [Double], denominator: [Double],
  batch: Int, steps: Int, resets: [[Int]] = []
) -> (y: [Double], numerator: [Double], denominator: [Double]) {
  let D = w.count
  var (A, B) = (numerator, denominator)
  var y = [Double](repeating: 0, count: k.count)
  for row in 0..<batch {
    for t in 0..<steps {
      for d in 0..<D {
        let i = (row * steps + t) * D + d, j = row * D + d
        if row < resets.count && resets[row].contains(t) { (A[j], B[j]) = (0, 0) }
        let own = exp(u[d] + k[i])
        y[i] = (A[j] + own * v[i]) / (B[j] + own)
        A[j] = exp(w[d]) * A[j] + exp(k[i]) * v[i]
        B[j] = exp(w[d]) * B[j] + exp(k[i])
      }
    }
  }
  return (y, A, B)
}

extension MixerReference {
  /// μ ⊙ x_t + (1 − μ) ⊙ x_{t−1}, with nothing before the first token.
  func timeMixed(_ x: [[Double]], at t: Int, _ name: String) -> [Double] {
    x[t].indices.map { d in
      let previous = t > 0 ? x[t - 1][d] : 0
      return self[name][d] * x[t][d] + (1 - self[name][d]) * previous
    }
  }

  /// Peng et al. 2023, equations 11 to 17, with the sums over all tokens written out.
  package func rwkv4(_ x: [[Double]]) -> [[Double]] {
    let k = x.indices.map { product("key.weight", timeMixed(x, at: $0, "time_mix_k")) }
    let v = x.indices.map { product("value.weight", timeMixed(x, at: $0, "time_mix_v")) }
    return x.indices.map { t in
      let r = product("receptance.weight", timeMixed(x, at: t, "time_mix_r"))
      let y = r.indices.map { d in
        let w = exp(self["time_decay"][d])
        // Of the token just before, nothing has decayed, however large w is.
        let logs =
          (0..<t).map { $0 == t - 1 ? k[$0][d] : -Double(t - 1 - $0) * w + k[$0][d] }
          + [self["time_first"][d] + k[t][d]]
        let largest = logs.max() ?? 0, weights = logs.map { exp($0 - largest) }
        let numerator = zip(weights, v).reduce(0) { $0 + $1.0 * $1.1[d] }
        return sigmoid(r[d]) * numerator / weights.reduce(0, +)
      }
      return product("output.weight", y)
    }
  }

  /// Peng et al. 2024, §4.1, by head; a decay and a bonus for each head are repeated over its channels.
  package func rwkv5(_ x: [[Double]], heads H: Int, epsilon: Double) -> [[Double]] {
    let A = self["ln_x.weight"].count, K = A / H
    func channel(_ name: String, _ i: Int) -> Double {
      self[name][self[name].count == A ? i : i / K]
    }
    var S = [Double](repeating: 0, count: A * K)
    return x.indices.map { t in
      let r = product("receptance.weight", timeMixed(x, at: t, "time_mix_r"))
      let k = product("key.weight", timeMixed(x, at: t, "time_mix_k"))
      let v = product("value.weight", timeMixed(x, at: t, "time_mix_v"))
      var y = [Double](repeating: 0, count: A)
      for i in 0..<A {
        let w = exp(-exp(channel("time_decay", i)))
        let u = self["time_first"].isEmpty ? channel("time_faaaa", i) : exp(channel("time_first", i))
        for j in 0..<K {
          let value = i / K * K + j
          y[value] += r[i] * (S[i * K + j] + u * k[i] * v[value])
          S[i * K + j] = w * S[i * K + j] + k[i] * v[value]
        }
      }
      let gate = self["gate.weight"].isEmpty ? [] : product("gate.weight", timeMixed(x, at: t, "time_mix_g"))
      let out = (0..<A).map { i in
        let head = y[i / K * K..<(i / K + 1) * K]
        let mean = head.reduce(0, +) / Double(K)
        let variance = head.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(K)
        let normed = (y[i] - mean) / (variance + epsilon).squareRoot()
        return (self["ln_x.weight"][i] * normed + self["ln_x.bias"][i]) * (gate.isEmpty ? 1 : silu(gate[i]))
      }
      return product("output.weight", out)
    }
  }

  /// The channel mix of versions 4 to 7: σ(r) ⊙ W_v relu(k)², in version 7 without r.
  package func channelMix(_ x: [[Double]], version: Int) -> [[Double]] {
    /// Versions 6 and 7 name the share of the token before.
    func operand(_ t: Int, _ letter: String) -> [Double] {
      if version < 6 { return timeMixed(x, at: t, "time_mix_" + letter) }
      let share = self[version == 6 ? "time_maa_" + letter : "x_" + letter]
      return x[t].indices.map { d in
        x[t][d] + share[d] * ((t > 0 ? x[t - 1][d] : 0) - x[t][d])
      }
    }
    return x.indices.map { t in
      let hidden = product("key.weight", operand(t, "k")).map { max(0, $0) * max(0, $0) }
      let y = product("value.weight", hidden)
      if version == 7 { return y }
      return zip(y, product("receptance.weight", operand(t, "r"))).map { $0 * sigmoid($1) }
    }
  }
}
