/// The chunkwise form of the matrix memory.
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
/// [q; a] and [k; b] stand below each other in memory, so that one product serves both. One decay for all keys
/// leaves the sum, M = (X Yᵀ) ∘ D: X Yᵀ is then a product of matrices, made once for the heads that share it.
/// D comes from products that run from token to token, or from sums of logarithms in double precision, never from
/// a division or a difference of rounded sums.

import CKernels
import RunnelKernels
import RunnelTensors

/// What is made of a chunk, head after head of a share.
final class MatrixChunk {
  let call: MatrixCall
  let share: Share
  /// Of the call, made once.
  let lags: [Int]
  private let readerOperands, writerOperands: [Int]
  private let memory = Pieces()
  private(set) var chunk = Chunk(start: 0, count: 0, isFresh: false, position: 0)

  /// Tokens of the chunk, the same rounded up to sixteen, and the rows of both kinds together.
  private(set) var count = 0
  private(set) var block = 0
  var rows: Int { (call.kinds - 1) * block + count }
  /// Floats between two rows of scores.
  var stride: Int { call.kinds * block }
  /// How many tokens from here the next chunk is, or 0.
  private(set) var ahead = 0
  /// Rows of scores that are made together, and up to which column there are any: few, to compute little above
  /// the diagonal, and as many as a product needs to be fast.
  private(set) var bands: [(rows: Range<Int>, columns: Int)] = []

  /// [kinds block P]: q and a, k and b.
  let readers, writers: MutableFloats
  /// The same of one head times P_t or P_{t−1}, and times R_s. Without decays, the same memory.
  let fromStart, toEnd: MutableFloats
  /// [kinds block, kinds block]: rows q and a, columns k and b. M of a head, and, for one decay for all keys, its
  /// products without their decays.
  let scores, products: MutableFloats
  /// [kinds block V]: V and U.
  let values: MutableFloats
  /// V and U as products take them: V alone may stay where it is.
  private var valueView: MatrixView
  private var packsValues = false
  /// [K, kinds block]: k and b. The bands of scores meet its columns again and again, and each would turn them for itself: the
  /// scores of a chunk would take 40 to 50 % longer.
  private let transposed: MutableFloats

  /// Floats of a decay at a token: one, or one for each key.
  let width: Int
  let hasDecay: Bool
  /// Of a head: w of the chunk, [count P], or D, [count dStride]; the products before a token, [count+1 width],
  /// and those after it, [count width].
  private(set) var decays, before, after: MutableFloats
  let dStride: Int
  private let perHead: Int, firstDecays: MutableFloats, sums: MutableFloats
  /// How many tokens D holds of each head already, where it is the same for all chunks.
  private var known: [Int]

  init(_ call: MatrixCall, _ share: Share, longest: Int) {
    (self.call, self.share, hasDecay) = (call, share, call.hasDecay)
    (lags, readerOperands, writerOperands) = (call.lags, call.readers, call.writers)
    width = call.decayHasKeys ? call.P : 1
    dStride = (longest + 15) / 16 * 16
    let rows = call.kinds * dStride
    readers = memory.take(rows * call.P)
    writers = memory.take(rows * call.P)
    fromStart = hasDecay ? memory.take(rows * call.P) : readers
    toEnd = hasDecay ? memory.take(rows * call.P) : writers
    scores = memory.take(rows * rows)
    values = memory.take(rows * call.V)
    valueView = MatrixView(values, rowStride: call.V)
    if call.decayHasKeys {
      (perHead, known) = (0, [])
      decays = memory.take(dStride * width)
      before = memory.take((dStride + 1) * width)
      after = memory.take(dStride * width)
      (firstDecays, products, sums, transposed) = (decays, scores, before, readers)
    } else {
      perHead = (dStride + 2) * dStride
      known = call.decayHasTokens ? [] : Array(repeating: 0, count: share.units.count)
      firstDecays = memory.take(max(1, known.count) * perHead)
      (decays, before, after) = (firstDecays, firstDecays, firstDecays)
      products = memory.take(rows * rows)
      sums = memory.take(2 * dStride)
      transposed = memory.take(call.K * rows)
    }
  }

  /// P_Q. nil stands for all ones, here and below.
  var total: Floats? { hasDecay ? UnsafePointer(before + count * width) : nil }
  /// The products that scale a reader's rows, and a writer's.
  func readerDecay(lag: Int) -> Floats? {
    hasDecay ? UnsafePointer(before + (1 - lag) * width) : nil
  }
  var writerDecay: Floats? { hasDecay ? UnsafePointer(after) : nil }
  /// The offset of a kind in `readers`, `writers` and `values`, and of its rows in `scores`.
  func keyRows(_ kind: Int) -> Int { kind * block * call.P }
  func valueRows(_ kind: Int) -> Int { kind * block * call.V }
  func scoreRows(_ kind: Int) -> Int { kind * block * stride }

  /// What the heads of the share have in common.
  func load(_ chunk: Chunk, isBackward: Bool = false) {
    self.chunk = chunk
    count = chunk.count
    block = (count + 15) / 16 * 16
    ahead =
      isBackward
      ? (chunk.start >= count ? -count : 0) : (chunk.start + 2 * count <= call.T ? count : 0)
    bands =
      call.kinds == 2
      ? [(0..<rows, stride)]
      : Swift.stride(from: 0, to: count, by: 16).map { ($0..<min($0 + 16, count), $0 + 16) }
    let key = call.keyOffset(share.row, chunk.start, share.units.lowerBound)
    // Gradients multiply whole blocks.
    packsValues = isBackward || call.kinds == 2
    for (operands, rows) in [(readerOperands, readers), (writerOperands, writers)] {
      for (kind, operand) in operands.enumerated() {
        runnel_matrix_pack(
          count, block, call.K, call.P, call.keyStride, ahead, call.operands[operand].base + key,
          rows + keyRows(kind))
      }
    }
    guard !call.decayHasKeys else { return }
    runnel_transpose(stride, call.K, call.P, stride, writers, transposed)
    for (rows, columns) in bands {
      Gemm.serial(
        m: rows.count, n: columns, k: call.K,
        MatrixView(readers + rows.lowerBound * call.P, rowStride: call.P),
        MatrixView(transposed, rowStride: stride), into: products + rows.lowerBound * stride,
        rowStride: stride)
    }
  }

