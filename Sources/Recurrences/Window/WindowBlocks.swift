/// Window attention by blocks of queries, and its gradient.
///
/// The keys that a document can still see in the ring and its new ones are written out in order of time. A
/// block of queries then is a product with the keys that one of them sees, a masked softmax of each row, and
/// a product with the values. The paper's quadratic form has all keys of the segment in every product; the
/// blocks leave out what the mask hides from all of their rows.

import CKernels
import RunnelKernels
import RunnelTensors

/// The queries of one block: enough for the products to be fast, and few, so that little above the diagonal
/// is formed.
private let blockLength = 64

/// Keys and values in order of time, the visible past first, and room for the scores of a block.
private struct Timeline {
  let past: Int
  let keys, values: Storage
  let scores, dscores: Storage
  /// Floats between two rows of scores.
  let stride: Int

  init(_ n: WindowSizes, past: Int, count: Int, isBackward: Bool = false) {
    self.past = past
    stride = (past + count + 15) / 16 * 16
    keys = Storage(capacity: (past + count) * n.K)
    values = Storage(capacity: (past + count) * n.V)
    scores = Storage(capacity: min(blockLength, count) * stride)
    dscores = isBackward ? Storage(capacity: min(blockLength, count) * stride) : scores
  }
}

/// A block of queries: their first in the segment, and the keys they meet in the timeline.
private struct QueryBlock {
  let start, count: Int
  /// The first query's place in the timeline, counted from the first key it meets.
  let first: Int
  let seen: Range<Int>
}

extension WindowCall {
  /// The outputs, from rings as they were before the segment.
  func blocks(
    _ keys: UnsafePointer<Float>, _ values: UnsafePointer<Float>, isWhole: Bool,
    y: UnsafeMutablePointer<Float>
  ) {
    // The heads of a group are split where there are few groups; by the sizes alone.
    let parts = min(n.shared, max(1, 8 / max(1, n.B * n.G)))
    WorkerPool.shared.run(n.B * n.G * parts) { item in
      let (b, g, part) = (item / (n.G * parts), item / parts % n.G, item % parts)
      let heads = g * n.shared + n.shared * part / parts..<g * n.shared + n.shared * (part + 1) / parts
      for stretch in stretches[b] {
        let line = timeline(b, g, stretch, keys, values)
        defer { withExtendedLifetime(line) {} }
        forEachBlock(stretch, past: line.past, isWhole: isWhole) { block in
          for h in heads {
            weigh(b, h, block, line)
            Gemm.serial(
              m: block.count, n: n.V, k: block.seen.count,
              MatrixView(line.scores.base, rowStride: line.stride),
              MatrixView(line.values.base + block.seen.lowerBound * n.V, rowStride: n.V),
              into: y + outputOffset(b, block.start, h), rowStride: n.H * n.V)
          }
        }
      }
    }
  }

  private func timeline(
    _ b: Int, _ g: Int, _ stretch: Resets.Stretch, _ keys: UnsafePointer<Float>,
    _ values: UnsafePointer<Float>, isBackward: Bool = false
  ) -> Timeline {
    let line = Timeline(n, past: past(b, stretch), count: stretch.range.count, isBackward: isBackward)
    for i in 0..<line.past {
      let from = slot(b, before(b, stretch) - line.past + i, g)
      (line.keys.base + i * n.K).update(from: keys + from * n.K, count: n.K)
      (line.values.base + i * n.V).update(from: values + from * n.V, count: n.V)
    }
    for (i, t) in stretch.range.enumerated() {
      let (to, from) = (line.past + i, token(b, t, g))
      (line.keys.base + to * n.K).update(from: k.base + from * n.K, count: n.K)
      (line.values.base + to * n.V).update(from: v.base + from * n.V, count: n.V)
    }
    return line
  }

  private func forEachBlock(
    _ stretch: Resets.Stretch, past: Int, isWhole: Bool, _ body: (QueryBlock) -> Void
  ) {
    for start in stride(from: 0, to: stretch.range.count, by: blockLength) {
      let count = min(blockLength, stretch.range.count - start), place = past + start
      let seen = isWhole ? 0..<past + stretch.range.count : max(0, place - n.W + 1)..<place + count
      body(
        QueryBlock(
          start: stretch.range.lowerBound + start, count: count, first: place - seen.lowerBound, seen: seen))
    }
  }

  /// The softmax of a block's scores.
  private func weigh(_ b: Int, _ h: Int, _ block: QueryBlock, _ line: Timeline) {
    Gemm.serial(
      m: block.count, n: block.seen.count, k: n.K, alpha: scale,
      MatrixView(q.base + queryOffset(b, block.start, h), rowStride: n.H * n.K),
      MatrixView(line.keys.base + block.seen.lowerBound * n.K, rowStride: n.K, .transposed),
      into: line.scores.base, rowStride: line.stride)
    runnel_window_softmax(
      block.count, block.seen.count, line.stride, block.first, n.W, line.scores.base)
  }

