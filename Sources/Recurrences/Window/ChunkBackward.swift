/// The gradient of mixed chunk attention, chunk by chunk from the last one.

import CKernels
import RunnelKernels
import RunnelTensors

extension ChunkCall {
  /// One gradient for each operand and each tensor of the memory, from those of y and of the memory after the
  /// segment. All forms compute one function, so there is one gradient; weights and sums are computed again.
  func gradient(before old: [Tensor], _ dafter: [Tensor?]) -> [Tensor?] {
    let dy = dafter[0] ?? Tensor(zeros: x.value.shape)
    let doperands = x.all.map { Tensor(uninitialized: $0.shape) }
    let dmemory = zip(old, dafter.dropFirst()).map {
      $1.map { Tensor($0.scalars, $0.shape) } ?? Tensor(zeros: $0.shape)
    }
    let dpointers = ChunkPointers(dmemory)
    WorkerPool.shared.run(n.B) { b in
      let plan = plan(b, longest: n.C)
      let sums = sums(b, plan, from: old)
      let scratch = ChunkScratch(n)
      for (i, piece) in plan.enumerated().reversed() {
        backward(
          b, piece, before: old, sum: sums.base + i * n.S * n.E, dy: dy.base + value(b, piece.start),
          doperands.map { $0.storage.base }, dpointers.row(b, n), scratch)
      }
      withExtendedLifetime((sums, scratch)) {}
    }
    return doperands + dmemory
  }

  /// M before each piece.
  private func sums(_ b: Int, _ plan: [Piece], from old: [Tensor]) -> Storage {
    let size = n.S * n.E
    let sums = Storage(capacity: (plan.count + 1) * size)
    sums.base.update(from: old[3].base + b * size, count: size)
    let scratch = ChunkScratch(n)
    for (i, piece) in plan.enumerated() {
      let own = sums.base + i * size
      if piece.isFresh { own.update(repeating: 0, count: size) }
      (own + size).update(from: own, count: size)
      guard piece.end == n.C else { continue }
      let chunk = chunk(b, piece, before: old, scratch)
      Gemm.parallel(
        m: n.S, n: n.E, k: n.C, MatrixView(chunk.linearKeys, rowStride: n.S, .transposed),
        MatrixView(chunk.values, rowStride: n.E), beta: 1, into: own + size, rowStride: n.E)
    }
    withExtendedLifetime(scratch) {}
    return sums
  }

  /// The keys and values of a piece's chunk up to its last token. A piece that does not start its chunk is
  /// the first of the segment, and the chunk's start is in the ring.
  private func chunk(
    _ b: Int, _ piece: Piece, before old: [Tensor], _ scratch: ChunkScratch
  ) -> (localKeys: UnsafePointer<Float>, linearKeys: UnsafePointer<Float>, values: UnsafePointer<Float>) {
    let (key, value) = (key(b, piece.start), value(b, piece.start))
    let tokens = [x.localKey.base + key, x.linearKey.base + key, x.value.base + value]
    guard piece.offset > 0 else { return (tokens[0], tokens[1], tokens[2]) }
    let lines = [scratch.localKeys, scratch.linearKeys, scratch.values]
    for (i, width) in [n.S, n.S, n.E].enumerated() {
      lines[i].update(from: old[i].base + b * n.C * width, count: piece.offset * width)
      (lines[i] + piece.offset * width).update(from: tokens[i], count: piece.count * width)
    }
    return (UnsafePointer(lines[0]), UnsafePointer(lines[1]), UnsafePointer(lines[2]))
  }

