/// Products with a weight matrix, the bias and the split of the result fused in.

import CKernels
import RunnelKernels

/// x · Wᵀ + b: `x` [… in], `weight` [out in], `bias` [out] or none → [… out].
public func linear(_ x: Tensor, _ weight: Tensor, bias: Tensor? = nil) -> Tensor {
  linear(x, weight, bias: bias, sizes: [weight.shape[0]])[0]
}

extension Shape {
  /// Whether it is one token [B 1 D] of each of several streams. Dense products take these one by one, by the loops that one
  /// row has, so that a stream has the bits that it has alone: a product of matrices sums in another order.
  var isStep: Bool { rank == 3 && self[1] == 1 }
}

/// One projection whose result is wanted in parts: the first `sizes[0]` rows of the weight make the first part, and
/// so on. The parts are separate tensors, so nothing is copied apart afterwards.
public func linear(_ x: Tensor, _ weight: Tensor, bias: Tensor? = nil, sizes: [Int]) -> [Tensor] {
  linear(x, weight, bias: bias, sizes: sizes, precision: .f32)
}

/// The same in a precision, which one token does not take: it is bound by memory.
func linear(
  _ x: Tensor, _ weight: Tensor, bias: Tensor?, sizes: [Int], precision: ProductPrecision
) -> [Tensor] {
  let bias = bias?.isEmpty == true ? nil : bias
  let rows = x.shape.rows
  let inner = x.shape.width
  let out = weight.shape[0]
  precondition(
    weight.shape.rank == 2 && weight.shape[1] == inner,
    "linear: \(x.shape) by a weight of \(weight.shape); the last extents must be equal")
  precondition(sizes.reduce(0, +) == out, "linear: parts \(sizes) do not sum to \(out) rows of the weight")
  precondition(bias == nil || bias?.count == out, "linear: a bias of \(bias?.count ?? 0) for \(out) rows")

  Profiler.begin(.products)
  defer { Profiler.end() }
  var first = 0
  let parts = sizes.map { size in
    defer { first += size }
    return Tensor(x.shape.with(width: size)) { y in
      let w = weight.base + first * inner
      let bias = bias.map { $0.base + first }
      if rows == 1 || x.shape.isStep {
        for row in 0..<rows {
          let y = y + row * size
          if let bias { y.update(from: bias, count: size) }
          Gemm.vector(
            rows: size, columns: inner, w, x.base + row * inner, beta: bias == nil ? 0 : 1, into: y)
        }
      } else {
        Gemm.parallel(
          m: rows, n: size, k: inner, MatrixView(x.base, rowStride: inner),
          MatrixView(w, rowStride: inner, .transposed), bias: bias, into: y, rowStride: size,
          precision: precision)
      }
    }
  }
  guard isTracked(x, weight, bias) else { return parts }

  let needsX = x.isTracked
  let needsWeight = weight.isTracked
  let needsBias = bias?.isTracked == true
  return record(parts, from: [x, weight] + (bias.map { [$0] } ?? [])) {
    [x = x.detached, kept = weight.kept, shape = weight.shape] dy in
    let dx = needsX ? inputGradient(dy, kept(), like: x, sizes: sizes, precision) : nil
    let dweight = needsWeight ? weightGradient(dy, x, shape, sizes: sizes, precision) : nil
    let dbias = needsBias ? biasGradient(dy, out: out, rows: rows, sizes: sizes) : nil
    return [dx, dweight, dbias]
  }
}

/// x · W for a `matrix` stored [in out], as RWKV keeps those of low rank: `x` [… in] → [… out].
public func product(_ x: Tensor, _ matrix: Tensor) -> Tensor { product(x, matrix, precision: .f32) }