  /// The gradients of q, k, v and of both rings before the segment. All forms compute one function, so there
  /// is one gradient; the weights are computed again.
  func gradient(
    keys: Tensor, values: Tensor, dy: Tensor?, dkeys: Tensor?, dvalues: Tensor?
  ) -> [Tensor?] {
    let dy = dy ?? Tensor(zeros: [n.B, n.T, n.H, n.V])
    let dq = Tensor(uninitialized: q.shape), dk = Tensor(uninitialized: k.shape)
    let dv = Tensor(uninitialized: v.shape)
    let dkeysBefore = Tensor(uninitialized: keys.shape), dvaluesBefore = Tensor(uninitialized: values.shape)
    WorkerPool.shared.run(n.B * n.G) { item in
      let (b, g) = (item / n.G, item % n.G)
      passRing(b, g, width: n.K, dkeys, into: dkeysBefore.storage.base)
      passRing(b, g, width: n.V, dvalues, into: dvaluesBefore.storage.base)
      for (i, stretch) in stretches[b].enumerated() {
        let line = timeline(b, g, stretch, keys.base, values.base, isBackward: true)
        let length = line.past + stretch.range.count
        let dline = Timeline(n, past: line.past, count: stretch.range.count)
        defer { withExtendedLifetime((line, dline)) {} }
        dline.keys.base.update(repeating: 0, count: length * n.K)
        dline.values.base.update(repeating: 0, count: length * n.V)
        forEachBlock(stretch, past: line.past, isWhole: false) { block in
          for h in g * n.shared..<(g + 1) * n.shared {
            backward(b, h, block, line, dline, dy: dy.base, dq: dq.storage.base)
          }
        }
        let isLast = i == stretches[b].count - 1
        give(
          b, g, stretch, dline.keys.base, dline.past, width: n.K, after: isLast ? dkeys : nil,
          tokens: dk.storage.base, ring: dkeysBefore.storage.base)
        give(
          b, g, stretch, dline.values.base, dline.past, width: n.V, after: isLast ? dvalues : nil,
          tokens: dv.storage.base, ring: dvaluesBefore.storage.base)
      }
    }
    return [dq, dk, dv, dkeysBefore, dvaluesBefore]
  }

  /// One block and head: dq is written, the gradients of keys and values are added.
  private func backward(
    _ b: Int, _ h: Int, _ block: QueryBlock, _ line: Timeline, _ dline: Timeline, dy: UnsafePointer<Float>,
    dq: UnsafeMutablePointer<Float>
  ) {
    weigh(b, h, block, line)
    let seen = block.seen.lowerBound
    let dyRows = dy + outputOffset(b, block.start, h), query = queryOffset(b, block.start, h)
    let p = line.scores.base, dp = line.dscores.base
    Gemm.serial(
      m: block.seen.count, n: n.V, k: block.count, MatrixView(p, rowStride: line.stride, .transposed),
      MatrixView(dyRows, rowStride: n.H * n.V), beta: 1, into: dline.values.base + seen * n.V, rowStride: n.V)
    Gemm.serial(
      m: block.count, n: block.seen.count, k: n.V, MatrixView(dyRows, rowStride: n.H * n.V),
      MatrixView(line.values.base + seen * n.V, rowStride: n.V, .transposed), into: dp, rowStride: line.stride
    )
    runnel_window_softmax_backward(block.count, block.seen.count, line.stride, scale, p, dp)
    Gemm.serial(
      m: block.count, n: n.K, k: block.seen.count, MatrixView(dp, rowStride: line.stride),
      MatrixView(line.keys.base + seen * n.K, rowStride: n.K), into: dq + query, rowStride: n.H * n.K)
    Gemm.serial(
      m: block.seen.count, n: n.K, k: block.count, MatrixView(dp, rowStride: line.stride, .transposed),
      MatrixView(q.base + query, rowStride: n.H * n.K), beta: 1, into: dline.keys.base + seen * n.K,
      rowStride: n.K)
  }

  /// A slot that no token of the segment has written hands its gradient on; one that a reset has cleared does
  /// not.
  private func passRing(
    _ b: Int, _ g: Int, width: Int, _ dafter: Tensor?, into dbefore: UnsafeMutablePointer<Float>
  ) {
    let isCleared = stretches[b].contains(where: \.isFresh)
    for position in 0..<n.W {
      let at = slot(b, position, g) * width
      // How many tokens after the first one this slot would be written.
      let wait = (position - counts[b] % n.W + n.W) % n.W
      if let dafter, !isCleared, wait >= n.T {
        (dbefore + at).update(from: dafter.base + at, count: width)
      } else {
        (dbefore + at).update(repeating: 0, count: width)
      }
    }
  }

  /// What a timeline has gathered goes to the tokens and to the ring before; the tokens that the ring holds
  /// after the segment also have its gradient.
  private func give(
    _ b: Int, _ g: Int, _ stretch: Resets.Stretch, _ dline: UnsafeMutablePointer<Float>, _ past: Int,
    width: Int,
    after: Tensor?, tokens: UnsafeMutablePointer<Float>, ring: UnsafeMutablePointer<Float>
  ) {
    for i in 0..<past {
      let to = ring + slot(b, before(b, stretch) - past + i, g) * width
      runnel_add(width, to, dline + i * width, to)
    }
    for (i, t) in stretch.range.enumerated() {
      let to = tokens + token(b, t, g) * width, own = dline + (past + i) * width
      to.update(from: own, count: width)
      if let after, stretch.range.count - i <= n.W {
        runnel_add(width, to, after.base + slot(b, before(b, stretch) + i, g) * width, to)
      }
    }
  }
}