  private func backward(
    _ b: Int, _ piece: Piece, before old: [Tensor], sum: UnsafePointer<Float>, dy: UnsafePointer<Float>,
    _ doperands: [UnsafeMutablePointer<Float>], _ dmemory: ChunkPointers, _ scratch: ChunkScratch
  ) {
    let chunk = chunk(b, piece, before: old, scratch)
    let (m, e, token, r) = (piece.count, piece.end, key(b, piece.start), 1 / Float(n.C))
    let local = x.localQuery.base + token, linear = x.linearQuery.base + token
    let (s, ds, dlines) = (scratch.scores, scratch.dscores, scratch.gradients)
    func view(_ p: UnsafePointer<Float>, _ stride: Int, _ t: Transposition = .none) -> MatrixView {
      MatrixView(p, rowStride: stride, t)
    }
    // The chunk in M, if it was completed.
    let isFull = e == n.C
    if isFull {
      Gemm.parallel(
        m: e, n: n.S, k: n.E, view(chunk.values, n.E), view(dmemory.sum, n.E, .transposed), into: dlines[1],
        rowStride: n.S)
      Gemm.parallel(
        m: e, n: n.E, k: n.S, view(chunk.linearKeys, n.S), view(dmemory.sum, n.E), into: dlines[2],
        rowStride: n.E)
    } else {
      dlines[1].update(repeating: 0, count: e * n.S)
    }
    // Attention inside the chunk.
    weigh(b, piece, keys: chunk.localKeys, s)
    Gemm.parallel(
      m: m, n: e, k: n.E, view(dy, n.E), view(chunk.values, n.E, .transposed), into: ds, rowStride: e)
    runnel_chunk_weights_backward(m, e, e, piece.offset, n.C, s, ds)
    Gemm.parallel(
      m: e, n: n.E, k: m, view(s, e, .transposed), view(dy, n.E), beta: isFull ? 1 : 0, into: dlines[2],
      rowStride: n.E)
    Gemm.parallel(
      m: m, n: n.S, k: e, view(ds, e), view(chunk.localKeys, n.S), into: doperands[0] + token, rowStride: n.S)
    Gemm.parallel(
      m: e, n: n.S, k: m, view(ds, e, .transposed), view(local, n.S), into: dlines[0], rowStride: n.S)
    // The earlier chunks.
    Gemm.parallel(
      m: m, n: n.S, k: n.E, alpha: r, view(dy, n.E), view(sum, n.E, .transposed), into: doperands[2] + token,
      rowStride: n.S)
    Gemm.parallel(
      m: n.S, n: n.E, k: m, alpha: r, view(linear, n.S, .transposed), view(dy, n.E), beta: 1,
      into: dmemory.sum, rowStride: n.E)
    // The ring: its older tokens were there before; the piece's own have overwritten what was.
    let rings = [dmemory.localKeys, dmemory.linearKeys, dmemory.values]
    for (i, operand) in [1, 3, 4].enumerated() {
      let width = i < 2 ? n.S : n.E, own = piece.offset * width
      let to = doperands[operand] + (b * n.T + piece.start) * width
      runnel_add(own, rings[i], dlines[i], rings[i])
      runnel_add(m * width, rings[i] + own, dlines[i] + own, to)
      (rings[i] + own).update(repeating: 0, count: m * width)
    }
    if piece.isFresh { dmemory.clear(n) }
  }
}

extension ChunkPointers {
  /// Tensors that nobody else holds.
  fileprivate init(_ tensors: [Tensor]) {
    let bases = tensors.map { $0.storage.base + $0.offset }
    self.init(localKeys: bases[0], linearKeys: bases[1], values: bases[2], sum: bases[3])
  }
}

/// The memory of one row's backward, to be kept alive while its pointers are used.
private final class ChunkScratch {
  private let storage: Storage
  /// A chunk's keys and values; its scores; the gradients of keys and values.
  let localKeys, linearKeys, values, scores, dscores: UnsafeMutablePointer<Float>
  let gradients: [UnsafeMutablePointer<Float>]

  init(_ n: ChunkSizes) {
    let (keys, values, scores) = (n.C * n.S, n.C * n.E, n.C * n.C)
    storage = Storage(capacity: 4 * keys + 2 * values + 2 * scores)
    localKeys = storage.base
    linearKeys = localKeys + keys
    self.values = linearKeys + keys
    self.scores = self.values + values
    dscores = self.scores + scores
    let first = dscores + scores
    gradients = [first, first + keys, first + 2 * keys]
  }
}
