/// Products with a block-diagonal weight: every head of channels has its own small matrix.

import CKernels
import RunnelKernels

/// y_h = x_h · W_h + b_h: `x` [… H K], the heads side by side in the last axis, `weight` [H K P], `bias` [H
/// P] or absent → [… H P].
public func blockLinear(_ x: Tensor, _ weight: Tensor, bias: Tensor = .absent) -> Tensor {
  precondition(
    weight.shape.rank == 3 && x.shape.width == weight.shape[0] * weight.shape[1],
    "blockLinear: \(x.shape) by a weight of \(weight.shape); [… H K] and [H K P] are needed")
  let (rows, H, K, P) = (x.shape.rows, weight.shape[0], weight.shape[1], weight.shape[2])
  precondition(
    bias.isEmpty || bias.count == H * P, "blockLinear: a bias of \(bias.shape); it must be [\(H) \(P)]")

  Profiler.begin(.products)
  defer { Profiler.end() }
  let isStep = rows == 1 || x.shape.isStep
  @Sendable func forEachHead(_ body: (Int) -> Void) {
    WorkerPool.shared.split(H, grain: max(1, (1 << 16) / max(1, rows * K * P))) { $0.forEach(body) }
  }
  let y = Tensor(x.shape.with(width: H * P)) { y in
    forEachHead { h in
      let (x, w, y) = (x.base + h * K, weight.base + h * K * P, y + h * P)
      let bias = bias.isEmpty ? nil : bias.base + h * P, beta: Float = bias == nil ? 0 : 1
      if isStep {
        for row in 0..<rows {
          if let bias { (y + row * H * P).update(from: bias, count: P) }
          // One column is a row of the transposed matrix, whose sum runs in lanes.
          if P == 1 {
            runnel_gemv(1, K, w, x + row * H * K, beta, y + row * H)
          } else {
            runnel_gevm(K, P, P, w, x + row * H * K, beta, y + row * H * P)
          }
        }
      } else {
        Gemm.serial(
          m: rows, n: P, k: K, MatrixView(x, rowStride: H * K), MatrixView(w, rowStride: P), bias: bias,
          into: y, rowStride: H * P)
      }
    }
  }
  guard isTracked(x, weight, bias) else { return y }
  let needsBias = bias.isTracked
  let biasShape = bias.shape
  return record(y, from: [x, weight, bias]) { [x = x.detached, weight = weight.detached] dy in
    let dx = Tensor(uninitialized: x.shape), dweight = Tensor(uninitialized: weight.shape)
    forEachHead { h in
      Gemm.serial(
        m: rows, n: K, k: P, MatrixView(dy.base + h * P, rowStride: H * P),
        MatrixView(weight.base + h * K * P, rowStride: P, .transposed), into: dx.storage.base + h * K,
        rowStride: H * K)
      Gemm.serial(
        m: K, n: P, k: rows, MatrixView(x.base + h * K, rowStride: H * K, .transposed),
        MatrixView(dy.base + h * P, rowStride: H * P), into: dweight.storage.base + h * K * P, rowStride: P)
    }
    guard needsBias else { return [dx, dweight, nil] }
    return [dx, dweight, Tensor(biasShape) { sumOfRows(dy.base, rows: rows, width: H * P, into: $0) }]
  }
}

/// The weight [H K P] for `blockLinear` of a checkpoint's many small blocks [N p k], each output by input:
/// `count` blocks at a time on the diagonal of one, zero beside them; H = N/count, K = count k, P = count p.
///
/// Products of a few columns waste most of every cache line they touch; the zeros cost less.
public func joinedBlocks(_ blocks: Tensor, _ count: Int) -> Tensor {
  precondition(
    blocks.shape.rank == 3 && count > 0 && blocks.shape[0] % count == 0,
    "joinedBlocks: \(blocks.shape), \(count) at a time; [N p k] with N a multiple is needed")
  let (N, p, k) = (blocks.shape[0], blocks.shape[1], blocks.shape[2])
  /// Calls `body` with each element's place among the blocks and in the joined weight.
  @Sendable func forEachElement(_ body: (Int, Int) -> Void) {
    for n in 0..<N {
      let (h, i) = (n / count, n % count)
      for row in 0..<p {
        for column in 0..<k {
          body(
            (n * p + row) * k + column, ((h * count + i) * k + column) * count * p + i * p + row)
        }
      }
    }
  }
  Profiler.begin(.elementwise)
  defer { Profiler.end() }
  let joined = Tensor([N / count, count * k, count * p]) { y in
    y.update(repeating: 0, count: N * count * k * p)
    forEachElement { y[$1] = blocks.base[$0] }
  }
  guard blocks.isTracked else { return joined }
  return record(joined, from: [blocks]) { [shape = blocks.shape] dy in
    [Tensor(shape) { dblocks in forEachElement { dblocks[$0] = dy.base[$1] } }]
  }
}
