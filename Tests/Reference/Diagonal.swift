/// Diagonal recurrences in Double, as in the papers.

/// h_t = a_t h_{t−1} + b_t, row by row; complex rows are planar. Resets return the state to zero.
package func diagonalReference(
  a: [Double], b: [Double], state: [Double], batch: Int, steps: Int, width: Int, isComplex: Bool,
  resets: [[Int]]
) -> (h: [Double], final: [Double]) {
  let isConstant = a.count == width, N = width / 2
  var h = [Double](repeating: 0, count: b.count), final = state
  for row in 0..<batch {
    var x = Array(state[row * width..<(row + 1) * width])
    for t in 0..<steps {
      if row < resets.count, resets[row].contains(t) { x = x.map { _ in 0 } }
      let i = (row * steps + t) * width, k = isConstant ? 0 : i
      let before = x
      for n in 0..<(isComplex ? N : width) {
        if isComplex {
          x[n] = a[k + n] * before[n] - a[k + N + n] * before[N + n] + b[i + n]
          x[N + n] = a[k + n] * before[N + n] + a[k + N + n] * before[n] + b[i + N + n]
        } else {
          x[n] = a[k + n] * before[n] + b[i + n]
        }
      }
      h.replaceSubrange(i..<i + width, with: x)
    }
    final.replaceSubrange(row * width..<(row + 1) * width, with: x)
  }
  return (h, final)
}
