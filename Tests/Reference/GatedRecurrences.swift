/// minGRU and RG-LRU in Double, token by token, as their papers write them.

import Foundation

extension MixerReference {
  /// The depthwise filter over the last W inputs, without an activation.
  private func filtered(_ name: String, _ x: [[Double]], at t: Int) -> [Double] {
    let bias = self[name + ".bias"], weight = self[name + ".weight"], W = weight.count / bias.count
    return bias.indices.map { e in
      (0..<W).reduce(bias[e]) {
        let s = t - (W - 1) + $1
        return s < 0 ? $0 : $0 + weight[e * W + $1] * x[s][e]
      }
    }
  }

  /// Feng et al. 2024, §3.1 and the activation g of Appendix B.
  package func minGRU(_ x: [[Double]], convolves: Bool) -> [[Double]] {
    var h: [Double] = []
    return x.indices.map { t in
      let projected = product("to_hidden_and_gate.weight", convolves ? filtered("conv1d", x, at: t) : x[t])
      let E = projected.count / 2
      if h.isEmpty { h = [Double](repeating: 0, count: E) }
      for e in 0..<E {
        let z = sigmoid(projected[E + e]), candidate = projected[e]
        h[e] = (1 - z) * h[e] + z * (candidate >= 0 ? candidate + 0.5 : sigmoid(candidate))
      }
      return product("to_out.weight", h)
    }
  }

  /// De et al. 2024, equations 1 to 4 in the block of Figure 2; the first token's input is not scaled.
  package func rgLRU(_ x: [[Double]], heads H: Int) -> [[Double]] {
    let E = self["linear_x.bias"].count, K = E / H
    let branch = x.map { sum(product("linear_x.weight", $0), self["linear_x.bias"]) }
    var h = [Double](repeating: 0, count: E)
    return x.indices.map { t in
      let u = filtered("conv_1d", branch, at: t)
      func gate(_ name: String) -> [Double] {
        let weight = self["rg_lru.\(name)_weight"], bias = self["rg_lru.\(name)_bias"]
        return (0..<E).map { e in
          let (block, j) = (e / K, e % K)
          return sigmoid(
            (0..<K).reduce(bias[e]) { $0 + u[block * K + $1] * weight[(block * K + $1) * K + j] })
        }
      }
      let r = gate("recurrent_gate"), i = gate("input_gate")
      for e in 0..<E {
        let a = exp(-8 * softplus(self["rg_lru.recurrent_param"][e]) * r[e])
        h[e] = a * h[e] + (t == 0 ? 1 : (1 - a * a).squareRoot()) * i[e] * u[e]
      }
      let y = sum(product("linear_y.weight", x[t]), self["linear_y.bias"]).map(gelu)
      return sum(product("linear_out.weight", (0..<E).map { h[$0] * y[$0] }), self["linear_out.bias"])
    }
  }
}
