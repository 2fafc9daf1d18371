/// Mamba's selective scan in Double (Gu and Dao 2023, Algorithm 2).

import Foundation

package func selectiveScanReference(
  u: [Double], delta: [Double], A: [Double], B: [Double], C: [Double], D: [Double], state: [Double],
  batch: Int,
  steps: Int, channels E: Int, states N: Int, resets: [[Int]]
) -> (y: [Double], final: [Double]) {
  var h = state, y = [Double](repeating: 0, count: u.count)
  for b in 0..<batch {
    for t in 0..<steps {
      let reset = b < resets.count && resets[b].contains(t)
      for e in 0..<E {
        let i = (b * steps + t) * E + e, j = (b * steps + t) * N, k = (b * E + e) * N
        y[i] = D[e] * u[i]
        for n in 0..<N {
          if reset { h[k + n] = 0 }
          h[k + n] = exp(delta[i] * A[e * N + n]) * h[k + n] + delta[i] * u[i] * B[j + n]
          y[i] += C[j + n] * h[k + n]
        }
      }
    }
  }
  return (y, h)
}
