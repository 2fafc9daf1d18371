/// Sums of all elements, taken in Double.

import CKernels
import RunnelKernels

/// Σ x, a scalar.
public func sum(_ x: Tensor) -> Tensor { reduced(x, times: 1) }

/// Σ x divided by the number of elements, a scalar.
public func mean(_ x: Tensor) -> Tensor {
  precondition(!x.isEmpty, "mean: \(x.shape) has no elements, so no mean")
  return reduced(x, times: 1 / Double(x.count))
}

private func reduced(_ x: Tensor, times factor: Double) -> Tensor {
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  // Blocks of a fixed size, so that the order of the sum does not depend on the threads.
  let blocks = (x.count + elementGrain - 1) / elementGrain
  let sums = [Double](unsafeUninitializedCapacity: blocks) { sums, count in
    WorkerPool.shared.run(blocks) { block in
      let start = block * elementGrain
      sums[block] = runnel_sum(min(elementGrain, x.count - start), x.base + start)
    }
    count = blocks
  }
  let y = Tensor([Float(sums.reduce(0, +) * factor)], [])
  guard x.isTracked else { return y }
  let shape = x.shape
  return record(y, from: [x]) { [Tensor(repeating: Float(factor) * $0.scalar, shape)] }
}
