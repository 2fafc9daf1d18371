/// Mixed chunk attention piece by piece: the tokens of a segment that lie in one chunk. Pieces of one token
/// are the steps, the definition.

import CKernels
import RunnelKernels
import RunnelTensors

/// One call: its operands, and where documents lie in it.
struct ChunkCall: Sendable {
  let n: ChunkSizes
  let x: ChunkAttention.Operands
  let counts: [Int]
  let stretches: [[Resets.Stretch]]

  struct Piece {
    /// The first token in the segment, and its place in the chunk.
    let start, offset: Int
    let count: Int
    /// Whether a document starts with it.
    let isFresh: Bool
    /// How many tokens of the chunk there are after it.
    var end: Int { offset + count }
  }

  /// The pieces of row `b`, of at most `longest` tokens.
  func plan(_ b: Int, longest: Int) -> [Piece] {
    var pieces: [Piece] = []
    for stretch in stretches[b] {
      var t = stretch.range.lowerBound, position = stretch.isFresh ? 0 : counts[b]
      while t < stretch.range.upperBound {
        let count = min(longest, n.C - position % n.C, stretch.range.upperBound - t)
        pieces.append(
          Piece(
            start: t, offset: position % n.C, count: count,
            isFresh: stretch.isFresh && t == stretch.range.lowerBound))
        t += count
        position += count
      }
    }
    return pieces
  }

  func key(_ b: Int, _ t: Int) -> Int { (b * n.T + t) * n.S }
  func value(_ b: Int, _ t: Int) -> Int { (b * n.T + t) * n.E }

  /// Takes the memory over the segment, and writes the outputs unless `y` is nil.
  func pieces(_ memory: ChunkPointers, isStepwise: Bool, y: UnsafeMutablePointer<Float>?) {
    WorkerPool.shared.run(n.B) { b in
      let own = memory.row(b, n)
      let plan = plan(b, longest: isStepwise ? 1 : n.C)
      let scores = Storage(capacity: y == nil ? 0 : (plan.map { $0.count * $0.end }.max() ?? 0))
      for piece in plan {
        if piece.isFresh { own.clear(n) }
        store(b, piece, own)
        if let y {
          let to = y + value(b, piece.start)
          weigh(b, piece, keys: own.localKeys, scores.base)
          runnel_chunk_weights(piece.count, piece.end, piece.end, piece.offset, n.C, scores.base)
          Gemm.parallel(
            m: piece.count, n: n.E, k: piece.end, MatrixView(scores.base, rowStride: piece.end),
            MatrixView(own.values, rowStride: n.E), into: to, rowStride: n.E)
          recall(b, piece.start, piece.count, own.sum, y: to)
        }
        if piece.end == n.C { remember(own) }
      }
      withExtendedLifetime(scores) {}
    }
  }

  /// The tokens of a piece are put into the ring.
  private func store(_ b: Int, _ piece: Piece, _ own: ChunkPointers) {
    let (from, keys) = (key(b, piece.start), piece.count * n.S)
    (own.localKeys + piece.offset * n.S).update(from: x.localKey.base + from, count: keys)
    (own.linearKeys + piece.offset * n.S).update(from: x.linearKey.base + from, count: keys)
    (own.values + piece.offset * n.E).update(
      from: x.value.base + value(b, piece.start), count: piece.count * n.E)
  }

  /// The scores of a piece's queries and the chunk's keys so far, [count end].
  func weigh(_ b: Int, _ piece: Piece, keys: UnsafePointer<Float>, _ scores: UnsafeMutablePointer<Float>) {
    let query = x.localQuery.base + key(b, piece.start)
    if piece.count == 1 {
      Gemm.vector(rows: piece.end, columns: n.S, keys, query, into: scores)
    } else {
      Gemm.parallel(
        m: piece.count, n: piece.end, k: n.S, MatrixView(query, rowStride: n.S),
        MatrixView(keys, rowStride: n.S, .transposed), into: scores, rowStride: piece.end)
    }
  }

  /// What the earlier chunks give to y, which is added.
  func recall(_ b: Int, _ t: Int, _ count: Int, _ sum: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>) {
    Gemm.parallel(
      m: count, n: n.E, k: n.S, alpha: 1 / Float(n.C),
      MatrixView(x.linearQuery.base + key(b, t), rowStride: n.S), MatrixView(sum, rowStride: n.E), beta: 1,
      into: y, rowStride: n.E)
  }

  /// A full chunk enters M.
  private func remember(_ own: ChunkPointers) {
    Gemm.parallel(
      m: n.S, n: n.E, k: n.C, MatrixView(own.linearKeys, rowStride: n.S, .transposed),
      MatrixView(own.values, rowStride: n.E), beta: 1, into: own.sum, rowStride: n.E)
  }

  /// The whole-segment form: one masked quadratic product over all tokens of a document, those in the ring's
  /// running chunk first, and M as it was before. The memory is not changed.
  func whole(_ memory: ChunkPointers, y: UnsafeMutablePointer<Float>) {
    let band = 64
    WorkerPool.shared.run(n.B) { b in
      let own = memory.row(b, n)
      let nothing = Tensor(zeros: [n.S, n.E])
      for stretch in stretches[b] {
        let past = stretch.isFresh ? 0 : counts[b] % n.C
        let length = past + stretch.range.count, t = stretch.range.lowerBound
        func line(_ ring: UnsafePointer<Float>, _ tokens: UnsafePointer<Float>, width: Int) -> Storage {
          let line = Storage(capacity: length * width)
          line.base.update(from: ring, count: past * width)
          (line.base + past * width).update(from: tokens, count: stretch.range.count * width)
          return line
        }
        let localKeys = line(own.localKeys, x.localKey.base + key(b, t), width: n.S)
        let linearKeys = line(own.linearKeys, x.linearKey.base + key(b, t), width: n.S)
        let values = line(own.values, x.value.base + value(b, t), width: n.E)
        let scores = Storage(capacity: band * length), linear = Storage(capacity: band * length)
        for start in stride(from: 0, to: stretch.range.count, by: band) {
          let count = min(band, stretch.range.count - start)
          for (query, keys, to) in [(x.localQuery, localKeys, scores), (x.linearQuery, linearKeys, linear)] {
            Gemm.parallel(
              m: count, n: length, k: n.S, MatrixView(query.base + key(b, t + start), rowStride: n.S),
              MatrixView(keys.base, rowStride: n.S, .transposed), into: to.base, rowStride: length)
          }
          runnel_chunk_mixed_weights(
            count, length, length, past + start, n.C, scores.base, linear.base)
          let to = y + value(b, t + start)
          Gemm.parallel(
            m: count, n: n.E, k: length, MatrixView(scores.base, rowStride: length),
            MatrixView(values.base, rowStride: n.E), into: to, rowStride: n.E)
          recall(b, t + start, count, stretch.isFresh ? nothing.base : UnsafePointer(own.sum), y: to)
        }
        withExtendedLifetime((localKeys, linearKeys, values, scores, linear)) {}
      }
      withExtendedLifetime(nothing) {}
    }
  }
}
