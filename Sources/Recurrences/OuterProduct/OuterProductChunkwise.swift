/// The chunkwise form of the outer-product recurrence.
///
/// Inside a chunk of Q tokens that starts from the state S, with G_t the inclusive sum of log decays up to
/// token t and D_ts = exp(G_t − G_s) for s ≤ t, else 0:
///
///     Y  = (Q Kᵀ ∘ D) V + diag(exp G) Q S
///     S' = exp(G_Q) S + Kᵀ diag(exp(G_Q − G)) V
///
/// No exponent is positive. Q Kᵀ is formed in blocks of rows, which leaves out most of its upper triangle,
/// and once for all heads of a group that are worked on together.

import CKernels
import RunnelKernels
import RunnelTensors

struct OuterChunkwise: Sendable {
  let n: OuterSizes
  let q, k, v: Tensor
  let decay: OuterProduct.Decay
  let plan: OuterPlan
  /// In how many parts the heads of a group are split over work items. A function of the sizes alone, for the
  /// order of sums must not depend on the number of threads.
  let parts: Int
  private let tables: OuterPowers

  /// Rows of Q Kᵀ formed at a time: few, to compute little above its diagonal; BLAS is as fast with sixteen.
  static let block = 16

  init(
    _ n: OuterSizes, q: Tensor, k: Tensor, v: Tensor, decay: OuterProduct.Decay, plan: OuterPlan
  ) {
    (self.n, self.q, self.k, self.v, self.decay, self.plan) = (n, q, k, v, decay, plan)
    parts = min(n.shared, max(1, 8 / max(1, n.B * n.G)))
    tables = OuterPowers(decay, heads: n.H, length: plan.longest)
  }

  func keyOffset(_ b: Int, _ t: Int, _ g: Int) -> Int { (b * n.T + t) * n.keyStride + g * n.K }
  func valueOffset(_ b: Int, _ t: Int, _ h: Int) -> Int { (b * n.T + t) * n.valueStride + h * n.V }
  /// Where the state of head `h` before chunk `c` of row `b` is kept.
  func startOffset(_ b: Int, _ c: Int, _ h: Int) -> Int { ((plan.first[b] + c) * n.H + h) * n.stateSize }

  /// Calls `body` for every row of the batch, group and part of the group's heads.
  func run(_ body: (_ row: Int, _ group: Int, _ part: Int, _ heads: Range<Int>) -> Void) {
    WorkerPool.shared.run(n.B * n.G * parts) { item in
      let (b, g, part) = (item / (n.G * parts), item / parts % n.G, item % parts)
      let first = g * n.shared
      body(b, g, part, first + n.shared * part / parts..<first + n.shared * (part + 1) / parts)
    }
  }

  /// The state [B H K V] is taken on in place; `starts`, if given, keeps the state before every chunk.
  func forward(
    state: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>, starts: UnsafeMutablePointer<Float>?
  ) {
    run { b, g, _, heads in
      let scratch = OuterScratch(n, plan, heads: heads.count)
      defer { withExtendedLifetime(scratch) {} }
      for (c, chunk) in plan.rows[b].enumerated() {
        let decays = heads.map { chunkDecay($0, b, chunk, scratch.decay(of: $0 - heads.lowerBound)) }
        for h in heads {
          let own = state + (b * n.H + h) * n.stateSize
          if let starts, !chunk.isFresh {
            (starts + startOffset(b, c, h)).update(from: own, count: n.stateSize)
          }
          let (key, value) = (keyOffset(b, chunk.start, g), valueOffset(b, chunk.start, h))
          passState(
            chunk, decays[h - heads.lowerBound], q: q.base + key, k: k.base + key, v: v.base + value,
            state: own, y: y + value, scratch)
        }
        transposeKeys(b, g, chunk, scratch)
        for start in stride(from: 0, to: chunk.count, by: Self.block) {
          let rows = start..<min(start + Self.block, chunk.count)
          scores(b, g, chunk, rows, scratch)
          for h in heads {
            let value = valueOffset(b, chunk.start, h)
            let (D, stride) = between(decays[h - heads.lowerBound], rows, scratch)
            runnel_outer_mask(
              rows.count, rows.upperBound, scratch.stride, stride, scratch.scores, D, scratch.masked)
            Gemm.serial(
              m: rows.count, n: n.V, k: rows.upperBound,
              MatrixView(scratch.masked, rowStride: scratch.stride),
              MatrixView(v.base + value, rowStride: n.valueStride), beta: chunk.isFresh ? 0 : 1,
              into: y + value + start * n.valueStride, rowStride: n.valueStride)
          }
        }
      }
    }
  }

