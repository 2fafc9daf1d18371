/// What the backward of the outer-product recurrence writes.

import CKernels
import RunnelKernels
import RunnelTensors

/// Which gradients are asked for.
struct OuterNeeds: Sendable {
  let q, k, v, state, decay: Bool
  /// Whether the gradient has to be carried back from chunk to chunk.
  var carry: Bool { k || v || state || decay }
}

/// The gradients of one backward. Heads of a group that are worked on apart write dq and dk in parts, which
/// are added in a fixed order at the end.
struct OuterGradients {
  let n: OuterSizes
  let needs: OuterNeeds
  let parts: Int
  let dy: Tensor
  /// Whether a gradient of the final state came in.
  let hasSeed: Bool
  let dstate: Tensor  // [B H K V], from the final to the initial state
  let dq, dk: Tensor  // [parts B T G K]
  let dv: Tensor  // [B T H V]
  let dlog: Tensor  // [B T H]

  init(_ n: OuterSizes, _ needs: OuterNeeds, dy: Tensor?, dstate: Tensor?, parts: Int) {
    (self.n, self.needs, self.parts) = (n, needs, parts)
    self.dy = dy ?? Tensor(zeros: [n.B, n.T, n.H, n.V])
    hasSeed = dstate != nil
    self.dstate = Tensor([n.B, n.H, n.K, n.V]) { copy in
      if let dstate {
        copy.update(from: dstate.base, count: dstate.count)
      } else {
        copy.update(repeating: 0, count: n.B * n.H * n.stateSize)
      }
    }
    dq = Tensor(uninitialized: [parts, n.B, n.T, n.G, n.K])
    dk = Tensor(uninitialized: [parts, n.B, n.T, n.G, n.K])
    dv = Tensor(uninitialized: [n.B, n.T, n.H, n.V])
    dlog = Tensor(uninitialized: needs.decay ? [n.B, n.T, n.H] : [0])
  }

  func pointers(part: Int) -> (
    dq: UnsafeMutablePointer<Float>, dk: UnsafeMutablePointer<Float>, dv: UnsafeMutablePointer<Float>
  ) {
    let offset = part * n.B * n.T * n.keyStride
    return (dq.storage.base + offset, dk.storage.base + offset, dv.storage.base)
  }

  func set(_ gradient: Float, batch: Int, token: Int, head: Int) {
    if needs.decay { dlog.storage.base[(batch * n.T + token) * n.H + head] = gradient }
  }

  /// In the order of the inputs on the tape: q, k, v, state, decay.
  func finished(perToken: Bool) -> [Tensor?] {
    [
      needs.q ? sumOfParts(dq) : nil, needs.k ? sumOfParts(dk) : nil, needs.v ? dv : nil,
      needs.state ? dstate : nil, needs.decay ? (perToken ? dlog : sumOverTokens()) : nil,
    ]
  }

  private func sumOfParts(_ x: Tensor) -> Tensor {
    let shape: Shape = [n.B, n.T, n.G, n.K]
    guard parts > 1 else { return x.reshaped(shape) }
    return Tensor(shape) { sum in
      WorkerPool.shared.split(shape.elements, grain: elementGrain) { range in
        let i = range.lowerBound
        runnel_add(range.count, x.base + i, x.base + shape.elements + i, sum + i)
        for part in 2..<max(2, parts) {
          runnel_add(range.count, sum + i, x.base + part * shape.elements + i, sum + i)
        }
      }
    }
  }

  /// The decay that all tokens share; in Double, since there may be very many of them.
  private func sumOverTokens() -> Tensor {
    Tensor([n.H]) { total in
      for h in 0..<n.H {
        var sum = 0.0
        for token in 0..<n.B * n.T { sum += Double(dlog.base[token * n.H + h]) }
        total[h] = Float(sum)
      }
    }
  }
}
