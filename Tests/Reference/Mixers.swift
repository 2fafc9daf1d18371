/// The mixers in Double, token by token, as their papers write them: one document in, its outputs out.

import Foundation

/// A mixer's parameters by their names in a checkpoint, and its arithmetic.
package struct MixerReference {
  package var parameters: [String: [Double]]
  /// What becomes of a product inside, where the least rounding may be all that is left of a sum.
  package var rounding: (Double) -> Double
  package init(_ parameters: [String: [Double]], rounding: @escaping (Double) -> Double = { $0 }) {
    self.parameters = parameters
    self.rounding = rounding
  }

  package subscript(name: String) -> [Double] { parameters[name] ?? [] }

  /// W x for W [out in].
  package func product(_ name: String, _ x: [Double]) -> [Double] {
    let w = self[name]
    return (0..<w.count / x.count).map { row in
      x.indices.reduce(0) { $0 + w[row * x.count + $1] * x[$1] }
    }
  }
}

package func silu(_ x: Double) -> Double { x * sigmoid(x) }
package func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
package func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }
package func gelu(_ x: Double) -> Double {
  0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
}
package func sum(_ x: [Double], _ y: [Double]) -> [Double] { zip(x, y).map { $0 + $1 } }

/// A complex number with the four operations the papers use.
package struct ReferenceComplex {
  package var re, im: Double
  package init(_ re: Double, _ im: Double = 0) { (self.re, self.im) = (re, im) }
  package static func + (a: Self, b: Self) -> Self { .init(a.re + b.re, a.im + b.im) }
  package static func - (a: Self, b: Self) -> Self { .init(a.re - b.re, a.im - b.im) }
  package static func * (a: Self, b: Self) -> Self {
    .init(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re)
  }
  package static func / (a: Self, b: Self) -> Self {
    let size = b.re * b.re + b.im * b.im
    return a * .init(b.re / size, -b.im / size)
  }
  package static func exponential(_ z: Self) -> Self { .init(exp(z.re) * cos(z.im), exp(z.re) * sin(z.im)) }
}

extension MixerReference {
  /// a ⊙ σ(b) for (a, b) = W gelu(y) + bias.
  package func gatedUnit(_ y: [Double]) -> [Double] {
    let halves = sum(product("output_linear.weight", y.map(gelu)), self["output_linear.bias"])
    let D = halves.count / 2
    return (0..<D).map { halves[$0] * sigmoid(halves[D + $0]) }
  }

  /// h = Ā h + B̄ u, y = 2 Re(C h) + D u for each channel; Gu et al. 2022, equations 2 and 3.
  package func s4d(_ u: [[Double]], isBilinear: Bool) -> [[Double]] {
    typealias Z = ReferenceComplex
    let D = self["D"].count, N = self["log_A_real"].count / D
    var h = [Z](repeating: Z(0), count: D * N)
    return u.map { u in
      var y = (0..<D).map { self["D"][$0] * u[$0] }
      for d in 0..<D {
        let dt = Z(exp(self["log_dt"][d]))
        for n in 0..<N {
          let A = Z(-exp(self["log_A_real"][d * N + n]), self["A_imag"][d * N + n])
          let C = Z(self["C"][d * 2 * N + n], self["C"][d * 2 * N + N + n])
          let half = Z(0.5) * dt * A
          let a = isBilinear ? (Z(1) + half) / (Z(1) - half) : .exponential(dt * A)
          let b = isBilinear ? dt / (Z(1) - half) : (.exponential(dt * A) - Z(1)) / A
          h[d * N + n] = a * h[d * N + n] + b * Z(u[d])
          y[d] += 2 * (C * h[d * N + n]).re
        }
      }
      return gatedUnit(y)
    }
  }

  /// h = λ h + exp(γ) B u, y = Re(C h) + D u; Orvieto et al. 2023, equations 1 and 7.
  package func lru(_ u: [[Double]]) -> [[Double]] {
    typealias Z = ReferenceComplex
    let D = self["D"].count, N = self["nu_log"].count
    var h = [Z](repeating: Z(0), count: N)
    return u.map { u in
      let input = product("B", u)
      for n in 0..<N {
        let lambda = Z.exponential(Z(-exp(self["nu_log"][n]), exp(self["theta_log"][n])))
        h[n] = lambda * h[n] + Z(exp(self["gamma_log"][n])) * Z(input[n], input[N + n])
      }
      return gatedUnit(
        (0..<D).map { d in
          (0..<N).reduce(self["D"][d] * u[d]) {
            $0 + (Z(self["C_re"][d * N + $1], self["C_im"][d * N + $1]) * h[$1]).re
          }
        })
    }
  }

  /// silu of the depthwise filter over the last W inputs; what lies before the document is zero.
  func convolved(_ x: [[Double]], at t: Int) -> [Double] {
    let bias = self["conv1d.bias"], weight = self["conv1d.weight"], W = weight.count / bias.count
    return bias.indices.map { e in
      silu(
        (0..<W).reduce(bias[e]) {
          let s = t - (W - 1) + $1
          return s < 0 ? $0 : $0 + weight[e * W + $1] * x[s][e]
        })
    }
  }

