/// RWKV-6 and RWKV-7 in Double, token by token, one document in, its outputs out.

import Foundation

extension MixerReference {
  /// x W for W [in out], from element `start` of the parameter on.
  private func rowProduct(_ x: [Double], _ name: String, out: Int, from start: Int = 0) -> [Double] {
    let w = self[name]
    return (0..<out).map { j in x.indices.reduce(0) { $0 + x[$1] * w[start + $1 * out + j] } }
  }

  /// x + δ ⊙ share.
  private func shifted(_ x: [Double], _ delta: [Double], _ share: [Double]) -> [Double] {
    x.indices.map { x[$0] + delta[$0] * share[$0] }
  }

  /// The norm of each of `groups` heads with ln_x.
  private func groupNormed(_ y: [Double], groups: Int, epsilon: Double) -> [Double] {
    normReference(
      y, scale: self["ln_x.weight"], bias: self["ln_x.bias"], epsilon: epsilon, groups: groups, centred: true)
  }

  /// Peng et al. 2024, §4.2.
  package func rwkv6(_ x: [[Double]], heads H: Int, epsilon: Double) -> [[Double]] {
    let D = x[0].count, A = self["time_decay"].count, E = self["ln_x.weight"].count, K = A / H, V = E / H
    let R = self["time_maa_w1"].count / D / 5, G = self["time_decay_w1"].count / D
    var S = [Double](repeating: 0, count: A * V)
    return x.indices.map { t in
      let delta = x[t].indices.map { (t > 0 ? x[t - 1][$0] : 0) - x[t][$0] }
      let hidden = rowProduct(shifted(x[t], delta, self["time_maa_x"]), "time_maa_w1", out: 5 * R).map(tanh)
      let inputs = "wkvrg".enumerated().map { n, letter in
        let own = rowProduct(Array(hidden[n * R..<(n + 1) * R]), "time_maa_w2", out: D, from: n * R * D)
        return shifted(x[t], delta, sum(own, self["time_maa_\(letter)"]))
      }
      let k = product("key.weight", inputs[1]), v = product("value.weight", inputs[2])
      let r = product("receptance.weight", inputs[3]), gate = product("gate.weight", inputs[4])
      let w = sum(
        rowProduct(rowProduct(inputs[0], "time_decay_w1", out: G).map(tanh), "time_decay_w2", out: A),
        self["time_decay"])
      var y = [Double](repeating: 0, count: E)
      for i in 0..<A {
        for j in 0..<V {
          let e = i / K * V + j, written = k[i] * v[e]
          y[e] += r[i] * (S[i * V + j] + self["time_faaaa"][i] * written)
          S[i * V + j] = exp(-exp(w[i])) * S[i * V + j] + written
        }
      }
      let normed = groupNormed(y, groups: H, epsilon: epsilon)
      return product("output.weight", normed.indices.map { normed[$0] * silu(gate[$0]) })
    }
  }

  /// Peng et al. 2025, §4. `first` are the values of the first layer where this one is behind it, and the values
  /// that came out are returned.
  package func rwkv7(
    _ x: [[Double]], heads H: Int, epsilon: Double, keyEpsilon: Double, first: [[Double]] = []
  ) -> (y: [[Double]], values: [[Double]]) {
    let D = x[0].count, K = D / H
    func lowRank(_ letter: String, _ x: [Double], _ f: (Double) -> Double = { $0 }) -> [Double] {
      let R = self[letter + "1"].count / D
      let y = rowProduct(rowProduct(x, letter + "1", out: R).map(f), letter + "2", out: D)
      return self[letter + "0"].isEmpty ? y : sum(y, self[letter + "0"])
    }
    var S = [Double](repeating: 0, count: D * K)
    var values: [[Double]] = []
    let outputs = x.indices.map { t in
      let delta = x[t].indices.map { (t > 0 ? x[t - 1][$0] : 0) - x[t][$0] }
      func input(_ letter: String) -> [Double] { shifted(x[t], delta, self["x_" + letter]) }
      let r = product("receptance.weight", input("r")), key = product("key.weight", input("k"))
      var v = product("value.weight", input("v"))
      if !first.isEmpty {
        let part = lowRank("v", input("v")).map(sigmoid)
        v = v.indices.map { v[$0] + (first[t][$0] - v[$0]) * part[$0] }
      }
      values.append(v)
      let a = lowRank("a", input("a")).map(sigmoid)
      let w = lowRank("w", input("w"), tanh).map { exp(-0.6065306597126334 * sigmoid($0)) }
      let g = lowRank("g", input("g"), sigmoid)
      let k = key.indices.map { key[$0] * (1 + (a[$0] - 1) * self["k_a"][$0]) }
      let raw = zip(key, self["k_k"]).map { $0 * $1 }
      var y = [Double](repeating: 0, count: D), seen = y
      for h in 0..<H {
        let head = h * K..<(h + 1) * K
        let size = (head.reduce(0) { $0 + raw[$1] * raw[$1] } + keyEpsilon).squareRoot()
        let before = S
        for j in 0..<K {
          let held = head.reduce(0) { $0 + raw[$1] / size * before[$1 * K + j] }
          for i in head {
            S[i * K + j] = w[i] * before[i * K + j] - raw[i] / size * a[i] * held + k[i] * v[h * K + j]
            y[h * K + j] += r[i] * S[i * K + j]
            seen[h * K + j] += r[i] * k[i] * self["r_k"][i] * v[h * K + j]
          }
        }
      }
      let normed = groupNormed(y, groups: H, epsilon: epsilon)
      return product("output.weight", normed.indices.map { (normed[$0] + seen[$0]) * g[$0] })
    }
    return (outputs, values)
  }
}
