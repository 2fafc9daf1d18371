/// The chunkwise form of the delta rule.
///
/// In a chunk of Q tokens that starts from the state S, let u_t = a_t S_{t−1} be what is read for removal,
/// P_t the product of the decays of tokens up to t, R_s that of tokens after s, D_ts = P_t / P_s, and with
/// rows of all tokens as matrices
///
///     M^xy_ts = Σ_k x_tk D_ts,k y_sk,  s ≤ t             for what reads the state after t
///     M^xy_ts = Σ_k x_tk D_{t−1}s,k y_sk,  s < t         for what reads it before t: a, and q if it does
///
///     (I − M^ab) U = (a ⊙ P_{t−1}) S + M^ak V
///     Y  = (q ⊙ P) S + M^qk V + M^qb U
///     S' = diag(P_Q) S + (k ⊙ R)ᵀ V + (b ⊙ R)ᵀ U
///
/// D is taken from products that run from token to token, never from a division or a difference of
/// logarithms. [q; a] and [k; b] stand below each other in memory, so that one product serves both.

import CKernels
import RunnelKernels
import RunnelTensors

extension DeltaCall {
  /// The state [B H K V] is taken on in place; `starts`, if given, keeps the state before every chunk.
  func forward(
    _ plan: OuterPlan, state: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>,
    starts: UnsafeMutablePointer<Float>?
  ) {
    WorkerPool.shared.run(n.B * n.H) { index in
      let (b, h) = (index / n.H, index % n.H)
      let own = state + index * n.stateSize
      let item = DeltaChunk(self, plan, b: b, h: h)
      for (c, chunk) in plan.rows[b].enumerated() {
        if chunk.isFresh { own.update(repeating: 0, count: n.stateSize) }
        item.prepare(chunk, state: own)
        item.outputs(y + valueOffset(b, chunk.start, h), state: own)
        runnel_delta_scale_state(
          n.K, n.V, item.total, own, starts.map { $0 + startOffset(plan, b, c, h) })
        Gemm.serial(
          m: n.K, n: n.V, k: item.rows, MatrixView(item.toEnd, rowStride: n.P, .transposed),
          MatrixView(item.values, rowStride: n.V), beta: 1, into: own, rowStride: n.V)
      }
    }
  }
}

/// The memory of one head of one row, chunk after chunk.
final class DeltaChunk {
  let call: DeltaCall
  let n: DeltaSizes
  let b, h: Int
  private let memory: DeltaMemory
  private let hasDecay: Bool

  /// Tokens of the chunk, the same rounded up to sixteen, and the rows of both parts together.
  private(set) var count = 0
  private(set) var block = 0
  /// How many tokens from here the next chunk is, or 0.
  private(set) var ahead = 0
  var rows: Int { (call.parts - 1) * block + count }
  /// Floats between two rows of scores.
  var stride: Int { call.parts * block }

  /// [parts block P]: q and a, k and b.
  let readers, writers: UnsafeMutablePointer<Float>
  /// The same times P_t or P_{t−1}, and times R_s. Without decays, the same memory.
  let fromStart, toEnd: UnsafeMutablePointer<Float>
  /// [block P], [block+1 P], [block P]: w, the products before a token, and those after it.
  private let decays, before, after: UnsafeMutablePointer<Float>
  /// [parts block, parts block]: rows q and a, columns k and b.
  let scores: UnsafeMutablePointer<Float>
  /// [parts block V]: V and U.
  let values: UnsafeMutablePointer<Float>

  init(_ call: DeltaCall, _ plan: OuterPlan, b: Int, h: Int) {
    (self.call, n, self.b, self.h) = (call, call.n, b, h)
    hasDecay = call.decay.logarithm != nil
    let longest = (plan.longest + 15) / 16 * 16, rows = call.parts * longest
    memory = DeltaMemory(floats: 4 * rows * n.P + (3 * longest + 1) * n.P + rows * rows + rows * n.V)
    readers = memory.take(rows * n.P)
    writers = memory.take(rows * n.P)
    fromStart = hasDecay ? memory.take(rows * n.P) : readers
    toEnd = hasDecay ? memory.take(rows * n.P) : writers
    decays = memory.take(longest * n.P)
    before = memory.take((longest + 1) * n.P)
    after = memory.take(longest * n.P)
    scores = memory.take(rows * rows)
    values = memory.take(rows * n.V)
  }