  /// What the state gives to y, and the chunk to the state.
  private func passState(
    _ chunk: OuterPlan.Chunk, _ decay: OuterChunkDecay, q: UnsafePointer<Float>, k: UnsafePointer<Float>,
    v: UnsafePointer<Float>, state: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>,
    _ scratch: OuterScratch
  ) {
    if !chunk.isFresh {
      Gemm.serial(
        m: chunk.count, n: n.V, k: n.K, scaled(q, chunk, decay.fromStart, scratch.keys),
        MatrixView(state, rowStride: n.V), into: y, rowStride: n.valueStride)
    }
    Gemm.serial(
      m: n.K, n: n.V, k: chunk.count, scaled(k, chunk, decay.toEnd, scratch.keys, .transposed),
      MatrixView(v, rowStride: n.valueStride), beta: chunk.isFresh ? 0 : decay.total, into: state,
      rowStride: n.V)
  }

  /// Small products with a transposed right side take BLAS a third longer, so Kᵀ is written out.
  func transposeKeys(_ b: Int, _ g: Int, _ chunk: OuterPlan.Chunk, _ scratch: OuterScratch) {
    runnel_outer_transpose(
      chunk.count, n.K, n.keyStride, scratch.stride, k.base + keyOffset(b, chunk.start, g),
      scratch.transposedKeys)
  }

  /// Q Kᵀ of some rows, and of the columns up to the last of them.
  func scores(_ b: Int, _ g: Int, _ chunk: OuterPlan.Chunk, _ rows: Range<Int>, _ scratch: OuterScratch) {
    Gemm.serial(
      m: rows.count, n: rows.upperBound, k: n.K,
      MatrixView(q.base + keyOffset(b, chunk.start + rows.lowerBound, g), rowStride: n.keyStride),
      MatrixView(scratch.transposedKeys, rowStride: scratch.stride), into: scratch.scores,
      rowStride: scratch.stride)
  }

  /// The rows of q or k of a chunk, each times its decay.
  func scaled(
    _ x: UnsafePointer<Float>, _ chunk: OuterPlan.Chunk, _ scale: UnsafePointer<Float>?,
    _ scratch: UnsafeMutablePointer<Float>, _ transposition: Transposition = .none
  ) -> MatrixView {
    guard let scale else { return MatrixView(x, rowStride: n.keyStride, transposition) }
    runnel_outer_scale_rows(chunk.count, n.K, n.keyStride, scale, x, scratch)
    return MatrixView(scratch, rowStride: n.K, transposition)
  }
}

/// The decays of one head inside one chunk.
struct OuterChunkDecay {
  /// exp G_t: what token t sees of the state before the chunk. nil stands for all ones.
  let fromStart: UnsafePointer<Float>?
  /// exp(G_Q − G_s): what is left of token s after the chunk.
  let toEnd: UnsafePointer<Float>?
  /// exp G_Q.
  let total: Float
  /// Row 0 of D if it is a table of powers, whose rows overlap; else G as a sum of two floats.
  let table: UnsafePointer<Float>?
  let high, low: UnsafePointer<Float>?
}

extension OuterChunkwise {
  /// `memory` holds four vectors of the longest chunk, for decays that differ from token to token.
  func chunkDecay(
    _ h: Int, _ b: Int, _ chunk: OuterPlan.Chunk, _ memory: (Int) -> UnsafeMutablePointer<Float>
  ) -> OuterChunkDecay {
    switch decay {
    case .none:
      return OuterChunkDecay(
        fromStart: nil, toEnd: nil, total: 1, table: tables.row(0, of: 0), high: nil, low: nil)
    case .perHead:
      let power = tables.powers(of: h)
      return OuterChunkDecay(
        fromStart: power, toEnd: tables.row(chunk.count - 1, of: h), total: power[chunk.count - 1],
        table: tables.row(0, of: h), high: nil, low: nil)
    case .perToken(let log):
      let first = log.base + (b * n.T + chunk.start) * n.H + h
      let (high, low, fromStart, toEnd) = (memory(0), memory(1), memory(2), memory(3))
      runnel_outer_cumulate(chunk.count, n.H, first, high, low, fromStart, toEnd)
      return OuterChunkDecay(
        fromStart: fromStart, toEnd: toEnd, total: fromStart[chunk.count - 1], table: nil, high: high,
        low: low)
    }
  }

