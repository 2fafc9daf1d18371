/// HiPPO in Double, from the definitions: bases as functions, matrices as integrals over them, dense steps.

import Foundation

package enum HiPPOReference {
  /// √(2n+1) P_n(2x − 1) and its derivative in x, for n < N.
  package static func legendre(_ x: Double, _ N: Int) -> (values: [Double], slopes: [Double]) {
    let z = 2 * x - 1
    var P = [1, z], dP = [0.0, 1]
    for n in 2..<max(3, N) {
      let m = Double(n)
      P.append(((2 * m - 1) * z * P[n - 1] - (m - 1) * P[n - 2]) / m)
      dP.append(dP[n - 2] + (2 * m - 1) * P[n - 1])
    }
    let root = (0..<N).map { (2 * Double($0) + 1).squareRoot() }
    return ((0..<N).map { root[$0] * P[$0] }, (0..<N).map { 2 * root[$0] * dP[$0] })
  }

  /// L_n(x) by its sum of monomials, which is accurate while n x is small.
  package static func laguerre(_ x: Double, _ N: Int) -> [Double] {
    (0..<N).map { n in
      var term = 1.0, sum = 1.0
      for i in 0..<n {
        term *= -x * Double(n - i) / Double((i + 1) * (i + 1))
        sum += term
      }
      return sum
    }
  }

  /// 1, √2 cos 2πτ, √2 sin 2πτ, √2 cos 4πτ, … and their derivatives; a last cosine without its sine is
  /// nought.
  package static func fourier(_ age: Double, _ N: Int) -> (values: [Double], slopes: [Double]) {
    var values = [1.0], slopes = [0.0]
    for j in 1..<N + 1 {
      let w = 2 * Double.pi * Double(j), root = 2.0.squareRoot()
      values += [root * cos(w * age), root * sin(w * age)]
      slopes += [-root * w * sin(w * age), root * w * cos(w * age)]
    }
    (values, slopes) = (Array(values[..<N]), Array(slopes[..<N]))
    if N % 2 == 0 { (values[N - 1], slopes[N - 1]) = (0, 0) }
    return (values, slopes)
  }

  /// Clenshaw–Curtis on [0, 1], exact for polynomials up to degree M (even).
  static func quadrature(_ M: Int) -> [(x: Double, w: Double)] {
    (0...M).map { j in
      let angle = Double.pi * Double(j) / Double(M)
      var w = 1.0
      for k in 1...M / 2 {
        w -= (2 * k == M ? 1 : 2) * cos(2 * Double(k) * angle) / Double(4 * k * k - 1)
      }
      return ((1 - cos(angle)) / 2, (j == 0 || j == M ? 0.5 : 1) * w / Double(M))
    }
  }

  private static func integral(
    _ N: Int, _ points: [(x: Double, w: Double)], _ pair: (Double) -> ([Double], [Double])
  ) -> [Double] {
    var A = [Double](repeating: 0, count: N * N)
    for (x, w) in points {
      let (a, b) = pair(x)
      for n in 0..<N { for k in 0..<N { A[n * N + k] += w * a[n] * b[k] } }
    }
    return A
  }

  /// c = ∫ f(t x) φ dx gives t c' = φ(1) f(t) − ∫ f (x φ)' dx.
  package static func legs(_ N: Int) -> (A: [Double], B: [Double]) {
    let A = integral(N, quadrature(2 * N)) { x in
      let (value, slope) = legendre(x, N)
      return ((0..<N).map { value[$0] + x * slope[$0] }, value)
    }
    return (A, legendre(1, N).values)
  }

  /// c = ∫ f(t − 1 + x) φ dx gives c' = φ(1) f(t) − φ(0) f(t−1) − ∫ f φ' dx, with f(t−1) from the
  /// coefficients.
  package static func legt(_ N: Int) -> (A: [Double], B: [Double]) {
    let end = legendre(0, N).values
    var A = integral(N, quadrature(2 * N)) { x in
      let (value, slope) = legendre(x, N)
      return (slope, value)
    }
    for n in 0..<N { for k in 0..<N { A[n * N + k] += end[n] * end[k] } }
    return (A, legendre(1, N).values)
  }

  /// c = ∫ f(t − τ) φ(τ) dτ gives c' = φ(0) f(t) − φ(1) f(t−1) + ∫ f φ' dτ; the series at the jump is the
  /// mean of f(t) and f(t−1), which gives f(t−1).
  package static func fourier(_ N: Int) -> (A: [Double], B: [Double]) {
    let end = fourier(0, N).values, M = 4 * N
    var A = integral(N, (0..<M).map { (Double($0) / Double(M), -1 / Double(M)) }) { x in
      let (value, slope) = fourier(x, N)
      return (slope, value)
    }
    for n in 0..<N { for k in 0..<N { A[n * N + k] += 2 * end[n] * end[k] } }
    return (A, end.map { 2 * $0 })
  }

  /// X with A X = b by elimination with pivots.
  package static func solve(_ A: [Double], _ b: [Double]) -> [Double] {
    let N = b.count
    var M = (0..<N).map { n in Array(A[n * N..<(n + 1) * N]) + [b[n]] }
    for n in 0..<N {
      let pivot = (n..<N).max { abs(M[$0][n]) < abs(M[$1][n]) } ?? n
      M.swapAt(n, pivot)
      for row in n + 1..<max(n + 1, N) where M[row][n] != 0 {
        let factor = M[row][n] / M[n][n]
        for k in n...N { M[row][k] -= factor * M[n][k] }
      }
    }
    for n in (0..<N).reversed() {
      for k in n + 1..<max(n + 1, N) { M[n][N] -= M[n][k] * M[k][N] }
      M[n][N] /= M[n][n]
    }
    return M.map { $0[N] }
  }

  package static func product(_ A: [Double], _ x: [Double]) -> [Double] {
    x.indices.map { n in x.indices.reduce(0) { $0 + A[n * x.count + $1] * x[$1] } }
  }

  /// (I + αhA) c' = (I − (1−α)hA) c + h B f, dense; h of each step t = 1, 2, …
  package static func bilinear(
    _ A: [Double], _ B: [Double], alpha: Double, from c: [Double], _ signal: [Double], h: (Int) -> Double
  ) -> [Double] {
    let N = B.count
    var c = c
    for (i, f) in signal.enumerated() {
      let h = h(i + 1), Ac = product(A, c)
      let right = (0..<N).map { c[$0] - (1 - alpha) * h * Ac[$0] + h * B[$0] * f }
      c =
        alpha == 0 ? right : solve((0..<N * N).map { alpha * h * A[$0] + ($0 / N == $0 % N ? 1 : 0) }, right)
    }
    return c
  }

  /// The same for lower triangular A, by forward substitution.
  package static func triangular(
    _ A: [Double], _ B: [Double], alpha: Double, _ signal: [Double], h: (Int) -> Double
  ) -> [Double] {
    let N = B.count
    var c = [Double](repeating: 0, count: N)
    for (i, f) in signal.enumerated() {
      let h = h(i + 1), old = c
      for n in 0..<N {
        var right = old[n] + h * B[n] * f
        for k in 0...n { right -= (1 - alpha) * h * A[n * N + k] * old[k] }
        for k in 0..<n { right -= alpha * h * A[n * N + k] * c[k] }
        c[n] = right / (1 + alpha * h * A[n * N + n])
      }
    }
    return c
  }

  /// A held signal followed exactly: c' = −A c + B f over steps of h, by the Taylor series of many small
  /// steps.
  package static func held(_ A: [Double], _ B: [Double], _ signal: [Double], h: Double) -> [Double] {
    let N = B.count
    let norm = (0..<N).map { n in (0..<N).reduce(0) { $0 + abs(A[n * N + $1]) } }.max() ?? 0
    let parts = max(1, Int((norm * h * 2).rounded(.up))), small = h / Double(parts)
    var c = [Double](repeating: 0, count: N)
    for f in signal {
      for _ in 0..<parts {
        // c(s) = Σ terms, term_{j+1} = derivative s / (j + 1).
        let Ac = product(A, c)
        var term = (0..<N).map { small * (B[$0] * f - Ac[$0]) }
        for j in 2...20 {
          for n in 0..<N { c[n] += term[n] }
          term = product(A, term).map { -small / Double(j) * $0 }
        }
      }
    }
    return c
  }

  /// The projection of the stairs over the whole past: ∫ √(2n+1) P_n over each tread, by antiderivatives.
  package static func stairs(_ signal: [Double], _ N: Int) -> [Double] {
    var c = [Double](repeating: 0, count: N)
    func antiderivative(_ x: Double) -> [Double] {
      let (p, _) = legendre(x, N + 1)
      func P(_ n: Int) -> Double { n < 0 ? -1 : p[n] / (2 * Double(n) + 1).squareRoot() }
      // ∫ P_n(2x − 1) dx = (P_{n+1} − P_{n−1}) / (2 (2n + 1)); for n = 0, x.
      return (0..<N).map { n in
        n == 0 ? x : (P(n + 1) - P(n - 1)) / (2 * (2 * Double(n) + 1).squareRoot())
      }
    }
    for (i, f) in signal.enumerated() {
      let T = Double(signal.count)
      let low = antiderivative(Double(i) / T), high = antiderivative(Double(i + 1) / T)
      for n in 0..<N { c[n] += f * (high[n] - low[n]) }
    }
    return c
  }
}