  /// Gu and Dao 2023, Algorithm 2 in the block of Figure 3.
  package func mamba(_ u: [[Double]]) -> [[Double]] {
    let E = self["D"].count, N = self["A_log"].count / E
    let projected = u.map { product("in_proj.weight", $0) }
    let x = projected.map { Array($0[..<E]) }
    var h = [Double](repeating: 0, count: E * N)
    return u.indices.map { t in
      let x = convolved(x, at: t), operands = product("x_proj.weight", x), R = operands.count - 2 * N
      let B = operands[R..<R + N], C = operands[(R + N)...]
      let delta = sum(product("dt_proj.weight", Array(operands[..<R])), self["dt_proj.bias"]).map(softplus)
      var y = (0..<E).map { self["D"][$0] * x[$0] }
      for e in 0..<E {
        for n in 0..<N {
          let A = -exp(self["A_log"][e * N + n])
          h[e * N + n] = exp(delta[e] * A) * h[e * N + n] + delta[e] * B[R + n] * x[e]
          y[e] += C[R + N + n] * h[e * N + n]
        }
      }
      return product("out_proj.weight", (0..<E).map { y[$0] * silu(projected[t][E + $0]) })
    }
  }

  /// Dao and Gu 2024, §7: heads of width P, `groups` pairs of B and C, the norm behind the gate in as many
  /// groups.
  package func mamba2(_ u: [[Double]], groups G: Int, stateSize N: Int, epsilon: Double) -> [[Double]] {
    let H = self["D"].count, E = self["norm.weight"].count, P = E / H
    let projected = u.map { product("in_proj.weight", $0) }
    let inputs = projected.map { Array($0[E..<2 * E + 2 * G * N]) }
    var S = [Double](repeating: 0, count: H * N * P)
    return u.indices.map { t in
      let xBC = convolved(inputs, at: t)
      var y = [Double](repeating: 0, count: E)
      for h in 0..<H {
        let g = h / (H / G)
        let delta = softplus(projected[t][2 * E + 2 * G * N + h] + self["dt_bias"][h])
        let decay = exp(-delta * exp(self["A_log"][h]))
        for p in 0..<P {
          let x = xBC[h * P + p]
          y[h * P + p] = self["D"][h] * x
          for n in 0..<N {
            let i = (h * N + n) * P + p
            S[i] = decay * S[i] + xBC[E + g * N + n] * delta * x
            y[h * P + p] += xBC[E + (G + g) * N + n] * S[i]
          }
        }
      }
      let gated = (0..<E).map { y[$0] * silu(projected[t][$0]) }
      return product(
        "out_proj.weight", normalized(gated, groups: G, epsilon: epsilon, scale: self["norm.weight"]))
    }
  }

  /// Each of the groups divided by its root mean square.
  func normalized(_ x: [Double], groups: Int, epsilon: Double, scale: [Double] = []) -> [Double] {
    let width = x.count / groups
    return x.indices.map { i in
      let group = x[i / width * width..<(i / width + 1) * width]
      let mean = group.reduce(0) { $0 + $1 * $1 } / Double(width)
      return x[i] / (mean + epsilon).squareRoot() * (scale.isEmpty ? 1 : scale[i])
    }
  }

  /// Sun et al. 2023, equations 5 to 8: keys and queries turned by e^{inθ}, γ_h = 1 − 2^(−5−h).
  package func retNet(_ x: [[Double]], heads H: Int, keyWidth K: Int, epsilon: Double) -> [[Double]] {
    let V = self["v_proj.weight"].count / x[0].count / H
    var S = [Double](repeating: 0, count: H * K * V)
    return x.indices.map { t in
      func turned(_ name: String) -> [Double] {
        var y = product(name, x[t])
        for pair in 0..<H * K / 2 {
          let angle = Double(t) * pow(10_000, -Double(2 * (pair % (K / 2))) / Double(K))
          let z = ReferenceComplex(y[2 * pair], y[2 * pair + 1]) * .exponential(ReferenceComplex(0, angle))
          (y[2 * pair], y[2 * pair + 1]) = (z.re, z.im)
        }
        return y
      }
      let q = turned("q_proj.weight"), k = turned("k_proj.weight"), v = product("v_proj.weight", x[t])
      var y = [Double](repeating: 0, count: H * V)
      for h in 0..<H {
        for i in 0..<K {
          for j in 0..<V {
            let s = (h * K + i) * V + j
            S[s] = (1 - pow(2, -5 - Double(h))) * S[s] + k[h * K + i] / Double(K).squareRoot() * v[h * V + j]
            y[h * V + j] += q[h * K + i] * S[s]
          }
        }
      }
      let gate = product("g_proj.weight", x[t]), normed = normalized(y, groups: H, epsilon: epsilon)
      return product("o_proj.weight", y.indices.map { silu(gate[$0]) * normed[$0] })
    }
  }
}
