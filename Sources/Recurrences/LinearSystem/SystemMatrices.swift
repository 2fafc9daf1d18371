/// The paper's form of a time-invariant system: its convolution kernel, in Double (Gu et al. 2022, Algorithm 1).

import RunnelKernels

/// The system of one channel.
package struct SystemMatrices {
  /// d, r, w, b and c, [N] each; r and w are zero for a diagonal system.
  let diagonal, left, right, input, output: [Complex]

  /// From [5 2N], or [2 2N], d and c, for a diagonal system: numbers `stride` apart.
  package init(_ numbers: UnsafePointer<Float>, parts: Int, states N: Int, stride: Int = 1) {
    func part(_ index: Int) -> [Complex] {
      let re = numbers + index * 2 * N * stride
      return (0..<N).map { Complex(Double(re[$0 * stride]), Double(re[(N + $0) * stride])) }
    }
    (diagonal, output) = (part(0), part(parts - 1))
    let zeros = Array(repeating: Complex(0, 0), count: N), ones = Array(repeating: Complex(1, 0), count: N)
    (left, right, input) = parts == 5 ? (part(1), part(2), part(3)) : (zeros, zeros, ones)
  }

  private static func twiceReal(_ x: [Complex], _ y: [Complex]) -> Double {
    2 * x.indices.reduce(0) { $0 + (x[$1] * y[$1]).real }
  }
  /// h = Ā h + b u.
  package func advance(_ h: inout [Complex], by u: Double) {
    let inner = Self.twiceReal(right, h)
    for n in h.indices { h[n] = diagonal[n] * h[n] + inner * left[n] + u * input[n] }
  }
  /// 2 Re(c · h).
  package func output(_ h: [Complex]) -> Double { Self.twiceReal(output, h) }

  /// K_l = c Ā^l b for l < length, by the paper's Algorithm 1: the truncated generating function
  ///
  ///     Σ_{l<L} K_l z^l = c̃ (I − z Ā)⁻¹ b,   c̃ = c (I − z^L Ā^L)
  ///
  /// at L points on a circle, and back by one FFT. By Woodbury's identity, with R = (I − z diag(d))⁻¹, it is
  /// c̃ R b + z (c̃ R r) (w R b) / (1 − z w R r): four sums of the form Σ_n x_n / (1 − z d_n), a Cauchy
  /// matrix. The paper's points are the roots of unity; on the circle of radius exp(−1/L), where z^L = 1/e, a
  /// state that never decays is no pole, and the way back magnifies rounding by less than e.
  package func kernel(length: Int) -> [Double] {
    var L = 1
    while L < length { L *= 2 }
    // c Ā^L, row by row: (x Ā)_n = x_n d_n + 2 Re(x · r) w_n.
    var power = output
    for _ in 0..<L {
      let inner = Self.twiceReal(power, left)
      for n in power.indices { power[n] = power[n] * diagonal[n] + inner * right[n] }
    }
    let shrunk = exponential(-1), radius = exponential(-1 / Double(L))
    let truncated = output.indices.map { output[$0] - shrunk * power[$0] }
    let one = Complex(1, 0)
    var values = (0..<L).map { k -> Complex in
      let angle = 2 * Double.pi * Double(k) / Double(L)
      let z = radius * Complex(cosine(angle), -sine(angle))
      var cb = Complex(0, 0), cr = cb, wb = cb, wr = cb
      func add(_ d: Complex, _ c: Complex, _ r: Complex, _ w: Complex, _ b: Complex) {
        let resolvent = (one - z * d).inverse, (cR, wR) = (c * resolvent, w * resolvent)
        cb = cb + cR * b
        cr = cr + cR * r
        wb = wb + wR * b
        wr = wr + wR * r
      }
      for n in diagonal.indices {
        add(diagonal[n], truncated[n], left[n], right[n], input[n])
        add(
          diagonal[n].conjugate, truncated[n].conjugate, left[n].conjugate, right[n].conjugate,
          input[n].conjugate)
      }
      return cb + z * cr * wb * (one - z * wr).inverse
    }
    Fourier.transform(&values, inverse: true)
    return (0..<length).map { values[$0].real / Double(L) * exponential(Double($0) / Double(L)) }
  }
}
