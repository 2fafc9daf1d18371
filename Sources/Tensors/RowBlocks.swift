/// Work over rows that also sums over them, for the gradients of vectors that all rows share.

import RunnelKernels

/// The sum of what `body` adds to its partial sum [width] over blocks of rows. The blocks depend on the shape alone,
/// and so does the order of the sum: the result is the same for every number of threads.
///
/// - Parameter cost: the elements that a row reads, where that is not the width of the sum.
package func sumOverRowBlocks(
  rows: Int, width: Int, cost: Int? = nil, _ body: (Range<Int>, UnsafeMutablePointer<Float>) -> Void
) -> Tensor {
  let blocks = max(1, min(rows, 32, rows * (cost ?? width) / elementGrain))
  let partial = Tensor([blocks, width]) { partial in
    WorkerPool.shared.run(blocks) { block in
      let sum = partial + block * width
      sum.update(repeating: 0, count: width)
      let range = rows * block / blocks..<rows * (block + 1) / blocks
      if !range.isEmpty { body(range, sum) }
    }
  }
  guard blocks > 1 else { return partial.reshaped([width]) }
  return Tensor([width]) { sumOfRows(partial.base, rows: blocks, width: width, into: $0) }
}

/// Runs `body` over stretches of rows, each row independent of the others.
package func splitRows(_ rows: Int, width: Int, _ body: (Range<Int>) -> Void) {
  WorkerPool.shared.split(rows, grain: max(1, elementGrain / max(1, width)), body)
}
