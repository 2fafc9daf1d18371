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

  /// x = Λ̄ x + B̄ u, y = Σ C x over a state and its conjugate + D u; Smith et al. 2023, §3.
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

  /// The bilinear recurrence of A = Λ − p p* as a dense matrix over all N states; Gu et al. 2022, equation 3.
  package func s4(_ u: [[Double]]) -> [[Double]] {
    let D = self["D"].count, half = self["A_imag"].count / D, N = 2 * half
    let systems = (0..<D).map { d -> (A: [[Z]], b: [Z], c: [Z]) in
      /// A parameter and its conjugates.
      func whole(_ name: String) -> [Z] {
        let kept = (0..<half).map { Z(self[name][d * N + $0], self[name][d * N + half + $0]) }
        return kept + kept.map { Z($0.re, -$0.im) }
      }
      let Lambda = (0..<N).map {
        let i = d * half + $0 % half
        return Z(-exp(self["log_A_real"][i]), ($0 < half ? 1 : -1) * self["A_imag"][i])
      }
      let p = whole("P"), b = whole("B"), dt = exp(self["log_dt"][d])
      return bilinearReference(Lambda: Lambda, p: p, b: b, c: whole("C"), dt: dt)
    }
    var h = [[Z]](repeating: [Z](repeating: Z(0), count: N), count: D)
    return u.map { u in
      gatedUnit(
        (0..<D).map { d in
          let (A, b, c) = systems[d], before = h[d]
          var y = self["D"][d] * u[d]
          for n in 0..<N {
            h[d][n] = (0..<N).reduce(b[n] * Z(u[d])) { $0 + A[n][$1] * before[$1] }
            y += (c[n] * h[d][n]).re
          }
          return y
        })
    }
  }
}

/// Ā = (I − Δ/2 A)⁻¹ (I + Δ/2 A) and b̄ = (I − Δ/2 A)⁻¹ Δ b by elimination, for A = diag(Λ) − p p*.
package func bilinearReference(
  Lambda: [ReferenceComplex], p: [ReferenceComplex], b: [ReferenceComplex], c: [ReferenceComplex], dt: Double
) -> (A: [[ReferenceComplex]], b: [ReferenceComplex], c: [ReferenceComplex]) {
  typealias Z = ReferenceComplex
  let N = Lambda.count
  // [I − Δ/2 A | I + Δ/2 A | Δ b]
  var rows = (0..<N).map { n -> [Z] in
    let A = (0..<N).map { k in (n == k ? Lambda[n] : Z(0)) - p[n] * Z(p[k].re, -p[k].im) }
    let half = A.map { Z(0.5 * dt) * $0 }
    return (0..<N).map { Z(n == $0 ? 1 : 0) - half[$0] } + (0..<N).map { Z(n == $0 ? 1 : 0) + half[$0] }
      + [Z(dt) * b[n]]
  }
  for n in 0..<N {
    let pivot = rows[n][n]
    rows[n] = rows[n].map { $0 / pivot }
    for k in 0..<N where k != n {
      let factor = rows[k][n]
      rows[k] = zip(rows[k], rows[n]).map { $0 - factor * $1 }
    }
  }
  return (rows.map { Array($0[N..<2 * N]) }, rows.map { $0[2 * N] }, c)
}

/// The diagonal plus rank one system in Double with all its states: h = (d + r wᵀ) h + b u, y = c · h + D u.
/// u [B T E], system [E 5 2N], state [B E 2N].
package func lowRankSystemReference(
  u: [Double], system: [Double], D: [Double], state: [Double], batch: Int, steps: Int, channels E: Int,
  states N: Int, resets: [[Int]]
) -> (y: [Double], final: [Double]) {
  typealias Z = ReferenceComplex
  func whole(_ x: [Double], _ row: Int) -> [Z] {
    let kept = (0..<N).map { Z(x[row * 2 * N + $0], x[row * 2 * N + N + $0]) }
    return kept + kept.map { Z($0.re, -$0.im) }
  }
  var y = [Double](repeating: 0, count: u.count), final = state
  for b in 0..<batch {
    for e in 0..<E {
      let parts = (0..<5).map { whole(system, 5 * e + $0) }
      var h = whole(state, b * E + e)
      for t in 0..<steps {
        if b < resets.count, resets[b].contains(t) { h = h.map { _ in Z(0) } }
        let i = (b * steps + t) * E + e
        let inner = zip(parts[2], h).reduce(Z(0)) { $0 + $1.0 * $1.1 }
        for n in h.indices { h[n] = parts[0][n] * h[n] + parts[1][n] * inner + parts[3][n] * Z(u[i]) }
        y[i] = D[e] * u[i] + zip(parts[4], h).reduce(0) { $0 + ($1.0 * $1.1).re }
      }
      for n in 0..<N {
        (final[(b * E + e) * 2 * N + n], final[(b * E + e) * 2 * N + N + n]) = (h[n].re, h[n].im)
      }
    }
  }
  return (y, final)
}
