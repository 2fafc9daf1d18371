/// The exact step of HiPPO-LegS for a signal that is constant between samples.
///
/// In log time the system is time-invariant, and exp(−A log(t / (t−1))) is the projection of the remembered
/// polynomial, squeezed from [0, 1] to [0, ρ] with ρ = (t−1) / t, onto the basis φ of [0, 1]; the new sample
/// fills [ρ, 1]:
///
///     c'_m = f δ_m0 + ρ ∫₀¹ φ_m(ρ y) (g(y) − f) dy,    g = Σ c_n φ_n
///
/// Gauss–Legendre quadrature with N nodes is exact for it. So a step costs O(N²), where a matrix exponential
/// would cost O(N³), and no power of A is ever formed.

import RunnelKernels

struct HeldLegendre: Sendable {
  let nodes, weights: [Double]
  /// φ_n at each node, [nodes N].
  let basis: [Double]

  init(size N: Int) {
    (nodes, weights) = Self.quadrature(N)
    basis = nodes.flatMap { HiPPO.legendre(2 * $0 - 1, N) }
  }

  /// The sample that ends at time t = 1, 2, …
  func step(_ f: Double, time t: Double, _ c: inout [Double]) {
    let N = nodes.count, ratio = (t - 1) / t
    withUnsafeTemporaryAllocation(of: Double.self, capacity: 3 * N) { scratch in
      guard let values = scratch.baseAddress else { return }
      let previous = values + N, current = previous + N
      Lapack.apply(basis, rows: N, columns: N, c, into: values)
      for i in 0..<N {
        values[i] = ratio * weights[i] * (values[i] - f)
        (previous[i], current[i]) = (0, 1)
      }
      for m in 0..<N {
        var sum = 0.0
        // (m + 1) P_{m+1} = (2m + 1) x P_m − m P_{m−1}
        let a = Double(2 * m + 1) / Double(m + 1), b = Double(m) / Double(m + 1)
        for i in 0..<N {
          sum += values[i] * current[i]
          let next = a * (2 * ratio * nodes[i] - 1) * current[i] - b * previous[i]
          (previous[i], current[i]) = (current[i], next)
        }
        c[m] = Double(2 * m + 1).squareRoot() * sum
      }
    }
    c[0] += f
  }

  /// Gauss–Legendre nodes and weights on [0, 1]: the roots of P_N by Newton's method.
  static func quadrature(_ N: Int) -> (nodes: [Double], weights: [Double]) {
    var nodes: [Double] = [], weights: [Double] = []
    for i in 0..<N {
      var x = -cosine(Double.pi * (Double(i) + 0.75) / (Double(N) + 0.5)), slope = 1.0
      for _ in 0..<8 {
        var (previous, current) = (0.0, 1.0)
        for m in 0..<N {
          let next = (Double(2 * m + 1) * x * current - Double(m) * previous) / Double(m + 1)
          (previous, current) = (current, next)
        }
        slope = Double(N) * (x * current - previous) / (x * x - 1)
        x -= current / slope
      }
      nodes.append((x + 1) / 2)
      weights.append(1 / ((1 - x * x) * slope * slope))
    }
    return (nodes, weights)
  }
}
