/// The step of window attention, token by token: the definition.

import CKernels
import RunnelKernels
import RunnelTensors

extension WindowCall {
  /// Each token is written into its slot, and then looks at all slots that are filled.
  func steps(
    _ keys: UnsafeMutablePointer<Float>, _ values: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>
  ) {
    let cost = n.T * n.shared * n.W * (n.K + n.V)
    WorkerPool.shared.split(n.B * n.G, grain: max(1, (1 << 15) / max(1, cost))) { items in
      let scores = Storage(capacity: n.W)
      defer { withExtendedLifetime(scores) {} }
      for item in items {
        let (b, g) = (item / n.G, item % n.G)
        for stretch in stretches[b] {
          if stretch.isFresh { clear(b, g, keys, values) }
          for (i, t) in stretch.range.enumerated() {
            let position = before(b, stretch) + i
            store(b, g, t, at: position, keys, values)
            let first = slot(b, 0, g)
            for h in g * n.shared..<(g + 1) * n.shared {
              runnel_window_step(
                min(position + 1, n.W), n.K, n.V, n.G * n.K, n.G * n.V, scale, q.base + queryOffset(b, t, h),
                keys + first * n.K, values + first * n.V, scores.base, y + outputOffset(b, t, h))
            }
          }
        }
      }
    }
  }

  /// The rings after the segment.
  func advance(_ keys: UnsafeMutablePointer<Float>, _ values: UnsafeMutablePointer<Float>) {
    WorkerPool.shared.split(n.B * n.G, grain: max(1, (1 << 14) / (min(n.T, n.W) * (n.K + n.V)))) { items in
      for item in items {
        let (b, g) = (item / n.G, item % n.G)
        guard let last = stretches[b].last else { continue }
        if last.isFresh { clear(b, g, keys, values) }
        for t in last.range.suffix(n.W) {
          store(b, g, t, at: before(b, last) + t - last.range.lowerBound, keys, values)
        }
      }
    }
  }

  private func store(
    _ b: Int, _ g: Int, _ t: Int, at position: Int, _ keys: UnsafeMutablePointer<Float>,
    _ values: UnsafeMutablePointer<Float>
  ) {
    let (to, from) = (slot(b, position, g), token(b, t, g))
    (keys + to * n.K).update(from: k.base + from * n.K, count: n.K)
    (values + to * n.V).update(from: v.base + from * n.V, count: n.V)
  }

  private func clear(
    _ b: Int, _ g: Int, _ keys: UnsafeMutablePointer<Float>, _ values: UnsafeMutablePointer<Float>
  ) {
    for position in 0..<n.W {
      let at = slot(b, position, g)
      (keys + at * n.K).update(repeating: 0, count: n.K)
      (values + at * n.V).update(repeating: 0, count: n.V)
    }
  }
}
