/// Window attention over time: token by token, and by blocks of queries with its gradient.
///
/// The keys that a document can still see in the ring and its new ones are written out in order of time. A block of
/// queries then is a product with the keys that one of them sees, a masked softmax of each row, and a product with the
/// values. The paper's quadratic form has all keys of the segment in every product; the blocks leave out what the mask
/// hides from all of their rows.

import CKernels
import RunnelKernels
import RunnelTensors

struct WindowScan: Recurrence {
  let name: StaticString = "Window"
  let segment: Segment
  /// q, k and v.
  var operands: [Tensor]
  let scale: Float
  let H, G, K, V, W: Int

  /// The queries of one block: enough for the products to be fast, and few, so that little above the diagonal is formed.
  private static let block = 64
  /// Heads of queries that share one of keys and values.
  private var shared: Int { H / G }

  var gathering: [Gathering] { [.perToken, .perToken, .perToken] }
  var output: Shape { [segment.batch, segment.length, H, V] }
  var units: Int { G }
  var shares: Int { G }
  /// The rings of a head's keys and values; for gradients [W K] and [W V], one after the other, else in the state tensors.
  var memory: Int { W * (K + V) }
  var parts: [Part] { [Part(tensor: 0, size: K, total: G * K), Part(tensor: 1, size: V, total: G * V)] }
  var cost: Int { memory * shared }
  /// The rings change once a stretch, and its tokens are still there for the gradient.
  func chunkLength(_ form: Form, keepsMemories: Bool) -> Int { .max }
  func isInPlace(_ pass: Pass) -> Bool { pass != .gradient }
  func begin(_ memory: MutableFloats, part: Int, count: Int) {
    for slot in 0..<(count == self.memory ? 1 : W) {
      (memory + slot * G * count).update(repeating: 0, count: count)
    }
  }
  private func forEachSlot(
    _ row: Int, _ head: Int, _ body: (_ state: Int, _ inState: Int, _ inMemory: Int, _ count: Int) -> Void
  ) {
    for slot in 0..<W {
      let place = (row * W + slot) * G + head
      body(0, place * K, slot * K, K)
      body(1, place * V, W * K + slot * V, V)
    }
  }
  func load(_ row: Int, _ unit: Int, from states: [MutableFloats], into memory: MutableFloats) {
    forEachSlot(row, unit) { (memory + $2).update(from: states[$0] + $1, count: $3) }
  }
  func store(_ row: Int, _ unit: Int, _ memory: Floats, into states: [MutableFloats]) {
    forEachSlot(row, unit) { (states[$0] + $1).update(from: memory + $2, count: $3) }
  }
  func makeScratch(_ share: Share, _ grid: Grid, for pass: Pass) -> Storage {
    Storage(capacity: pass == .gradient ? 0 : W)
  }

  /// Where a token of a piece and its head of queries or keys begins, for heads of `width`.
  private func query(_ x: Piece, _ t: Int, _ head: Int, _ width: Int) -> Int {
    ((x.row * segment.length + x.start + t) * H + head) * width
  }
  private func key(_ x: Piece, _ t: Int, _ head: Int, _ width: Int) -> Int {
    ((x.row * segment.length + x.start + t) * G + head) * width
  }
  private func heads(_ g: Int) -> Range<Int> { g * shared..<(g + 1) * shared }
  /// Puts a token into rings whose slots are `stride` heads apart.
  private func put(
    _ x: Piece, _ t: Int, _ g: Int, _ keys: MutableFloats, _ values: MutableFloats, stride: Int
  ) {
    let slot = (x.chunk.position + t) % W * stride
    (keys + slot * K).update(from: operands[1].base + key(x, t, g, K), count: K)
    (values + slot * V).update(from: operands[2].base + key(x, t, g, V), count: V)
  }

