/// Positions of tokens in their documents, counted per row of the batch.

import RunnelTensors

extension Resets {
  /// The position of each of the B · T tokens in its document; `counts` is how many tokens the row's document had
  /// before, and has after.
  func positions(steps: Int, advancing counts: inout [Int]) -> [Int32] {
    var positions: [Int32] = []
    positions.reserveCapacity(counts.count * steps)
    advance(&counts, over: steps) { before, count in
      for position in before..<before + count { positions.append(Int32(truncatingIfNeeded: position)) }
    }
    return positions
  }
}