  /// w of the chunk; nil stands for all ones, here and below.
  var w: UnsafePointer<Float>? { hasDecay ? UnsafePointer(decays) : nil }
  /// P_Q.
  var total: UnsafePointer<Float>? { hasDecay ? UnsafePointer(before + count * n.P) : nil }
  /// The products that scale a reader's rows, and a writer's.
  func readerDecay(lag: Int) -> UnsafePointer<Float>? {
    hasDecay ? UnsafePointer(before + (1 - lag) * n.P) : nil
  }
  var writerDecay: UnsafePointer<Float>? { hasDecay ? UnsafePointer(after) : nil }
  /// Readers in the order of memory: how far each lags behind its token.
  var lags: [Int] { call.parts == 1 ? [call.lag] : [call.lag, 1] }
  /// The offset of a part in `readers`, `writers` and `values`, and of its rows in `scores`.
  func keyRows(_ part: Int) -> Int { part * block * n.P }
  func valueRows(_ part: Int) -> Int { part * block * n.V }
  func scoreRows(_ part: Int) -> Int { part * block * stride }

  /// All of the chunk that comes before its outputs: operands, decays, scores and U.
  func prepare(_ chunk: OuterPlan.Chunk, state: UnsafePointer<Float>, isBackward: Bool = false) {
    count = chunk.count
    ahead =
      isBackward
      ? (chunk.start >= count ? -count : 0) : (chunk.start + 2 * count <= n.T ? count : 0)
    block = (count + 15) / 16 * 16
    let key = call.keyOffset(b, chunk.start, h)
    for (part, x) in [call.q, call.a].compactMap(\.self).enumerated() {
      runnel_delta_pack(count, block, n.K, n.P, n.keyStride, ahead, x.base + key, readers + keyRows(part))
    }
    for (part, x) in [call.k, call.b].compactMap(\.self).enumerated() {
      runnel_delta_pack(count, block, n.K, n.P, n.keyStride, ahead, x.base + key, writers + keyRows(part))
    }
    runnel_delta_pack(
      count, block, n.V, n.V, n.valueStride, ahead, call.v.base + call.valueOffset(b, chunk.start, h), values)
    let (log, decayStride, keyStep) = call.logDecay(b, chunk.start, h)
    if let log {
      runnel_delta_decays(count, n.K, n.P, decayStride, keyStep, ahead, log, decays, before, after)
      for (part, lag) in lags.enumerated() {
        scale(readers + keyRows(part), readerDecay(lag: lag), fromStart + keyRows(part))
        scale(writers + keyRows(part), writerDecay, toEnd + keyRows(part))
      }
    }
    for (part, lag) in lags.enumerated() {
      let M = scores + scoreRows(part)
      runnel_delta_scores(
        count, n.P, lag, stride, readers + keyRows(part), writers,
        call.parts == 2 ? writers + keyRows(1) : nil, w, M, M + block)
    }
    if let bonus = call.reads.bonus {
      runnel_delta_bonus(count, n.K, n.P, stride, readers, writers, bonus.base + h * n.K, scores)
    }
    if call.parts == 2 {
      let (U, M) = (values + valueRows(1), scores + scoreRows(1))
      Gemm.serial(
        m: count, n: n.V, k: n.K, MatrixView(fromStart + keyRows(1), rowStride: n.P),
        MatrixView(state, rowStride: n.V), into: U, rowStride: n.V)
      Gemm.serial(
        m: count, n: n.V, k: count, MatrixView(M, rowStride: stride), MatrixView(values, rowStride: n.V),
        beta: 1, into: U, rowStride: n.V)
      runnel_delta_solve(count, n.V, n.V, stride, M + block, U)
    }
  }

  /// Y of the chunk, from the state before it.
  func outputs(_ y: UnsafeMutablePointer<Float>, state: UnsafePointer<Float>) {
    Gemm.serial(
      m: count, n: n.V, k: n.K, MatrixView(fromStart, rowStride: n.P), MatrixView(state, rowStride: n.V),
      into: y, rowStride: n.valueStride)
    Gemm.serial(
      m: count, n: n.V, k: rows, MatrixView(scores, rowStride: stride), MatrixView(values, rowStride: n.V),
      beta: 1, into: y, rowStride: n.valueStride)
  }

  /// The rows of one part times their decays, with zeros up to the whole block.
  private func scale(
    _ x: UnsafePointer<Float>, _ decay: UnsafePointer<Float>?, _ y: UnsafeMutablePointer<Float>
  ) {
    guard let decay else { return }
    runnel_multiply(count * n.P, x, decay, y)
    (y + count * n.P).update(repeating: 0, count: (block - count) * n.P)
  }
}

/// Memory for a work item, handed out in pieces that start on a cache line, and not all on the same one of
/// a page: rows of many pieces are used together, and would evict each other from the cache.
final class DeltaMemory {
  private let storage: Storage
  private var used = 0

  private static let gap = 5 * 16

  init(floats: Int) { storage = Storage(capacity: floats + 16 * (Self.gap + 16)) }

  func take(_ count: Int) -> UnsafeMutablePointer<Float> {
    let piece = storage.base + used
    used += (count + 15) / 16 * 16 + Self.gap
    precondition(used <= storage.capacity, "DeltaRule: scratch memory of \(storage.capacity) floats ran out")
    return piece
  }
}
