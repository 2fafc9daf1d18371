/// The step of the delta rule, token by token: the definition.

import CKernels
import RunnelKernels
import RunnelTensors

extension DeltaCall {
  /// Steps over all tokens, every head on its own; the state [B H K V] is changed in place.
  func steps(resets: Resets, state: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>) {
    // A single token of a small model is not worth waking another thread for.
    let grain = max(1, (1 << 15) / max(1, n.T * n.stateSize))
    WorkerPool.shared.split(n.B * n.H, grain: grain) { range in
      let scratch = Storage(capacity: n.K + n.V)
      defer { withExtendedLifetime(scratch) {} }
      for index in range {
        let (b, h) = (index / n.H, index % n.H)
        let own = state + index * n.stateSize
        guard !resets.isEmpty else {
          step(b, h, 0..<n.T, state: own, y: y, scratch.base)
          continue
        }
        for stretch in resets.stretches(row: b, length: n.T) {
          if stretch.isFresh { own.update(repeating: 0, count: n.stateSize) }
          step(b, h, stretch.range, state: own, y: y, scratch.base)
        }
      }
    }
  }

  /// The same, keeping the state before every chunk of the plan if `starts` is given.
  func steps(
    _ plan: OuterPlan, state: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>,
    starts: UnsafeMutablePointer<Float>?
  ) {
    WorkerPool.shared.run(n.B * n.H) { index in
      let scratch = Storage(capacity: n.K + n.V)
      defer { withExtendedLifetime(scratch) {} }
      let (b, h) = (index / n.H, index % n.H)
      let own = state + index * n.stateSize
      for (c, chunk) in plan.rows[b].enumerated() {
        if chunk.isFresh { own.update(repeating: 0, count: n.stateSize) }
        if let starts { (starts + startOffset(plan, b, c, h)).update(from: own, count: n.stateSize) }
        step(b, h, chunk.start..<chunk.start + chunk.count, state: own, y: y, scratch.base)
      }
    }
  }

  /// Steps of one head over some tokens; `state` is that head's alone, `y` the whole result.
  private func step(
    _ row: Int, _ h: Int, _ tokens: Range<Int>, state: UnsafeMutablePointer<Float>,
    y: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutablePointer<Float>
  ) {
    let key = keyOffset(row, tokens.lowerBound, h), value = valueOffset(row, tokens.lowerBound, h)
    let (log, stride, keyStep) = logDecay(row, tokens.lowerBound, h)
    runnel_delta_step(
      tokens.count, n.K, n.V, n.keyStride, n.valueStride, stride, keyStep, Int32(lag), q.base + key,
      k.base + key, v.base + value, a.map { $0.base + key }, b.map { $0.base + key }, log,
      reads.bonus.map { $0.base + h * n.K }, state, y + value, scratch)
  }
}
