/// The vector–Jacobian product of the chunkwise outer-product recurrence.
///
/// With P = Q Kᵀ ∘ D, dP = dY Vᵀ, and S, dS' the state before and the gradient of the state after the chunk:
///
///     dQ = (dP ∘ D) K + diag(exp G) dY Sᵀ            dV = Pᵀ dY + diag(exp(G_Q − G)) K dS'
///     dK = (dP ∘ D)ᵀ Q + diag(exp(G_Q − G)) V dS'ᵀ   dS = exp(G_Q) dS' + Qᵀ diag(exp G) dY
///
/// The log decay of token u stands in every exponent that spans u, so its gradient is the sum of the four
/// kinds of terms that do: M_ts = P_ts dP_ts for s < u ≤ t; q_t · (second term of dQ)_t for t ≥ u; k_s ·
/// (second term of dK)_s for s < u; and exp(G_Q) ⟨S, dS'⟩. The shorter formula Σ q·dq − k·dk is the same in
/// exact arithmetic, but subtracts the terms that do not span u after adding them, which leaves nothing right
/// where decays are strong.

import CKernels
import RunnelKernels
import RunnelTensors

extension OuterChunkwise {
  func backward(starts: Tensor, into gradients: OuterGradients) {
    run { b, g, part, heads in
      let item = OuterBackwardItem(
        form: self, starts: starts, gradients: gradients, b: b, g: g, part: part, heads: heads)
      defer { withExtendedLifetime(item) {} }
      var hasLater = gradients.hasSeed
      for (c, chunk) in plan.rows[b].enumerated().reversed() {
        let decays = heads.map { chunkDecay($0, b, chunk, item.scratch.decay(of: $0 - heads.lowerBound)) }
        for h in heads { item.passState(c, chunk, h, decays[h - heads.lowerBound], hasLater: hasLater) }
        item.insideChunk(chunk, decays, hasLater: hasLater)
        hasLater = !chunk.isFresh
      }
    }
  }
}

/// The backward of one row, group and part of its heads, chunk by chunk from the last.
private struct OuterBackwardItem {
  let form: OuterChunkwise
  let starts: Tensor
  let gradients: OuterGradients
  let b, g: Int
  let heads: Range<Int>
  let scratch: OuterScratch
  let dq, dk, dv: UnsafeMutablePointer<Float>
  let needs: OuterNeeds
  let n: OuterSizes

  init(
    form: OuterChunkwise, starts: Tensor, gradients: OuterGradients, b: Int, g: Int, part: Int,
    heads: Range<Int>
  ) {
    (self.form, self.starts, self.gradients) = (form, starts, gradients)
    (self.b, self.g, self.heads, n, needs) = (b, g, heads, form.n, gradients.needs)
    scratch = OuterScratch(form.n, form.plan, heads: heads.count, backward: true)
    (dq, dk, dv) = gradients.pointers(part: part)
  }

  private func values(_ x: Tensor, _ value: Int) -> MatrixView {
    MatrixView(x.base + value, rowStride: n.valueStride)
  }

  /// What flows through the states before and after the chunk: the second terms of dQ, dK and dV, and dS.
  func passState(
    _ c: Int, _ chunk: OuterPlan.Chunk, _ h: Int, _ decay: OuterChunkDecay, hasLater: Bool
  ) {
    let (key, value) = (form.keyOffset(b, chunk.start, g), form.valueOffset(b, chunk.start, h))
    let before = starts.base + form.startOffset(b, c, h)
    let dstate = gradients.dstate.storage.base + (b * n.H + h) * n.stateSize
    let (queryDots, keyDots, boundary) = scratch.decayTerms(of: h - heads.lowerBound)
    let isFirst = h == heads.lowerBound

    /// dx (+)= diag(scale) · a · stateᵀ, and the dots of its rows with those of x.
    func keyGradient(
      _ a: Tensor, _ state: UnsafePointer<Float>, _ scale: UnsafePointer<Float>?, of x: Tensor,
      into dx: UnsafeMutablePointer<Float>?, dots: UnsafeMutablePointer<Float>
    ) {
      runnel_outer_transpose(n.K, n.V, n.V, n.K, state, scratch.transposedState)
      let view = MatrixView(scratch.transposedState, rowStride: n.K)
      if scale == nil, let dx {
        Gemm.serial(
          m: chunk.count, n: n.K, k: n.V, values(a, value), view, beta: isFirst ? 0 : 1, into: dx + key,
          rowStride: n.keyStride)
        return
      }
      Gemm.serial(
        m: chunk.count, n: n.K, k: n.V, values(a, value), view, into: scratch.keys, rowStride: n.K)
      runnel_outer_add_rows(
        chunk.count, n.K, n.keyStride, isFirst ? 0 : 1, scale, scratch.keys, x.base + key,
        dx.map { $0 + key },
        needs.decay ? dots : nil)
    }

    boundary.pointee = 0
    if chunk.isFresh {
      queryDots.update(repeating: 0, count: chunk.count)
    } else if needs.q || needs.decay {
      keyGradient(
        gradients.dy, before, decay.fromStart, of: form.q, into: needs.q ? dq : nil, dots: queryDots)
    }
    if !hasLater {
      keyDots.update(repeating: 0, count: chunk.count)
    } else {
      if needs.k || needs.decay {
        keyGradient(form.v, dstate, decay.toEnd, of: form.k, into: needs.k ? dk : nil, dots: keyDots)
      }
      if needs.v {
        Gemm.serial(
          m: chunk.count, n: n.V, k: n.K,
          form.scaled(form.k.base + key, chunk, decay.toEnd, scratch.keys),
          MatrixView(dstate, rowStride: n.V), into: dv + value, rowStride: n.valueStride)
      }
      if needs.decay && !chunk.isFresh {
        boundary.pointee = decay.total * runnel_dot(n.stateSize, before, dstate)
      }
    }
    if chunk.isFresh {
      dstate.update(repeating: 0, count: n.stateSize)
    } else if needs.carry {
      Gemm.serial(
        m: n.K, n: n.V, k: chunk.count,
        form.scaled(form.q.base + key, chunk, decay.fromStart, scratch.keys, .transposed),
        values(gradients.dy, value), beta: decay.total, into: dstate, rowStride: n.V)
    }
  }

