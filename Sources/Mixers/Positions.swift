/// Positions of tokens in their documents, counted per row of the batch.

import RunnelTensors

extension Resets {
  /// The position of each of the B · T tokens in its document; `counts` is how many tokens the row's document had
  /// before, and has after.
  func positions(steps: Int, advancing counts: inout [Int]) -> [Int32] {
    var positions: [Int32] = []
    positions.reserveCapacity(counts.count * steps)
    for row in counts.indices {
      for stretch in stretches(row: row, length: steps) {
        if stretch.isFresh { counts[row] = 0 }
        for _ in stretch.range {
          positions.append(Int32(truncatingIfNeeded: counts[row]))
          counts[row] += 1
        }
      }
    }
    return positions
  }
}