  /// Each token is written into its slot, and then looks at all slots that are filled.
  func step(_ x: Piece, _ scratch: Storage) {
    for g in x.units {
      let (keys, values) = (x.memory[g], x.memory[g, 1])
      for t in 0..<x.count {
        put(x, t, g, keys, values, stride: G)
        for h in heads(g) {
          let q = operands[0].base + query(x, t, h, K), y = x.y + query(x, t, h, V)
          let scores = (0..<min(x.chunk.position + t + 1, W)).map { slot in
            (0..<K).reduce(0) { $0 + scale * q[$1] * keys[slot * G * K + $1] }
          }
          let weights = scores.map { Float(exponential(Double($0 - (scores.max() ?? 0)))) }
          let sum = weights.reduce(0, +)
          for i in 0..<V {
            y[i] = weights.indices.reduce(0) { $0 + weights[$1] / sum * values[$1 * G * V + i] }
          }
        }
      }
    }
  }

  func stream(_ x: Piece, _ scratch: Storage) {
    for g in x.units {
      for t in 0..<x.count {
        put(x, t, g, x.memory[g], x.memory[g, 1], stride: G)
        for h in heads(g) {
          runnel_window_step(
            min(x.chunk.position + t + 1, W), K, V, G * K, G * V, scale, operands[0].base + query(x, t, h, K),
            x.memory[g], x.memory[g, 1], scratch.base, x.y + query(x, t, h, V))
        }
      }
    }
  }

  func chunk(_ x: Piece, _ scratch: Storage) { blocks(x, isWhole: false) }
  func parallel(_ x: Piece, _ scratch: Storage) { blocks(x, isWhole: true) }

  private func blocks(_ x: Piece, isWhole: Bool) {
    for g in x.units {
      let (keys, values) = (x.memory[g], x.memory[g, 1]), line = Timeline(self, x, g, keys, values, stride: G)
      // The heads of a group on several threads where there are fewer groups than those.
      WorkerPool.shared.split(shared, grain: max(1, shared * segment.batch * G / 8)) { heads in
        let scores = Storage(capacity: line.scores)
        line.forEachBlock(isWhole: isWhole) { block in
          for h in heads {
            weigh(x, g * shared + h, block, line, scores.base)
            Gemm.serial(
              m: block.count, n: V, k: block.seen.count, MatrixView(scores.base, rowStride: line.stride),
              MatrixView(line.values.base + block.seen.lowerBound * V, rowStride: V),
              into: x.y + query(x, block.start, g * shared + h, V), rowStride: H * V)
          }
        }
        withExtendedLifetime(scores) {}
      }
      for t in max(0, x.count - W)..<x.count { put(x, t, g, keys, values, stride: G) }
      withExtendedLifetime(line) {}
    }
  }

  /// The softmax of a block's scores.
  private func weigh(_ x: Piece, _ h: Int, _ block: QueryBlock, _ line: Timeline, _ scores: MutableFloats) {
    Gemm.serial(
      m: block.count, n: block.seen.count, k: K, alpha: scale,
      MatrixView(operands[0].base + query(x, block.start, h, K), rowStride: H * K),
      MatrixView(line.keys.base + block.seen.lowerBound * K, rowStride: K, .transposed), into: scores,
      rowStride: line.stride)
    runnel_window_softmax(block.count, block.seen.count, line.stride, block.first, W, scores)
  }

