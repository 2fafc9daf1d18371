/// The step of the outer-product recurrence, token by token: the definition, and its vector–Jacobian product.

import CKernels
import RunnelKernels
import RunnelTensors

/// Steps over all tokens, every head on its own; the state [B H K V] is changed in place.
func outerSteps(
  _ n: OuterSizes, _ q: Tensor, _ k: Tensor, _ v: Tensor, _ decay: OuterProduct.Decay, resets: Resets,
  state: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>
) {
  let heads = n.B * n.H
  // A single token of a small model is not worth waking another thread for.
  let grain = max(1, (1 << 15) / max(1, n.T * n.stateSize))
  WorkerPool.shared.split(heads, grain: grain) { range in
    for index in range {
      let (b, h) = (index / n.H, index % n.H)
      let own = state + index * n.stateSize
      guard !resets.isEmpty else {
        outerStep(n, q, k, v, decay, b, h, 0..<n.T, state: own, y: y)
        continue
      }
      for stretch in resets.stretches(row: b, length: n.T) {
        if stretch.isFresh { own.update(repeating: 0, count: n.stateSize) }
        outerStep(n, q, k, v, decay, b, h, stretch.range, state: own, y: y)
      }
    }
  }
}

/// Steps of one head over some tokens; `state` is that head's alone, `y` the whole result.
private func outerStep(
  _ n: OuterSizes, _ q: Tensor, _ k: Tensor, _ v: Tensor, _ decay: OuterProduct.Decay, _ b: Int, _ h: Int,
  _ tokens: Range<Int>, state: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>
) {
  let token = b * n.T + tokens.lowerBound
  let key = token * n.keyStride + h / n.shared * n.K
  let value = token * n.valueStride + h * n.V
  let (log, stride) = decay.pointer(token: token, head: h, of: n)
  runnel_outer_step(
    tokens.count, n.K, n.V, n.keyStride, n.valueStride, stride, q.base + key, k.base + key, v.base + value,
    log,
    state, y + value)
}

extension OuterProduct.Decay {
  /// The log decay of a head at a token (counted over the batch), and the floats from one token's to the
  /// next's.
  func pointer(token: Int, head: Int, of n: OuterSizes) -> (UnsafePointer<Float>?, stride: Int) {
    switch self {
    case .none: (nil, 0)
    case .perHead(let log): (log.base + head, 0)
    case .perToken(let log): (log.base + token * n.H + head, n.H)
    }
  }
}

extension OuterChunkwise {
  /// The steps, keeping the state before every chunk of the plan.
  func steps(
    state: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>, starts: UnsafeMutablePointer<Float>
  ) {
    WorkerPool.shared.run(n.B * n.H) { index in
      let (b, h) = (index / n.H, index % n.H)
      let own = state + index * n.stateSize
      for (c, chunk) in plan.rows[b].enumerated() {
        if chunk.isFresh { own.update(repeating: 0, count: n.stateSize) }
        (starts + startOffset(b, c, h)).update(from: own, count: n.stateSize)
        outerStep(n, q, k, v, decay, b, h, chunk.start..<chunk.start + chunk.count, state: own, y: y)
      }
    }
  }

  /// The gradient of the steps, token by token. The states inside a chunk are computed again from the one
  /// before it. Slow, with K V numbers read and written several times for every token; it stays because it is
  /// the definition.
  func stepsBackward(starts: Tensor, into gradients: OuterGradients) {
    run { b, g, part, heads in
      let states = Storage(capacity: (plan.longest + 1) * n.stateSize + n.V)
      let y = states.base + (plan.longest + 1) * n.stateSize
      let (dq, dk, dv) = gradients.pointers(part: part)
      for token in b * n.T..<(b + 1) * n.T {
        (dq + token * n.keyStride + g * n.K).update(repeating: 0, count: n.K)
        (dk + token * n.keyStride + g * n.K).update(repeating: 0, count: n.K)
        (dv + token * n.valueStride + heads.lowerBound * n.V).update(repeating: 0, count: heads.count * n.V)
      }
      for h in heads {
        let dstate = gradients.dstate.storage.base + (b * n.H + h) * n.stateSize
        for (c, chunk) in plan.rows[b].enumerated().reversed() {
          states.base.update(from: starts.base + startOffset(b, c, h), count: n.stateSize)
          for i in 0..<chunk.count {
            let after = states.base + (i + 1) * n.stateSize
            after.update(from: after - n.stateSize, count: n.stateSize)
            let t = chunk.start + i
            outerStep(n, q, k, v, decay, b, h, t..<t + 1, state: after, y: y - valueOffset(b, t, h))
          }
          for i in (0..<chunk.count).reversed() {
            let t = chunk.start + i
            let (key, value) = (keyOffset(b, t, g), valueOffset(b, t, h))
            let before = states.base + i * n.stateSize
            let dlog = runnel_outer_step_backward(
              n.K, n.V, q.base + key, k.base + key, v.base + value,
              decay.pointer(token: b * n.T + t, head: h, of: n).0, before, before + n.stateSize,
              gradients.dy.base + value, dstate, dq + key, dk + key, dv + value)
            gradients.set(dlog, batch: b, token: t, head: h)
          }
          if chunk.isFresh { dstate.update(repeating: 0, count: n.stateSize) }
        }
      }
      withExtendedLifetime(states) {}
    }
  }
}
