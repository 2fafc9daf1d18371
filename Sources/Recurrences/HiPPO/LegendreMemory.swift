/// HiPPO-LegS of many channels at once, with a read-out, for mixers: the definition is ``HiPPO``, in Float.
///
///     c_t = (I + α A / t)⁻¹ ((I − (1 − α) A / t) c_{t−1} + B f_t / t)        y_t = C · c_t + D f_t
///
/// t counts the tokens of the document. A and B are fixed, so the paper has no parallel form beyond the scan:
/// all forms run the fused scan over time, with sixteen channels in the lanes.

import CKernels
import RunnelKernels
import RunnelTensors

public enum LegendreMemory {
  /// - Parameters:
  ///   - f: [B T E]; C: [E N]; D: [E].
  ///   - alpha: of the generalised bilinear discretisation; ½ is the bilinear one.
  ///   - state: c, [B E N]; in and out.
  ///   - counts: how many tokens each row's document has had, [B]; in and out.
  /// - Returns: y, [B T E].
  public static func run(
    f: Tensor, C: Tensor, D: Tensor, alpha: Double = 0.5, form: Form, resets: Resets = .none,
    state: inout Tensor, counts: inout [Int]
  ) -> Tensor {
    let shape = f.shape
    precondition(
      shape.rank == 3 && C.shape.rank == 2 && C.shape[0] == shape[2] && D.shape == [shape[2]]
        && state.shape == [shape[0], shape[2], C.shape[1]] && counts.count == shape[0],
      """
      LegendreMemory: f \(shape), C \(C.shape), D \(D.shape), state \(state.shape), counts [\(counts.count)]; \
      expected [B T E], [E N], [E], [B E N], [B]
      """)
    guard shape[1] > 0 else { return Tensor(zeros: shape) }
    let call = Call(f: f, C: C, D: D, alpha: Float(alpha), resets: resets, counts: counts)
    for row in counts.indices { counts[row] = call.time(row, shape[1] - 1) }
    return call.run(form, on: [f, C, D], state: &state)
  }
}

private struct Call: LaneCall {
  let f, C, D, root: Tensor
  let alpha: Float
  let counts: [Int]
  let plan: LaneScan

  init(f: Tensor, C: Tensor, D: Tensor, alpha: Float, resets: Resets, counts: [Int]) {
    self.f = f.detached
    self.C = C.detached
    self.D = D.detached
    self.alpha = alpha
    self.counts = counts
    root = Tensor([C.shape[1]]) { root in
      for n in 0..<C.shape[1] { root[n] = Float(2 * n + 1).squareRoot() }
    }
    plan = LaneScan(shape: f.shape, memory: C.shape[1], chunk: RUNNEL_LEGS_CHUNK, resets: resets)
  }

  private var N: Int { C.shape[1] }
  private var E: Int { plan.channels }

  /// t of a token: one for the first of its document.
  func time(_ row: Int, _ position: Int) -> Int {
    guard let stretch = plan.stretches[row].last(where: { $0.range.lowerBound <= position }) else { return 0 }
    return position - stretch.range.lowerBound + 1 + (stretch.isFresh ? 0 : counts[row])
  }

  func step(state: inout Tensor) -> Tensor { scan(state: &state, starts: nil) }
  func parallel(state: inout Tensor) -> Tensor { scan(state: &state, starts: nil) }

  func scan(state: inout Tensor, starts: Storage?) -> Tensor {
    Tensor(f.shape) { y in
      state.mutate { state in
        plan.forward(state: state, starts: starts, scratch: 2 * plan.laneRow + 4 * N) {
          block, held, starts, scratch in
          let t = block.range.lowerBound, i = at(block.row, t, block.first)
          runnel_legs_scan(
            block.range.count, block.width, E, N, Float(time(block.row, t)), alpha, root.base, f.base + i,
            C.base + block.first * N, D.base + block.first, held, y + i, scratch, starts)
        }
      }
    }
  }

  /// In the order of the operands: df, dC, dD, dstate.
  func gradient(starts: Storage, dy: Tensor?, dfinal: Tensor?) -> [Tensor?] {
    let dy = dy ?? Tensor(zeros: f.shape)
    let df = Tensor(uninitialized: f.shape), dstate = Tensor(uninitialized: [plan.batch, E, N])
    let dC = Tensor(zeros: [plan.batch, E * N]), dD = Tensor(zeros: [plan.batch, E])
    let row = plan.laneRow
    plan.backward(
      starts: starts, dfinal: dfinal, dinitial: dstate.storage.base,
      makeScratch: { Storage(capacity: (plan.chunk + 3) * row + LaneScan.lanes + 4 * plan.chunk * N) },
      chunkBody: { block, _, start, dheld, scratch in
        let t = block.range.lowerBound, i = at(block.row, t, block.first)
        let dCblock = scratch.base, dDblock = dCblock + row, parts = block.row * E + block.first
        runnel_to_lanes(block.width, N, dC.base + parts * N, dCblock)
        runnel_to_lanes(block.width, 1, dD.base + parts, dDblock)
        runnel_legs_backward(
          block.range.count, block.width, E, N, Float(time(block.row, t)), alpha, root.base, f.base + i,
          C.base + block.first * N, D.base + block.first, start, dy.base + i, dheld, df.storage.base + i,
          dCblock, dDblock, dDblock + LaneScan.lanes)
        runnel_from_lanes(block.width, N, dCblock, dC.storage.base + parts * N)
        runnel_from_lanes(block.width, 1, dDblock, dD.storage.base + parts)
      },
      finished: { _, _, _, _ in })
    return [df, sumOfRows(dC).reshaped(C.shape), sumOfRows(dD), dstate]
  }
}
