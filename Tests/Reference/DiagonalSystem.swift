/// The diagonal time-invariant system in Double: h_t = a h_{t−1} + u_t, y_t = 2 Re(c · h_t) + D u_t.

package func diagonalSystemReference(
  u: [Double], a: [Double], c: [Double], D: [Double], state: [Double], batch: Int, steps: Int,
  channels E: Int,
  states N: Int, resets: [[Int]]
) -> (y: [Double], final: [Double]) {
  var h = state, y = [Double](repeating: 0, count: u.count)
  for b in 0..<batch {
    for t in 0..<steps {
      let reset = b < resets.count && resets[b].contains(t)
      for e in 0..<E {
        let i = (b * steps + t) * E + e
        y[i] = D[e] * u[i]
        for n in 0..<N {
          let k = (b * E + e) * 2 * N + n, p = e * 2 * N + n
          let re = reset ? 0 : h[k], im = reset ? 0 : h[k + N]
          h[k] = a[p] * re - a[p + N] * im + u[i]
          h[k + N] = a[p] * im + a[p + N] * re
          y[i] += 2 * (c[p] * h[k] - c[p + N] * h[k + N])
        }
      }
    }
  }
  return (y, h)
}
