/// The vector–Jacobian product of the chunkwise matrix memory.
///
/// With [V; U] the values of the writers [k; b], [dY; G] the gradients of what the readers [q; a] read, S
/// the state before the chunk and dS' the gradient of the one after it, X = [q; a] and Z = [k; b] for
/// short:
///
///     dU = M^qbᵀ dY + (b ⊙ R) dS'        (I − M^ab)ᵀ G = dU
///     dV = M^qkᵀ dY + M^akᵀ G + (k ⊙ R) dS'
///     dM = [dY; G] [V; U]ᵀ               d(X ⊙ P) = [dY; G] Sᵀ          d(Z ⊙ R) = [V; U] dS'ᵀ
///     dS = diag(P_Q) dS' + (X ⊙ P)ᵀ [dY; G]
///
/// and, for one decay for all keys, dX = (dM ∘ D) Z and dZ = (dM ∘ D)ᵀ X, with dM ∘ D summed over the heads that
/// share X and Z.
///
/// The log decay of token u stands in every product that spans u, so its gradient is the sum of the terms
/// that do: pairs s < u ≤ t, reads from the start at t ≥ u, writes to the end at s < u, and P_Q ⟨S, dS'⟩. A
/// difference of sums over all tokens would cancel where decays are strong.

import CKernels
import RunnelKernels
import RunnelTensors

/// The gradient of a chunk, head after head of a share.
final class MatrixBackward {
  private let call: MatrixCall
  private let work: MatrixChunk
  private let memory = Pieces()

  /// [kinds block V]: dY and G; dV and dU.
  let dreads, dvalues: MutableFloats
  /// [kinds block, kinds block]: dM of a head, and dM ∘ D summed over heads.
  let dscores, dproducts: MutableFloats
  /// [kinds block P]: of q and a, of k and b, and of either times its decays.
  let dreaders, dwriters, scaled: MutableFloats
  /// [block width] each but for one row more in front of the first: the terms of log decays.
  let fromStart, toEnd, dlog: MutableFloats
  /// [V K] of a state, or [V, kinds block] of values.
  let transposed: MutableFloats
  /// [width], and [64 block].
  let total, moved: MutableFloats

  init(_ work: MatrixChunk) {
    (self.work, call) = (work, work.call)
    let (block, width) = (work.dStride, work.width), rows = call.kinds * block
    dreads = memory.take(rows * call.V)
    dvalues = memory.take(rows * call.V)
    dscores = memory.take(rows * rows)
    dproducts = call.decayHasKeys ? dscores : memory.take(rows * rows)
    dreaders = memory.take(rows * call.P)
    dwriters = memory.take(rows * call.P)
    scaled = memory.take(rows * call.P)
    fromStart = memory.take((block + 1) * width)
    toEnd = memory.take(block * width)
    dlog = memory.take(block * width)
    transposed = memory.take(call.V * max(call.P, rows))
    total = memory.take(width)
    moved = memory.take(64 * block)
    // Products leave what is padded as it is, and what is padded is multiplied with zeros, of which only a number makes zero.
    scaled.update(repeating: 0, count: rows * call.P)
    if !call.decayHasKeys { dproducts.update(repeating: 0, count: rows * rows) }
  }

  func run(_ x: Piece, _ gradients: ChunkGradients) {
    let (d, count, width) = (gradients.operands, x.count, work.width)
    let needsDecay = call.hasDecay && gradients.needs[call.logIndex]
    work.load(x.chunk, isBackward: true)
    for rows in [dreaders, dwriters] { rows.update(repeating: 0, count: work.rows * call.P) }
    for h in x.units {
      let (state, dstate, value) = (x.memory[h], gradients.memory[h], call.valueOffset(x.row, x.start, h))
      work.enter(h, state: state)
      readsAndValues(gradients.dy + value, gradients.hasLater ? dstate : nil)
      // The pairs' terms are cheap beside their gradients, and made even if not asked for.
      for terms in [dlog, fromStart, toEnd] { terms.update(repeating: 0, count: count * width) }
      (fromStart + count * width).update(repeating: 0, count: width)
      passState(state, dstate, hasLater: gradients.hasLater, needsDecay)
      insideChunk(h, bonus: call.hasBonus ? d[d.count - 1] + h * call.K : nil)
      if needsDecay {
        runnel_matrix_decay_backward(count, width, fromStart + width, toEnd, total, dlog)
        runnel_matrix_unpack(
          count, call.logWidth, width, call.logStride, call.decayHasTokens ? 0 : 1, dlog,
          d[call.logIndex] + call.logOffset(x.row, x.start, h))
      }
      runnel_matrix_unpack(count, call.V, call.V, call.valueStride, 0, dvalues, d[2] + value)
    }
    if !call.decayHasKeys { passProducts() }
    let key = call.keyOffset(x.row, x.start, x.units.lowerBound)
    for (operands, rows) in [(call.readers, dreaders), (call.writers, dwriters)] {
      for (kind, operand) in operands.enumerated() {
        runnel_matrix_unpack(
          count, call.K, call.P, call.keyStride, 0, rows + work.keyRows(kind), d[operand] + key)
      }
    }
  }

