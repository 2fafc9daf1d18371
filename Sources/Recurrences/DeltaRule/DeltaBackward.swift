/// The vector–Jacobian product of the chunkwise delta rule.
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
/// The log decay of token u stands in every product that spans u, so its gradient is the sum of the terms
/// that do: pairs s < u ≤ t, reads from the start at t ≥ u, writes to the end at s < u, and P_Q ⟨S, dS'⟩. A
/// difference of sums over all tokens would cancel where decays are strong.

import CKernels
import RunnelKernels
import RunnelTensors

extension DeltaCall {
  func backward(_ plan: OuterPlan, starts: Tensor, into gradients: DeltaGradients) {
    WorkerPool.shared.run(n.B * n.H) { index in
      let (b, h) = (index / n.H, index % n.H)
      let item = DeltaBackwardItem(self, plan, gradients, b: b, h: h)
      for (c, chunk) in plan.rows[b].enumerated().reversed() {
        item.run(chunk, state: starts.base + startOffset(plan, b, c, h))
      }
    }
  }
}

/// The backward of one head of one row, chunk by chunk from the last.
private struct DeltaBackwardItem {
  let call: DeltaCall
  let n: DeltaSizes
  let chunk: DeltaChunk
  let gradients: DeltaGradients
  let b, h: Int
  private let memory: DeltaMemory

  /// [parts block V]: dY and G; dV and dU.
  let dreads, dvalues: UnsafeMutablePointer<Float>
  /// [parts block, parts block].
  let dscores: UnsafeMutablePointer<Float>
  /// [parts block P]: of q and a, of k and b, and of either times its decays.
  let dreaders, dwriters, scaled: UnsafeMutablePointer<Float>
  /// [block P] each but for one row more in front of the first: the terms of log decays.
  let fromStart, toEnd, dlog: UnsafeMutablePointer<Float>
  /// [V K] of a state, or [V, parts block] of values.
  let transposed: UnsafeMutablePointer<Float>
  /// [P], and [64 block].
  let total, moved: UnsafeMutablePointer<Float>

  init(_ call: DeltaCall, _ plan: OuterPlan, _ gradients: DeltaGradients, b: Int, h: Int) {
    (self.call, n, self.gradients, self.b, self.h) = (call, call.n, gradients, b, h)
    chunk = DeltaChunk(call, plan, b: b, h: h)
    let longest = (plan.longest + 15) / 16 * 16, rows = call.parts * longest
    memory = DeltaMemory(
      floats: rows * (2 * n.V + 3 * n.P + rows) + longest * (3 * n.P + 64) + 2 * n.P
        + n.V * max(n.P, rows))
    dreads = memory.take(rows * n.V)
    dvalues = memory.take(rows * n.V)
    dscores = memory.take(rows * rows)
    dreaders = memory.take(rows * n.P)
    dwriters = memory.take(rows * n.P)
    scaled = memory.take(rows * n.P)
    fromStart = memory.take((longest + 1) * n.P)
    toEnd = memory.take(longest * n.P)
    dlog = memory.take(longest * n.P)
    transposed = memory.take(n.V * max(n.P, rows))
    total = memory.take(n.P)
    moved = memory.take(64 * longest)
    // Products leave what is padded as it is.
    scaled.update(repeating: 0, count: rows * n.P)
    total.update(repeating: 0, count: n.P)
  }

  func run(_ tokens: OuterPlan.Chunk, state: UnsafePointer<Float>) {
    chunk.prepare(tokens, state: state, isBackward: true)
    let dstate = gradients.dstate.storage.base + (b * n.H + h) * n.stateSize
    readsAndValues(tokens, dstate)
    for rows in [dreaders, dwriters] { rows.update(repeating: 0, count: chunk.rows * n.P) }
    // The pairs' terms are cheap beside their gradients, and made even if not asked for.
    dlog.update(repeating: 0, count: chunk.count * n.P)
    if gradients.needsDecay {
      for terms in [fromStart, toEnd] { terms.update(repeating: 0, count: chunk.count * n.P) }
      (fromStart + chunk.count * n.P).update(repeating: 0, count: n.P)
    }
    passState(state, dstate)
    insideChunk()
    if gradients.needsDecay {
      runnel_delta_decay_backward(chunk.count, n.P, fromStart + n.P, toEnd, total, dlog)
    }
    write(tokens)
    if tokens.isFresh { dstate.update(repeating: 0, count: n.stateSize) }
  }

