/// What the backward of the delta rule writes.

import CKernels
import RunnelKernels
import RunnelTensors

struct DeltaGradients {
  private let call: DeltaCall
  private let n: DeltaSizes
  let needsDecay: Bool
  let dy: Tensor
  let dstate: Tensor  // [B H K V], from the final to the initial state
  let dq, dk, da, db: Tensor  // [B T H K]
  let dv: Tensor  // [B T H V]
  /// Like the decays, with rows of the batch apart where the decays have none: [B H] and [B H K].
  private let dlog: Tensor
  let dbonus: Tensor  // [B H K]

  init(_ call: DeltaCall, needsDecay: Bool, dy: Tensor?, dstate: Tensor?) {
    (self.call, n, self.needsDecay) = (call, call.n, needsDecay)
    let n = call.n
    let keys: Shape = [n.B, n.T, n.H, n.K]
    self.dy = dy ?? Tensor(zeros: call.v.shape)
    self.dstate = Tensor([n.B, n.H, n.K, n.V]) { copy in
      if let dstate {
        copy.update(from: dstate.base, count: dstate.count)
      } else {
        copy.update(repeating: 0, count: n.B * n.H * n.stateSize)
      }
    }
    dq = Tensor(uninitialized: keys)
    dk = Tensor(uninitialized: keys)
    da = Tensor(uninitialized: call.parts == 2 ? keys : [0])
    db = Tensor(uninitialized: call.parts == 2 ? keys : [0])
    dv = Tensor(uninitialized: call.v.shape)
    dbonus = Tensor(zeros: call.reads.bonus == nil ? [0] : [n.B, n.H * n.K])
    dlog =
      switch call.decay {
      case _ where !needsDecay: Tensor.absent
      case .none: Tensor.absent
      case .perHead: Tensor(zeros: [n.B, n.H])
      case .perToken: Tensor(uninitialized: [n.B, n.T, n.H])
      case .perKey: Tensor(uninitialized: keys)
      case .perHeadAndKey: Tensor(zeros: [n.B, n.H * n.K])
      }
  }

  /// Puts a chunk's gradient [count P] of log decays where it belongs, or adds it to what all tokens share.
  func addDecay(_ x: UnsafePointer<Float>, _ chunk: OuterPlan.Chunk, _ b: Int, _ h: Int) {
    let out = dlog.storage.base
    switch call.decay {
    case .none: break
    case .perHead:
      for t in 0..<chunk.count {
        var sum: Float = 0
        runnel_delta_row_sums(1, n.P, 1, x + t * n.P, &sum)
        out[b * n.H + h] += sum
      }
    case .perToken:
      runnel_delta_row_sums(chunk.count, n.P, n.H, x, out + (b * n.T + chunk.start) * n.H + h)
    case .perKey:
      runnel_delta_unpack(chunk.count, n.K, n.P, n.keyStride, x, out + call.keyOffset(b, chunk.start, h))
    case .perHeadAndKey:
      runnel_delta_add(chunk.count, n.K, n.P, 0, x, out + (b * n.H + h) * n.K)
    }
  }

  /// In the order of the inputs on the tape: q, k, v, state, a, b, decay, bonus.
  func finished() -> [Tensor?] {
    let decays: Tensor? =
      switch call.decay {
      case _ where !needsDecay: nil
      case .none: nil
      case .perHead: sumOfRows(dlog)
      case .perToken, .perKey: dlog
      case .perHeadAndKey: sumOfRows(dlog).reshaped([n.H, n.K])
      }
    return [
      dq, dk, dv, dstate, da, db, decays,
      dbonus.isEmpty ? nil : sumOfRows(dbonus).reshaped([n.H, n.K]),
    ]
  }
}
