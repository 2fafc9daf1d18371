/// mLSTM in Double, token by token.

import Foundation

/// Beck et al. 2024, equations 19 to 27, for one row and head: the gates' logarithms are ĩ and log f.
package struct ExponentialGatingReference {
  package var C: [Double], n: [Double]
  package let V: Int
  /// C and n are kept times e^−m: m is zero, or the stabiliser of equation 15.
  private var m: Double
  private let isStabilised: Bool

  package init(keyWidth K: Int, valueWidth V: Int, isStabilised: Bool = false) {
    (C, n, self.V) = ([Double](repeating: 0, count: K * V), [Double](repeating: 0, count: K), V)
    (m, self.isStabilised) = (isStabilised ? -.infinity : 0, isStabilised)
  }

  package mutating func step(
    q: [Double], k: [Double], v: [Double], logInput: Double, logForget: Double
  ) -> (h: [Double], weight: Double) {
    let next = isStabilised ? max(logForget + m, logInput) : 0
    let (f, i) = (exp(logForget + m - next), exp(logInput - next))
    m = next
    for row in n.indices {
      n[row] = f * n[row] + i * k[row]
      for j in 0..<V { C[row * V + j] = f * C[row * V + j] + i * k[row] * v[j] }
    }
    let weight = n.indices.reduce(0) { $0 + q[$1] * n[$1] }
    let h = (0..<V).map { j in n.indices.reduce(0) { $0 + q[$1] * C[$1 * V + j] } / max(abs(weight), exp(-m))
    }
    return (h, weight)
  }
}

extension MixerReference {
  /// Beck et al. 2024, §2.3, in the block of the authors' code.
  package func mlstm(_ u: [[Double]], heads H: Int, blockWidth b: Int, epsilon: Double) -> [[Double]] {
    let E = self["learnable_skip"].count, K = E / H
    let projected = u.map { product("proj_up.weight", $0) }
    let x = projected.map { Array($0[..<E]) }
    func blocks(_ name: String, _ x: [Double]) -> [Double] {
      (0..<E).map { row in
        (0..<b).reduce(0) { $0 + self[name][row * b + $1] * x[row / b * b + $1] }
      }
    }
    var cells = [ExponentialGatingReference](
      repeating: ExponentialGatingReference(keyWidth: K, valueWidth: K, isStabilised: true), count: H)
    return u.indices.map { t in
      let c = short("conv1d.conv", x, at: t, silu)
      let q = blocks("q_proj.weight", c), k = blocks("k_proj.weight", c)
      let v = blocks("v_proj.weight", x[t])
      func gates(_ name: String) -> [Double] {
        sum(product("mlstm_cell.\(name).weight", q + k + v), self["mlstm_cell.\(name).bias"])
      }
      let inputs = gates("igate"), forgets = gates("fgate")
      let h = (0..<H).flatMap { h in
        let own = h * K..<(h + 1) * K
        return cells[h].step(
          q: Array(q[own]), k: k[own].map { $0 / Double(K).squareRoot() }, v: Array(v[own]),
          logInput: inputs[h], logForget: -softplus(-forgets[h])
        ).h
      }
      let normed = normReference(
        h, scale: self["mlstm_cell.outnorm.weight"].map { 1 + $0 }, epsilon: epsilon, groups: H, centred: true
      )
      return product(
        "proj_down.weight",
        (0..<E).map { (normed[$0] + self["learnable_skip"][$0] * c[$0]) * silu(projected[t][E + $0]) })
    }
  }
}