  /// dY and G, dV and dU.
  private func readsAndValues(_ tokens: OuterPlan.Chunk, _ dstate: UnsafePointer<Float>) {
    let (count, rows, stride) = (chunk.count, chunk.rows, chunk.stride)
    runnel_delta_pack(
      count, chunk.block, n.V, n.V, n.valueStride, chunk.ahead,
      gradients.dy.base + call.valueOffset(b, tokens.start, h), dreads)
    Gemm.serial(
      m: rows, n: n.V, k: n.K, MatrixView(chunk.toEnd, rowStride: n.P), MatrixView(dstate, rowStride: n.V),
      into: dvalues, rowStride: n.V)
    Gemm.serial(
      m: rows, n: n.V, k: count, MatrixView(chunk.scores, rowStride: stride, .transposed),
      MatrixView(dreads, rowStride: n.V), beta: 1, into: dvalues, rowStride: n.V)
    guard call.parts == 2 else { return }
    let G = dreads + chunk.valueRows(1), M = chunk.scores + chunk.scoreRows(1)
    G.update(from: dvalues + chunk.valueRows(1), count: count * n.V)
    runnel_delta_solve_transposed(count, n.V, n.V, stride, M + chunk.block, G)
    Gemm.serial(
      m: count, n: n.V, k: count, MatrixView(M, rowStride: stride, .transposed),
      MatrixView(G, rowStride: n.V), beta: 1, into: dvalues, rowStride: n.V)
  }

  /// What flows through the states before and after the chunk.
  private func passState(_ state: UnsafePointer<Float>, _ dstate: UnsafeMutablePointer<Float>) {
    let rows = chunk.rows
    let (count, needsDecay) = (chunk.count, gradients.needsDecay)
    Gemm.serial(
      m: rows, n: n.K, k: n.V, MatrixView(dreads, rowStride: n.V),
      transposing(state, rows: n.K, stride: n.P), into: scaled, rowStride: n.P)
    for (part, lag) in chunk.lags.enumerated() {
      let at = chunk.keyRows(part)
      runnel_delta_scaled_backward(
        count, n.P, chunk.readerDecay(lag: lag), scaled + at, chunk.readers + at, dreaders + at,
        needsDecay ? fromStart + (1 - lag) * n.P : nil)
    }
    Gemm.serial(
      m: rows, n: n.K, k: n.V, MatrixView(chunk.values, rowStride: n.V),
      transposing(dstate, rows: n.K, stride: n.P), into: scaled, rowStride: n.P)
    for part in 0..<call.parts {
      let at = chunk.keyRows(part)
      runnel_delta_scaled_backward(
        count, n.P, chunk.writerDecay, scaled + at, chunk.writers + at, dwriters + at,
        needsDecay ? toEnd : nil)
    }
    if needsDecay, let all = chunk.total {
      runnel_delta_boundary(n.K, n.V, all, state, dstate, total)
    }
    runnel_delta_scale_state(n.K, n.V, chunk.total, dstate, nil)
    Gemm.serial(
      m: n.K, n: n.V, k: rows, MatrixView(chunk.fromStart, rowStride: n.P, .transposed),
      MatrixView(dreads, rowStride: n.V), beta: 1, into: dstate, rowStride: n.V)
  }

  /// What flows from token to token inside the chunk.
  private func insideChunk() {
    let (rows, stride) = (chunk.rows, chunk.stride)
    Gemm.serial(
      m: rows, n: rows, k: n.V, MatrixView(dreads, rowStride: n.V),
      transposing(chunk.values, rows: rows, stride: stride), into: dscores, rowStride: stride)
    let two = call.parts == 2
    for (part, lag) in chunk.lags.enumerated() {
      let (at, dM) = (chunk.keyRows(part), dscores + chunk.scoreRows(part))
      runnel_delta_scores_backward(
        chunk.count, n.P, lag, stride, chunk.readers + at, chunk.writers,
        two ? chunk.writers + chunk.keyRows(1) : nil, chunk.w, dM, dM + chunk.block, dreaders + at, dwriters,
        two ? dwriters + chunk.keyRows(1) : nil, dlog, moved)
    }
    if let bonus = call.reads.bonus {
      runnel_delta_bonus_backward(
        chunk.count, n.K, n.P, stride, chunk.readers, chunk.writers, bonus.base + h * n.K, dscores, dreaders,
        dwriters, gradients.dbonus.storage.base + (b * n.H + h) * n.K)
    }
  }

  /// Products with a transposed right side take BLAS longer than writing it out.
  private func transposing(_ x: UnsafePointer<Float>, rows: Int, stride: Int) -> MatrixView {
    runnel_outer_transpose(rows, n.V, n.V, stride, x, transposed)
    return MatrixView(transposed, rowStride: stride)
  }

  private func write(_ tokens: OuterPlan.Chunk) {
    let key = call.keyOffset(b, tokens.start, h)
    func unpack(_ x: UnsafePointer<Float>, _ y: Tensor) {
      runnel_delta_unpack(chunk.count, n.K, n.P, n.keyStride, x, y.storage.base + key)
    }
    unpack(dreaders, gradients.dq)
    unpack(dwriters, gradients.dk)
    runnel_delta_unpack(
      chunk.count, n.V, n.V, n.valueStride, dvalues,
      gradients.dv.storage.base + call.valueOffset(b, tokens.start, h))
    if call.parts == 2 {
      unpack(dreaders + chunk.keyRows(1), gradients.da)
      unpack(dwriters + chunk.keyRows(1), gradients.db)
    }
    if gradients.needsDecay { gradients.addDecay(dlog, tokens, b, h) }
  }
}