  /// dY and G, dV and dU of a head.
  private func readsAndValues(_ dy: Floats, _ dstate: Floats?) {
    let (count, rows, stride, V) = (work.count, work.rows, work.stride, call.V)
    runnel_matrix_pack(count, work.block, V, V, call.valueStride, work.ahead, dy, dreads)
    if let dstate {
      Gemm.serial(
        m: rows, n: V, k: call.K, MatrixView(work.toEnd, rowStride: call.P), MatrixView(dstate, rowStride: V),
        into: dvalues, rowStride: V)
    }
    // The band that comes first in this order has all columns, so it writes what the others add to.
    for (band, columns) in work.bands.reversed() {
      let first = band.lowerBound, last = min(band.upperBound, count)
      Gemm.serial(
        m: min(columns, rows), n: V, k: last - first,
        MatrixView(work.scores + first * stride, rowStride: stride, .transposed),
        MatrixView(dreads + first * V, rowStride: V), beta: dstate == nil && last == count ? 0 : 1,
        into: dvalues, rowStride: V)
    }
    guard call.kinds == 2 else { return }
    let G = dreads + work.valueRows(1), M = work.scores + work.scoreRows(1)
    G.update(from: dvalues + work.valueRows(1), count: count * V)
    let last = count - 1
    runnel_matrix_solve(count, V, -V, -1, -stride, M + work.block + last * (stride + 1), G + last * V)
    Gemm.serial(
      m: count, n: V, k: count, MatrixView(M, rowStride: stride, .transposed), MatrixView(G, rowStride: V),
      beta: 1, into: dvalues, rowStride: V)
  }

  /// What flows through the states before and after the chunk.
  private func passState(_ state: Floats, _ dstate: MutableFloats, hasLater: Bool, _ needsDecay: Bool) {
    let hasState = !work.chunk.isFresh
    if hasState {
      scaledKeys(
        dreads, state, of: work.readers, into: dreaders, decay: { work.readerDecay(lag: $0) },
        terms: { fromStart + (1 - $0) * work.width })
    }
    if hasLater {
      scaledKeys(
        work.values, dstate, of: work.writers, into: dwriters, decay: { _ in work.writerDecay },
        terms: { _ in toEnd })
    }
    total.update(repeating: 0, count: work.width)
    if needsDecay, hasState, hasLater, let all = work.total {
      runnel_matrix_boundary(call.K, call.V, work.width, all, state, dstate, total)
    }
    // The driver makes that of a state of zero zero.
    if hasState { work.pass(work.fromStart, MatrixView(dreads, rowStride: call.V), into: dstate) }
  }

  /// dx += decay ⊙ (values · stateᵀ), and what that says of log decays.
  private func scaledKeys(
    _ values: Floats, _ state: Floats, of x: Floats, into dx: MutableFloats, decay: (_ lag: Int) -> Floats?,
    terms: (_ lag: Int) -> MutableFloats
  ) {
    Gemm.serial(
      m: work.rows, n: call.K, k: call.V, MatrixView(values, rowStride: call.V),
      transposing(state, rows: call.K, stride: call.P), beta: work.hasDecay ? 0 : 1,
      into: work.hasDecay ? scaled : dx, rowStride: call.P)
    for (kind, lag) in work.lags.enumerated() {
      guard let decay = decay(lag) else { continue }
      let at = work.keyRows(kind)
      runnel_matrix_scale_backward(
        work.count, call.P, work.width, decay, scaled + at, x + at, dx + at, terms(lag))
    }
  }

  /// What flows from token to token inside the chunk.
  private func insideChunk(_ h: Int, bonus dbonus: MutableFloats?) {
    let stride = work.stride, two = call.kinds == 2
    let right = transposing(work.values, rows: stride, stride: stride)
    for (rows, columns) in work.bands {
      Gemm.serial(
        m: rows.count, n: columns, k: call.V,
        MatrixView(dreads + rows.lowerBound * call.V, rowStride: call.V), right,
        into: dscores + rows.lowerBound * stride, rowStride: stride)
    }
    for (kind, lag) in work.lags.enumerated() {
      let at = work.keyRows(kind), second = work.keyRows(1), dM = dscores + work.scoreRows(kind)
      if call.decayHasKeys {
        runnel_matrix_scores_backward(
          work.count, call.P, lag, stride, work.readers + at, work.writers, two ? work.writers + second : nil,
          work.decays, dM, dM + work.block, dreaders + at, dwriters, two ? dwriters + second : nil, dlog,
          moved)
      } else {
        for column in 0..<call.kinds {
          let at = work.scoreRows(kind) + column * work.block
          runnel_matrix_mask_backward(
            work.count, lag, work.block, stride, work.dStride, h == work.share.units.lowerBound ? 0 : 1,
            work.products + at, work.decays, dscores + at, dproducts + at, moved, call.hasDecay ? dlog : nil)
        }
      }
    }
    if let bonus = call.bonus {
      runnel_matrix_bonus_backward(
        work.count, call.K, call.P, stride, work.readers, work.writers, bonus.base + h * call.K, dscores,
        dreaders, dwriters, dbonus)
    }
  }

  /// dX and dZ of the heads together, where decays do not stand between.
  private func passProducts() {
    let stride = work.stride
    for (rows, columns) in work.bands {
      let first = rows.lowerBound, d = dproducts + first * stride
      Gemm.serial(
        m: rows.count, n: call.K, k: min(columns, work.rows), MatrixView(d, rowStride: stride),
        MatrixView(work.writers, rowStride: call.P), beta: 1, into: dreaders + first * call.P,
        rowStride: call.P)
      Gemm.serial(
        m: min(columns, work.rows), n: call.K, k: rows.count, MatrixView(d, rowStride: stride, .transposed),
        MatrixView(work.readers + first * call.P, rowStride: call.P), beta: 1, into: dwriters,
        rowStride: call.P)
    }
  }

  /// Bands of scores meet it several times, so that writing it out is faster; one product of a state is no slower.
  private func transposing(_ x: Floats, rows: Int, stride: Int) -> MatrixView {
    runnel_transpose(rows, call.V, call.V, stride, x, transposed)
    return MatrixView(transposed, rowStride: stride)
  }
}