func product(_ x: Tensor, _ matrix: Tensor, precision: ProductPrecision) -> Tensor {
  precondition(
    matrix.shape.rank == 2 && matrix.shape[0] == x.shape.width,
    "product: \(x.shape) by a matrix of \(matrix.shape); the last extent of one must be the first of the other"
  )
  Profiler.begin(.products)
  defer { Profiler.end() }
  let (rows, inner, out) = (x.shape.rows, matrix.shape[0], matrix.shape[1])
  let y = Tensor(x.shape.with(width: out)) { y in
    if rows == 1 || x.shape.isStep {
      for row in 0..<rows {
        Gemm.rowVector(x.base + row * inner, rows: inner, columns: out, matrix.base, into: y + row * out)
      }
    } else {
      Gemm.parallel(
        m: rows, n: out, k: inner, MatrixView(x.base, rowStride: inner),
        MatrixView(matrix.base, rowStride: out), into: y, rowStride: out, precision: precision)
    }
  }
  guard isTracked(x, matrix) else { return y }
  let (needsX, needsMatrix) = (x.isTracked, matrix.isTracked)
  return record(y, from: [x, matrix]) { [x = x.detached, matrix = matrix.detached] dy in
    let dx =
      !needsX
      ? nil
      : Tensor(x.shape) { dx in
        Gemm.parallel(
          m: rows, n: inner, k: out, MatrixView(dy.base, rowStride: out),
          MatrixView(matrix.base, rowStride: out, .transposed), into: dx, rowStride: inner,
          precision: precision)
      }
    let dmatrix =
      !needsMatrix
      ? nil
      : Tensor(matrix.shape) { dmatrix in
        Gemm.parallel(
          m: inner, n: out, k: rows, MatrixView(x.base, rowStride: inner, .transposed),
          MatrixView(dy.base, rowStride: out), into: dmatrix, rowStride: out, precision: precision)
      }
    return [dx, dmatrix]
  }
}

/// dx = Σ over parts of dy · W.
private func inputGradient(
  _ dy: [Tensor?], _ weight: Tensor, like x: Tensor, sizes: [Int], _ precision: ProductPrecision
) -> Tensor {
  let inner = x.shape.width
  return Tensor(x.shape) { dx in
    var first = 0
    var written = false
    for (size, part) in zip(sizes, dy) {
      if let part {
        Gemm.parallel(
          m: x.shape.rows, n: inner, k: size, MatrixView(part.base, rowStride: size),
          MatrixView(weight.base + first * inner, rowStride: inner), beta: written ? 1 : 0, into: dx,
          rowStride: inner, precision: precision)
        written = true
      }
      first += size
    }
    if !written { dx.update(repeating: 0, count: x.count) }
  }
}

/// dW = dyᵀ · x, part by part.
private func weightGradient(
  _ dy: [Tensor?], _ x: Tensor, _ shape: Shape, sizes: [Int], _ precision: ProductPrecision
) -> Tensor {
  let inner = x.shape.width
  return Tensor(shape) { dweight in
    var first = 0
    for (size, part) in zip(sizes, dy) {
      let rows = dweight + first * inner
      if let part {
        Gemm.parallel(
          m: size, n: inner, k: x.shape.rows, MatrixView(part.base, rowStride: size, .transposed),
          MatrixView(x.base, rowStride: inner), into: rows, rowStride: inner, precision: precision)
      } else {
        rows.update(repeating: 0, count: size * inner)
      }
      first += size
    }
  }
}

private func biasGradient(_ dy: [Tensor?], out: Int, rows: Int, sizes: [Int]) -> Tensor {
  Tensor([out]) { dbias in
    var first = 0
    for (size, part) in zip(sizes, dy) {
      if let part {
        sumOfRows(part.base, rows: rows, width: size, into: dbias + first)
      } else {
        (dbias + first).update(repeating: 0, count: size)
      }
      first += size
    }
  }
}

/// The sum of `rows` vectors of `width` floats, split over the width so that the order of the sum is fixed.
package func sumOfRows(
  _ x: UnsafePointer<Float>, rows: Int, width: Int, into sum: UnsafeMutablePointer<Float>
) {
  sum.update(repeating: 0, count: width)
  WorkerPool.shared.split(width, grain: max(16, elementGrain / max(1, rows))) { columns in
    for row in 0..<rows {
      let start = columns.lowerBound
      runnel_add(columns.count, sum + start, x + row * width + start, sum + start)
    }
  }
}