  func gradient(_ x: Piece, _ gradients: ChunkGradients, _ scratch: Storage) {
    for g in x.units {
      let line = Timeline(self, x, g, x.memory[g], x.memory[g] + W * K, stride: 1)
      let d = gradients.operands, length = line.past + x.count
      let dkeys = Tensor(zeros: [length, K]).storage, dvalues = Tensor(zeros: [length, V]).storage
      let scores = Storage(capacity: 2 * line.scores), p = scores.base, dp = p + line.scores
      line.forEachBlock(isWhole: false) { block in
        let (first, m, n) = (block.seen.lowerBound, block.count, block.seen.count)
        for h in heads(g) {
          let dy = MatrixView(gradients.dy + query(x, block.start, h, V), rowStride: H * V)
          let query = query(x, block.start, h, K)
          weigh(x, h, block, line, p)
          Gemm.serial(
            m: n, n: V, k: m, MatrixView(p, rowStride: line.stride, .transposed), dy, beta: 1,
            into: dvalues.base + first * V, rowStride: V)
          Gemm.serial(
            m: m, n: n, k: V, dy, MatrixView(line.values.base + first * V, rowStride: V, .transposed),
            into: dp,
            rowStride: line.stride)
          runnel_window_softmax_backward(m, n, line.stride, scale, p, dp)
          Gemm.serial(
            m: m, n: K, k: n, MatrixView(dp, rowStride: line.stride),
            MatrixView(line.keys.base + first * K, rowStride: K), into: d[0] + query, rowStride: H * K)
          Gemm.serial(
            m: n, n: K, k: m, MatrixView(dp, rowStride: line.stride, .transposed),
            MatrixView(operands[0].base + query, rowStride: H * K), beta: 1, into: dkeys.base + first * K,
            rowStride: K)
        }
      }
      give(x, g, dkeys.base, line.past, K, ring: gradients.memory[g], tokens: d[1])
      give(x, g, dvalues.base, line.past, V, ring: gradients.memory[g] + W * K, tokens: d[2])
      withExtendedLifetime((line, dkeys, dvalues, scores)) {}
    }
  }

  /// What a timeline has gathered goes to the tokens and to the ring before; a token that the ring holds after the
  /// segment also has its gradient, and has overwritten what was there before.
  private func give(
    _ x: Piece, _ g: Int, _ dline: Floats, _ past: Int, _ width: Int, ring: MutableFloats,
    tokens: MutableFloats
  ) {
    for t in 0..<x.count {
      let to = tokens + key(x, t, g, width), own = dline + (past + t) * width
      to.update(from: own, count: width)
      guard x.count - t <= W else { continue }
      let slot = ring + (x.chunk.position + t) % W * width
      runnel_add(width, to, slot, to)
      slot.update(repeating: 0, count: width)
    }
    for i in 0..<past {
      let slot = ring + (x.chunk.position - past + i) % W * width
      runnel_add(width, slot, dline + i * width, slot)
    }
  }

  /// A head's keys and values in order of time, the visible past first.
  private struct Timeline {
    let past, count, W: Int
    let keys, values: Storage
    /// Floats between two rows of a block's scores, and of all of them.
    var stride: Int { (past + count + 15) / 16 * 16 }
    var scores: Int { min(block, count) * stride }

    /// - Parameter stride: heads between two slots of the rings.
    init(_ call: WindowScan, _ x: Piece, _ g: Int, _ keys: Floats, _ values: Floats, stride: Int) {
      (count, W) = (x.count, call.W)
      let past = min(x.chunk.position, W - 1)
      self.past = past
      func line(_ ring: Floats, _ tokens: Tensor, _ width: Int) -> Storage {
        let line = Storage(capacity: (past + x.count) * width)
        for i in 0..<past {
          let slot = (x.chunk.position - past + i) % call.W
          (line.base + i * width).update(from: ring + slot * stride * width, count: width)
        }
        for t in 0..<x.count {
          (line.base + (past + t) * width).update(from: tokens.base + call.key(x, t, g, width), count: width)
        }
        return line
      }
      self.keys = line(keys, call.operands[1], call.K)
      self.values = line(values, call.operands[2], call.V)
    }

    func forEachBlock(isWhole: Bool, _ body: (QueryBlock) -> Void) {
      for start in Swift.stride(from: 0, to: count, by: block) {
        let count = min(block, self.count - start), place = past + start
        let seen = isWhole ? 0..<past + self.count : max(0, place - W + 1)..<place + count
        body(QueryBlock(start: start, count: count, first: place - seen.lowerBound, seen: seen))
      }
    }
  }

  /// A block of queries: their first in the piece, and the keys they meet in the timeline.
  private struct QueryBlock {
    let start, count: Int
    /// The first query's place in the timeline, counted from the first key it meets.
    let first: Int
    let seen: Range<Int>
  }
}