/// y_t = C · c_t + D f_t for every channel, c by the dense bilinear step; `counts` are the tokens before each
/// row.
package func legendreMemoryReference(
  f: [Double], C: [Double], D: [Double], state: [Double], counts: [Int], batch: Int, steps: Int,
  channels E: Int, states N: Int, resets: [[Int]]
) -> (y: [Double], final: [Double]) {
  let root = (0..<N).map { (2 * Double($0) + 1).squareRoot() }
  let A = (0..<N * N).map { i -> Double in
    let (n, k) = (i / N, i % N)
    return n > k ? root[n] * root[k] : n == k ? Double(n + 1) : 0
  }
  var c = state, y = f
  for b in 0..<batch {
    var t = counts[b]
    for s in 0..<steps {
      let reset = b < resets.count && resets[b].contains(s)
      t = reset ? 1 : t + 1
      for e in 0..<E {
        let i = (b * steps + s) * E + e, at = (b * E + e) * N
        let old = reset ? [Double](repeating: 0, count: N) : Array(c[at..<at + N])
        let h = 1 / Double(t)
        y[i] = D[e] * f[i]
        for n in 0..<N {
          var right = old[n] + h * root[n] * f[i]
          for k in 0...n { right -= 0.5 * h * A[n * N + k] * old[k] }
          for k in 0..<n { right -= 0.5 * h * A[n * N + k] * c[at + k] }
          c[at + n] = right / (1 + 0.5 * h * A[n * N + n])
          y[i] += C[e * N + n] * c[at + n]
        }
      }
    }
  }
  return (y, c)
}

extension MixerReference {
  /// Gu et al. 2020, Theorem 2 by the bilinear rule, every channel of W_f x with its own memory, in the block
  /// of S4D.
  package func hippoLegS(_ x: [[Double]]) -> [[Double]] {
    let E = self["D"].count, N = self["C"].count / E
    let f = x.flatMap { product("in_proj.weight", $0) }
    let y = legendreMemoryReference(
      f: f, C: self["C"], D: self["D"], state: [Double](repeating: 0, count: E * N), counts: [0], batch: 1,
      steps: x.count, channels: E, states: N, resets: []
    ).y
    return x.indices.map { gatedUnit(Array(y[$0 * E..<($0 + 1) * E])) }
  }
}
