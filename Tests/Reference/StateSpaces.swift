/// The state spaces S5, H3 and S4 in Double, with all their states.

import Foundation

extension MixerReference {
  private typealias Z = ReferenceComplex

  /// Element i of a parameter of pairs.
  private func pair(_ name: String, _ i: Int) -> ReferenceComplex {
    ReferenceComplex(self[name][2 * i], self[name][2 * i + 1])
  }

  /// Ā = exp(Δ Λ) or its bilinear form, and the factor between B and B̄.
  private func discrete(_ A: ReferenceComplex, _ dt: Double, isBilinear: Bool) -> (
    a: ReferenceComplex, b: ReferenceComplex
  ) {
    let half = Z(0.5 * dt) * A, one = Z(1)
    if isBilinear { return ((one + half) / (one - half), Z(dt) / (one - half)) }
    let a = Z.exponential(Z(dt) * A)
    return (a, (a - one) / A)
  }

  /// x = Λ̄ x + B̄ u, y = Σ C x over a state and its conjugate + D u; Smith et al. 2023, equations 2 and 6.
  package func s5(_ u: [[Double]], isBilinear: Bool) -> [[Double]] {
    let D = self["D"].count, N = self["Lambda_re"].count
    var x = [Z](repeating: Z(0), count: 2 * N)
    return u.map { u in
      var y = (0..<D).map { self["D"][$0] * u[$0] }
      for n in 0..<2 * N {
        let k = n % N
        func conjugated(_ z: Z) -> Z { n < N ? z : Z(z.re, -z.im) }
        let Lambda = conjugated(Z(min(self["Lambda_re"][k], -1e-4), self["Lambda_im"][k]))
        let (a, b) = discrete(Lambda, exp(self["log_step"][k]), isBilinear: isBilinear)
        x[n] = a * x[n]
        for d in 0..<D { x[n] = x[n] + b * conjugated(pair("B", k * D + d)) * Z(u[d]) }
        for d in 0..<D { y[d] += (conjugated(pair("C", d * N + k)) * x[n]).re }
      }
      let g = y.map(gelu), gate = sum(product("out2.weight", g), self["out2.bias"])
      return zip(g, gate).map { $0 * sigmoid($1) }
    }
  }

  /// Fu et al. 2023, Algorithm 1, with heads of P channels in the authors' order.
  package func h3(_ x: [[Double]], headWidth P: Int, isBilinear: Bool) -> [[Double]] {
    let D = self["ssm_k_D"].count, N = self["ssm_k_kernel.kernel.B"].count / D, H = D / P
    let half = self["kernel.kernel.A_imag"].count / H
    var s = [Double](repeating: 0, count: D * N), h = [Z](repeating: Z(0), count: H * P * P * half)
    func projected(_ name: String, _ x: [Double]) -> [Double] {
      sum(product("\(name).weight", x), self["\(name).bias"])
    }
    return x.map { x in
      let q = projected("q_proj", x), k = projected("k_proj", x), v = projected("v_proj", x)
      var shifted = [Double](repeating: 0, count: D)
      for d in 0..<D {
        for n in (0..<N).reversed() {
          s[d * N + n] = (n > 0 ? s[d * N + n - 1] : 0) + self["ssm_k_kernel.kernel.B"][d * N + n] * k[d]
        }
        shifted[d] = self["ssm_k_D"][d] * k[d]
        for n in 0..<N { shifted[d] += self["ssm_k_kernel.kernel.C"][d * N + n] * s[d * N + n] }
      }
      var out = [Double](repeating: 0, count: D)
      for head in 0..<H {
        for i in 0..<P {
          for j in 0..<P {
            let u = shifted[head * P + i] * v[head * P + j]
            var y = self["D"][head] * u
            for n in 0..<half {
              let p = head * half + n, state = ((head * P + i) * P + j) * half + n
              let A = Z(-exp(self["kernel.kernel.inv_A_real"][p]), self["kernel.kernel.A_imag"][p])
              let (a, b) = discrete(A, exp(self["kernel.kernel.log_dt"][head]), isBilinear: isBilinear)
              h[state] = a * h[state] + b * pair("kernel.kernel.B", p) * Z(u)
              y += 2 * (pair("kernel.kernel.C", p) * h[state]).re
            }
            out[j * H + head] += q[head * P + i] * y
          }
        }
      }
      return projected("output_linear", out)
    }
  }
}