  /// What flows from token to token inside the chunk: the first terms, and the gradient of the decays.
  func insideChunk(_ chunk: OuterPlan.Chunk, _ decays: [OuterChunkDecay], hasLater: Bool) {
    for h in heads {
      let head = h - heads.lowerBound
      if needs.decay { scratch.columnSums(of: head).update(repeating: 0, count: chunk.count) }
      runnel_outer_transpose(
        chunk.count, n.V, n.valueStride, scratch.stride, form.v.base + form.valueOffset(b, chunk.start, h),
        transposedValues(head))
    }
    form.transposeKeys(b, g, chunk, scratch)
    let key = form.keyOffset(b, chunk.start, g)
    let starts = Array(stride(from: 0, to: chunk.count, by: OuterChunkwise.block))
    for start in starts.reversed() {
      let rows = start..<min(start + OuterChunkwise.block, chunk.count)
      // The rows that come first in this order have all columns, so they write what the others add to.
      let keepsColumns: Float = hasLater || rows.upperBound < chunk.count ? 1 : 0
      form.scores(b, g, chunk, rows, scratch)
      for h in heads {
        let head = h - heads.lowerBound
        let value = form.valueOffset(b, chunk.start, h)
        let (D, stride) = form.between(decays[head], rows, scratch)
        let dyRows = values(gradients.dy, value + start * n.valueStride)
        Gemm.serial(
          m: rows.count, n: rows.upperBound, k: n.V, dyRows,
          MatrixView(transposedValues(head), rowStride: scratch.stride), into: scratch.dmasked,
          rowStride: scratch.stride)
        runnel_outer_mask_backward(
          rows.count, rows.upperBound, start, scratch.stride, stride, head == 0 ? 0 : 1, scratch.scores, D,
          scratch.dmasked, needs.v ? scratch.masked : nil, scratch.dscores,
          needs.decay ? scratch.columnSums(of: head) : nil, needs.decay ? scratch.dlog(of: head) : nil)
        if needs.v {
          Gemm.serial(
            m: rows.upperBound, n: n.V, k: rows.count,
            MatrixView(scratch.masked, rowStride: scratch.stride, .transposed), dyRows, beta: keepsColumns,
            into: dv + value, rowStride: n.valueStride)
        }
      }
      let rowKey = key + start * n.keyStride
      if needs.q {
        Gemm.serial(
          m: rows.count, n: n.K, k: rows.upperBound, MatrixView(scratch.dscores, rowStride: scratch.stride),
          MatrixView(form.k.base + key, rowStride: n.keyStride), beta: chunk.isFresh ? 0 : 1,
          into: dq + rowKey, rowStride: n.keyStride)
      }
      if needs.k {
        Gemm.serial(
          m: rows.upperBound, n: n.K, k: rows.count,
          MatrixView(scratch.dscores, rowStride: scratch.stride, .transposed),
          MatrixView(form.q.base + rowKey, rowStride: n.keyStride), beta: keepsColumns, into: dk + key,
          rowStride: n.keyStride)
      }
    }
    for h in heads where needs.decay { decayGradient(chunk, h) }
  }

  private func transposedValues(_ head: Int) -> UnsafeMutablePointer<Float> {
    scratch.transposedValues + head * n.V * scratch.stride
  }

  private func decayGradient(_ chunk: OuterPlan.Chunk, _ h: Int) {
    let head = h - heads.lowerBound
    let (queryDots, keyDots, boundary) = scratch.decayTerms(of: head)
    let dlog = scratch.dlog(of: head)
    var sum = Double(boundary.pointee)
    for u in 0..<chunk.count {
      dlog[u] += Float(sum)
      sum += Double(keyDots[u])
    }
    sum = 0
    for u in (0..<chunk.count).reversed() {
      sum += Double(queryDots[u])
      gradients.set(dlog[u] + Float(sum), batch: b, token: chunk.start + u, head: h)
    }
  }
}

extension OuterScratch {
  /// Per head: dots of q and k with the second terms of their gradients, and exp(G_Q) ⟨S, dS'⟩.
  fileprivate func decayTerms(of head: Int) -> (
    query: UnsafeMutablePointer<Float>, key: UnsafeMutablePointer<Float>,
    boundary: UnsafeMutablePointer<Float>
  ) {
    let memory = decay(of: head)
    return (memory(4), memory(5), memory(8))
  }
  fileprivate func columnSums(of head: Int) -> UnsafeMutablePointer<Float> { decay(of: head)(6) }
  fileprivate func dlog(of head: Int) -> UnsafeMutablePointer<Float> { decay(of: head)(7) }
}
