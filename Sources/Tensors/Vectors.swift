/// Operations that combine every row of a tensor [… D] with one vector [D], or with one number per row.

import CKernels
import RunnelKernels

/// x ⊙ v.
public func scaled(_ x: Tensor, by v: Tensor) -> Tensor {
  check(v, x, "scaled")
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let y = byRows(x) { n, i, y in runnel_scale_rows(n, v.count, x.base + i, v.base, y) }
  guard isTracked(x, v) else { return y }
  return record(y, from: [x, v]) { [x = x.detached, v = v.detached] dy in scaleGradients(dy, x, v) }
}

/// x + v.
public func added(_ x: Tensor, _ v: Tensor) -> Tensor {
  check(v, x, "added")
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let y = byRows(x) { n, i, y in runnel_shift_rows(n, v.count, x.base + i, v.base, y) }
  guard isTracked(x, v) else { return y }
  let needsVector = v.isTracked
  let shape = v.shape
  return record(y, from: [x, v]) { dy in
    guard needsVector else { return [dy, nil] }
    return [dy, Tensor(shape) { sumOfRows(dy.base, rows: dy.shape.rows, width: shape.elements, into: $0) }]
  }
}

/// y + v ⊙ x: the direct path around a recurrence.
public func skip(_ y: Tensor, _ x: Tensor, by v: Tensor) -> Tensor {
  precondition(x.shape == y.shape, "skip: \(y.shape) and \(x.shape); they must be equal")
  check(v, x, "skip")
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let z = byRows(x) { n, i, z in runnel_skip_rows(n, v.count, y.base + i, x.base + i, v.base, z) }
  guard isTracked(y, x, v) else { return z }
  return record(z, from: [y, x, v]) { [x = x.detached, v = v.detached] dz in
    [dz] + scaleGradients(dz, x, v)
  }
}

/// x + (y − x) ⊙ v: from x at v = 0 to y at v = 1.
public func mixed(_ x: Tensor, _ y: Tensor, by v: Tensor) -> Tensor {
  precondition(x.shape == y.shape, "mixed: \(x.shape) and \(y.shape); they must be equal")
  check(v, x, "mixed")
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let z = byRows(x) { n, i, z in runnel_mix_rows(n, v.count, x.base + i, y.base + i, v.base, z) }
  guard isTracked(x, y, v) else { return z }
  return record(z, from: [x, y, v]) { [x = x.detached, y = y.detached, v = v.detached] dz in
    let dx = Tensor(uninitialized: x.shape)
    let dy = Tensor(uninitialized: x.shape)
    let d = v.count
    let dv = sumOverRowBlocks(rows: x.shape.rows, width: d) { range, dv in
      let i = range.lowerBound * d
      runnel_mix_rows_backward(
        range.count, d, x.base + i, y.base + i, v.base, dz.base + i, dx.storage.base + i,
        dy.storage.base + i, dv)
    }
    return [dx, dy, dv.reshaped(v.shape)]
  }
}

/// x / n, a number `n` [… 1] for each row of `x` [… D]: the normaliser of an attention.
public func divided(_ x: Tensor, by n: Tensor) -> Tensor {
  precondition(
    x.shape.rank > 0 && n.shape == x.shape.with(width: 1),
    "divided: \(x.shape) by \(n.shape); the divisor must have one element per row")
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let d = x.shape.width
  let y = byRows(x) { rows, i, y in runnel_divide_rows(rows, d, x.base + i, n.base + i / max(1, d), y) }
  guard isTracked(x, n) else { return y }
  return record(y, from: [x, n]) { [x = x.detached, n = n.detached] dy in
    let dx = Tensor(uninitialized: x.shape)
    let dn = Tensor(uninitialized: n.shape)
    splitRows(x.shape.rows, width: d) {
      let i = $0.lowerBound * d
      runnel_divide_rows_backward(
        $0.count, d, x.base + i, n.base + $0.lowerBound, dy.base + i, dx.storage.base + i,
        dn.storage.base + $0.lowerBound)
    }
    return [dx, dn]
  }
}

/// dx = dy ⊙ v and dv = Σ over rows of dy ⊙ x.
private func scaleGradients(_ dy: Tensor, _ x: Tensor, _ v: Tensor) -> [Tensor] {
  let d = v.count
  let dx = Tensor(uninitialized: x.shape)
  let dv = sumOverRowBlocks(rows: x.shape.rows, width: d) { range, dv in
    let i = range.lowerBound * d
    runnel_scale_rows_backward(
      range.count, d, x.base + i, v.base, dy.base + i, dx.storage.base + i, dv)
  }
  return [dx, dv.reshaped(v.shape)]
}

/// A tensor like `x`, made by calls with a number of rows, their first element and where it goes.
private func byRows(_ x: Tensor, _ body: (Int, Int, UnsafeMutablePointer<Float>) -> Void) -> Tensor {
  let d = x.shape.width
  return Tensor(x.shape) { y in
    splitRows(x.shape.rows, width: d) { body($0.count, $0.lowerBound * d, y + $0.lowerBound * d) }
  }
}

private func check(_ v: Tensor, _ x: Tensor, _ name: StaticString) {
  precondition(
    v.count == x.shape.width, "\(name): a vector of \(v.shape) for \(x.shape); it must be [\(x.shape.width)]")
}