  /// All of a head that comes before its outputs: decays, scores, values and U.
  func enter(_ h: Int, state: Floats) {
    makeDecays(h)
    if hasDecay {
      for (kind, lag) in lags.enumerated() {
        let at = keyRows(kind)
        runnel_matrix_scale(count, block, call.P, width, readerDecay(lag: lag), readers + at, fromStart + at)
        runnel_matrix_scale(count, block, call.P, width, after, writers + at, toEnd + at)
      }
    }
    makeScores(h)
    let own = call.operands[2].base + call.valueOffset(share.row, chunk.start, h)
    if packsValues {
      runnel_matrix_pack(count, block, call.V, call.V, call.valueStride, ahead, own, values)
      valueView = MatrixView(values, rowStride: call.V)
    } else {
      valueView = MatrixView(own, rowStride: call.valueStride)
    }
    guard call.kinds == 2 else { return }
    let U = values + valueRows(1), M = scores + scoreRows(1)
    multiply(fromStart + keyRows(1), state, into: U, rowStride: call.V)
    Gemm.serial(
      m: count, n: call.V, k: count, MatrixView(M, rowStride: stride), MatrixView(values, rowStride: call.V),
      beta: chunk.isFresh ? 0 : 1, into: U, rowStride: call.V)
    runnel_matrix_solve(count, call.V, call.V, stride, 1, M + block, U)
    (U + count * call.V).update(repeating: 0, count: (block - count) * call.V)
  }

  private func makeDecays(_ h: Int) {
    let log = call.log.map { $0.base + call.logOffset(share.row, chunk.start, h) }
    let stride = call.logStride
    if call.decayHasKeys {
      runnel_matrix_key_decays(
        count, call.K, call.P, stride, stride == 0 ? 0 : ahead, log, decays, before, after)
      return
    }
    let head = known.isEmpty ? 0 : h - share.units.lowerBound
    decays = firstDecays + head * perHead
    before = decays + dStride * dStride
    after = decays + (count - 1) * dStride
    if known.isEmpty || known[head] < count {
      runnel_matrix_scalar_decays(count, stride, dStride, log, decays, before, sums)
      if !known.isEmpty { known[head] = count }
    }
  }

  private func makeScores(_ h: Int) {
    for (kind, lag) in lags.enumerated() {
      let M = scores + scoreRows(kind)
      if call.decayHasKeys {
        runnel_matrix_scores(
          count, call.P, lag, stride, readers + keyRows(kind), writers,
          call.kinds == 2 ? writers + keyRows(1) : nil, decays, M, M + block)
      } else {
        for column in 0..<call.kinds {
          let at = scoreRows(kind) + column * block
          runnel_matrix_mask(count, lag, block, stride, dStride, products + at, decays, scores + at)
        }
      }
    }
    if let bonus = call.bonus {
      runnel_matrix_bonus(count, call.K, call.P, stride, readers, writers, bonus.base + h * call.K, scores)
    }
  }

  /// Y of a head, from the state before it.
  func read(into y: MutableFloats, state: Floats) {
    multiply(fromStart, state, into: y, rowStride: call.valueStride)
    for (rows, columns) in bands {
      let first = rows.lowerBound
      Gemm.serial(
        m: min(rows.upperBound, count) - first, n: call.V, k: packsValues ? columns : min(columns, count),
        MatrixView(scores + first * stride, rowStride: stride), valueView,
        beta: chunk.isFresh ? 0 : 1, into: y + first * call.valueStride, rowStride: call.valueStride)
    }
  }

  /// S' of a head.
  func write(into state: MutableFloats) { pass(toEnd, valueView, into: state) }

  /// state = diag(P_Q) state + xᵀ values, for the rows of both kinds: S' of a head, and dS.
  func pass(_ x: Floats, _ values: MatrixView, into state: MutableFloats) {
    var beta: Float = chunk.isFresh ? 0 : 1
    if !chunk.isFresh, let total {
      if width == 1 { beta = total[0] } else { runnel_matrix_scale_state(call.K, call.V, total, state) }
    }
    Gemm.serial(
      m: call.K, n: call.V, k: rows, MatrixView(x, rowStride: call.P, .transposed), values, beta: beta,
      into: state, rowStride: call.V)
  }

  /// The rows of a kind times the state, which is zero where a document begins.
  private func multiply(_ x: Floats, _ state: Floats, into y: MutableFloats, rowStride: Int) {
    guard !chunk.isFresh else { return }
    Gemm.serial(
      m: count, n: call.V, k: call.K, MatrixView(x, rowStride: call.P), MatrixView(state, rowStride: call.V),
      into: y, rowStride: rowStride)
  }
}

/// Memory in pieces that do not all start on the same cache line of a page: rows of many pieces are used together,
/// and would evict each other from the cache.
final class Pieces {
  private var pieces: [Storage] = []

  func take(_ count: Int) -> MutableFloats {
    let offset = pieces.count * 5 * 16 % 1024
    let piece = Storage(capacity: offset + count)
    pieces.append(piece)
    return piece.base + offset
  }
}