  /// D of some rows, and the floats between two of them.
  func between(_ decay: OuterChunkDecay, _ rows: Range<Int>, _ scratch: OuterScratch) -> (
    UnsafePointer<Float>, stride: Int
  ) {
    if let table = decay.table { return (table - rows.lowerBound, -1) }
    runnel_outer_decays(
      rows.count, rows.lowerBound, scratch.stride, decay.high, decay.low, scratch.decays)
    return (UnsafePointer(scratch.decays), scratch.stride)
  }
}

/// Powers of constant decays, w⁰ to w^N. With them falling and zeros behind, … w² w 1 0 0 …, every row of D
/// is a stretch of one vector, and a row starts one float before the row above it.
private struct OuterPowers: Sendable {
  private let values: Tensor  // [heads 3N]
  private let length: Int

  init(_ decay: OuterProduct.Decay, heads: Int, length: Int) {
    self.length = length
    let logs: [Double]
    switch decay {
    case .none: logs = [0]
    case .perHead(let log): logs = (0..<heads).map { max(-1e4, Double(log.base[$0])) }
    case .perToken: logs = []
    }
    values = Tensor([logs.count, 3 * length]) { values in
      for (head, log) in logs.enumerated() {
        let row = values + head * 3 * length
        for i in 0..<length {
          row[length - 1 - i] = Self.power(log, i)
          row[length + i] = 0
          row[2 * length + i] = Self.power(log, i + 1)
        }
      }
    }
  }

  private static func power(_ log: Double, _ exponent: Int) -> Float {
    let x = log * Double(exponent)
    return x < -87 ? 0 : Float(exponential(x))
  }

  /// Row `t` of D, from column 0 on.
  func row(_ t: Int, of head: Int) -> UnsafePointer<Float> {
    values.base + head * 3 * length + length - 1 - t
  }
  /// w, w², …
  func powers(of head: Int) -> UnsafePointer<Float> { values.base + head * 3 * length + 2 * length }
}

/// The memory of one work item, to be kept alive while its pointers are used.
final class OuterScratch {
  private let storage: Storage
  /// Floats between two rows of the matrices of a block.
  let stride: Int
  private let vectors: UnsafeMutablePointer<Float>
  /// [block stride]: Q Kᵀ, and after the decays.
  let scores, masked, decays: UnsafeMutablePointer<Float>
  /// The same for the backward; dscores is summed over the heads of a group.
  let dmasked, dscores: UnsafeMutablePointer<Float>
  /// [longest K]: scaled rows of q or k, or a gradient of them.
  let keys: UnsafeMutablePointer<Float>
  /// [K stride] of a chunk.
  let transposedKeys: UnsafeMutablePointer<Float>
  /// [V K] of a state, and [heads V stride] of a chunk, for the backward.
  let transposedState, transposedValues: UnsafeMutablePointer<Float>

  /// Vectors of the longest chunk for every head: four for the decays, five for their gradient.
  private static let vectorsPerHead = 9

  init(_ n: OuterSizes, _ plan: OuterPlan, heads: Int, backward: Bool = false) {
    let stride = (plan.longest + 15) / 16 * 16
    let matrix = min(OuterChunkwise.block, plan.longest) * stride
    // The scratch of the backward stands last.
    var sizes = [
      Self.vectorsPerHead * heads * stride, matrix, matrix, matrix, plan.longest * n.K, n.K * stride,
    ]
    if backward { sizes += [matrix, matrix, n.V * n.K, heads * n.V * stride] }
    // Every piece starts on a cache line.
    var ends: [Int] = []
    for size in sizes { ends.append((ends.last ?? 0) + (size + 15) / 16 * 16) }
    storage = Storage(capacity: ends.last ?? 0)
    let pieces = [storage.base] + ends.map { [base = storage.base] in base + $0 }
    (self.stride, vectors) = (stride, pieces[0])
    (scores, masked, decays) = (pieces[1], pieces[2], pieces[3])
    (keys, transposedKeys) = (pieces[4], pieces[5])
    (dmasked, dscores) = (pieces[6], pieces[backward ? 7 : 6])
    (transposedState, transposedValues) = (pieces[backward ? 8 : 6], pieces[backward ? 9 : 6])
  }

  func decay(of head: Int) -> (Int) -> UnsafeMutablePointer<Float> {
    { self.vectors + (head * Self.vectorsPerHead + $0) * self.stride }
  }
}
