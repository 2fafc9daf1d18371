/// One number per row: heads scaled by their own step, and numbers repeated over a head's channels.

import CKernels
import RunnelKernels

/// x [… P] with every row multiplied by its own number, `factors` [… ].
public func scaledRows(_ x: Tensor, by factors: Tensor) -> Tensor {
  let (rows, width) = (x.shape.rows, x.shape.width)
  precondition(
    factors.count == rows,
    "scaledRows: \(factors.shape) for the rows of \(x.shape); one number per row is needed")
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let grain = max(1, elementGrain / max(1, width))
  let y = Tensor(x.shape) { y in
    WorkerPool.shared.split(rows, grain: grain) {
      for row in $0 { runnel_scale(width, factors.base[row], x.base + row * width, y + row * width) }
    }
  }
  guard isTracked(x, factors) else { return y }
  return record(y, from: [x, factors]) { [x = x.detached, factors = factors.detached] dy in
    let dfactors = Tensor(factors.shape) { dfactors in
      WorkerPool.shared.split(rows, grain: grain) {
        for row in $0 { dfactors[row] = runnel_dot(width, x.base + row * width, dy.base + row * width) }
      }
    }
    return [scaledRows(dy, by: factors), dfactors]
  }
}

/// [H] → [H · count]: each number `count` times.
public func repeated(_ x: Tensor, each count: Int) -> Tensor {
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let y = Tensor([x.count * count]) { y in
    for i in 0..<x.count { (y + i * count).update(repeating: x.base[i], count: count) }
  }
  guard x.isTracked else { return y }
  return record(y, from: [x]) { [shape = x.shape] dy in
    [
      Tensor(shape) { dx in
        for i in 0..<shape.elements {
          var sum = 0.0
          for j in 0..<count { sum += Double(dy.base[i * count + j]) }
          dx[i] = Float(sum)
        }
      }
    ]
  }
}

/// [B T G K] → [B T G · count K]: each head `count` times in a row, for queries that share keys and values.
public func repeatedHeads(_ x: Tensor, each count: Int) -> Tensor {
  precondition(
    x.shape.rank == 4 && count > 0, "repeatedHeads: \(x.shape), \(count) times; it must be [B T G K]")
  guard count > 1 else { return x }
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let (heads, K) = (x.shape[2], x.shape[3])
  let tokens = x.shape[0] * x.shape[1]
  let y = Tensor([x.shape[0], x.shape[1], heads * count, K]) { y in
    splitRows(tokens, width: heads * count * K) {
      for row in $0.lowerBound * heads..<$0.upperBound * heads {
        for i in 0..<count { (y + (row * count + i) * K).update(from: x.base + row * K, count: K) }
      }
    }
  }
  guard x.isTracked else { return y }
  return record(y, from: [x]) { [shape = x.shape] dy in
    [
      Tensor(shape) { dx in
        splitRows(tokens, width: heads * count * K) {
          for row in $0.lowerBound * heads..<$0.upperBound * heads {
            let sum = dx + row * K
            sum.update(from: dy.base + row * count * K, count: K)
            for i in 1..<count { runnel_add(K, sum, dy.base + (row * count + i) * K, sum) }
          }
        }
      }
    ]
  }
}
