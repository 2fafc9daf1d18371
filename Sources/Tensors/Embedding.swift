/// Rows of a table, looked up by number.

import CKernels
import RunnelKernels

/// Row `ids[i]` of `table` [V D] for each i, as [shape… D].
public func embedding(_ table: Tensor, ids: [Int32], shape: Shape) -> Tensor {
  precondition(table.shape.rank == 2, "embedding: a table of \(table.shape); it must be [V D]")
  precondition(shape.elements == ids.count, "embedding: \(ids.count) ids do not fill the shape \(shape)")
  let (v, d) = (table.shape[0], table.shape[1])
  for id in ids {
    precondition(id >= 0 && Int(id) < v, "embedding: id \(id) outside a table of \(v) rows")
  }
  Profiler.begin(.embedding)
  defer { Profiler.end() }
  var out = shape
  out.append(d)
  let y = Tensor(out) { y in
    splitRows(ids.count, width: d) {
      for i in $0 { (y + i * d).update(from: table.base + Int(ids[i]) * d, count: d) }
    }
  }
  guard table.isTracked else { return y }
  return record(y, from: [table]) { dy in [scattered(dy, ids: ids, like: [v, d])] }
}

/// dtable[id] = Σ of dy over the places where the id stands. The threads share out the columns, so that each sum runs
/// over the places in their order.
private func scattered(_ dy: Tensor, ids: [Int32], like shape: Shape) -> Tensor {
  let d = shape.width
  return Tensor(shape) { dtable in
    splitRows(shape.rows, width: d) { (dtable + $0.lowerBound * d).update(repeating: 0, count: $0.count * d) }
    WorkerPool.shared.split(d, grain: max(16, elementGrain / max(1, ids.count))) { columns in
      for (i, id) in ids.enumerated() {
        let row = dtable + Int(id) * d + columns.lowerBound
        runnel_add(columns.count, row, dy.base + i * d + columns.lowerBound, row)
      }
    }
  }
}
