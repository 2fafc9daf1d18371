/// A diagonal time-invariant system for every channel (Gu et al. 2022, "On the parameterization and initialization of
/// diagonal state space models", §3.1), complex, driven by real inputs:
///
///     h_t = a ⊙ h_{t−1} + u_t        y_t = 2 Re(c · h_t) + D u_t
///
/// The input matrix is folded into c, as in the paper's kernel K_l = 2 Re Σ c_n a_n^l; the factor 2 stands for the
/// conjugate half of the states, which are not stored. Complex rows are planar: N real parts, then N imaginary ones.

import CKernels
import RunnelKernels
import RunnelTensors

public enum DiagonalSystem {
  /// - Parameters:
  ///   - u: [B T E]; a, c: [E 2N]; D: [E], or absent.
  ///   - state: [B E 2N]; in and out.
  /// - Returns: y, [B T E].
  public static func run(
    u: Tensor, a: Tensor, c: Tensor, D: Tensor, form: Form, resets: Resets = .none, state: inout Tensor
  ) -> Tensor {
    let shape = u.shape
    precondition(
      shape.rank == 3 && a.shape.rank == 2 && a.shape[0] == shape[2] && a.shape[1] % 2 == 0
        && c.shape == a.shape
        && (D.isEmpty || D.shape == [shape[2]]) && state.shape == [shape[0], shape[2], a.shape[1]],
      """
      DiagonalSystem: u \(shape), a \(a.shape), c \(c.shape), D \(D.shape), state \(state.shape); \
      expected [B T E], [E 2N], [E 2N], [E], [B E 2N]
      """)
    guard shape[1] > 0 else { return Tensor(zeros: shape) }
    return Call(u: u, a: a, c: c, D: D, resets: resets)
      .run(form, on: [u, a, c, D], state: &state)
  }
}

private struct Call: LaneCall {
  let u, a, c, D: Tensor
  let plan: LaneScan
  private let resets: Resets
  private let remakeDecay, remakeOutput: (@Sendable () -> Tensor)?

  init(u: Tensor, a: Tensor, c: Tensor, D: Tensor, resets: Resets) {
    self.u = u.detached
    self.a = a.detached
    self.c = c.detached
    self.D = D.detached
    self.resets = resets
    (remakeDecay, remakeOutput) = (a.remake, c.remake)
    plan = LaneScan(shape: u.shape, memory: a.shape[1], chunk: RUNNEL_LTI_CHUNK, resets: resets)
  }

  var kept: @Sendable () -> Call {
    guard let remakeDecay, let remakeOutput else { return { self } }
    return { [u, D, resets] in Call(u: u, a: remakeDecay(), c: remakeOutput(), D: D, resets: resets) }
  }

  private var N: Int { a.shape[1] / 2 }
  private var E: Int { plan.channels }
  private func skip(_ first: Int) -> UnsafePointer<Float>? { D.isEmpty ? nil : D.base + first }

  /// The definition, token by token.
  func step(state: inout Tensor) -> Tensor {
    Tensor(u.shape) { y in
      state.mutate { state in
        plan.forward(state: state, starts: nil, scratch: 0) { block, held, _, _ in
          let i = at(block.row, block.range.lowerBound, block.first), k = block.first * 2 * N
          runnel_lti_step(
            block.range.count, block.width, E, N, u.base + i, a.base + k, c.base + k, skip(block.first), held,
            y + i)
        }
      }
    }
  }

  func scan(state: inout Tensor, starts: Storage?) -> Tensor {
    Tensor(u.shape) { y in
      state.mutate { state in
        plan.forward(state: state, starts: starts, scratch: 3 * plan.laneRow) {
          block, held, starts, scratch in
          let i = at(block.row, block.range.lowerBound, block.first), k = block.first * 2 * N
          runnel_lti_scan(
            block.range.count, block.width, E, N, u.base + i, a.base + k, c.base + k, skip(block.first), held,
            y + i, scratch, starts)
        }
      }
    }
  }

  /// The paper's form: the kernel K_l = 2 Re Σ c_n a_n^l for the whole stretch and one convolution by FFT, in Double.
  /// The state comes in by its free response and leaves as Σ a^{T−1−s} u_s.
  func parallel(state: inout Tensor) -> Tensor {
    Tensor(u.shape) { y in
      state.mutate { state in
        plan.forward(state: state, starts: nil, scratch: 0) { block, held, _, _ in
          for channel in 0..<block.width {
            let e = block.first + channel, T = block.range.count
            let first = at(block.row, block.range.lowerBound, e)
            let inputs = (0..<T).map { Double(u.base[first + $0 * E]) }
            var kernel = [Double](repeating: 0, count: T), free = kernel
            for n in 0..<N {
              let k = e * 2 * N + n, h = held + channel * 2 * N + n
              let decay = Complex(Double(a.base[k]), Double(a.base[k + N]))
              let output = Complex(Double(c.base[k]), Double(c.base[k + N]))
              let initial = Complex(Double(h[0]), Double(h[N]))
              var power = Complex(1, 0), driven = Complex(0, 0)
              for t in 0..<T {
                kernel[t] += 2 * (output * power).real
                power = power * decay
                free[t] += 2 * (output * power * initial).real
                driven = driven * decay + Complex(inputs[t], 0)
              }
              let final = power * initial + driven
              h[0] = Float(final.real)
              h[N] = Float(final.imaginary)
            }
            let convolved = Fourier.convolution(kernel, inputs)
            let D = skip(e).map { Double($0[0]) } ?? 0
            for t in 0..<T { y[first + t * E] = Float(convolved[t] + free[t] + D * inputs[t]) }
          }
        }
      }
    }
  }

  /// In the order of the operands: du, da, dc, dD, dstate.
  func gradient(starts: Storage, dy: Tensor?, dfinal: Tensor?) -> [Tensor?] {
    let dy = dy ?? Tensor(zeros: u.shape)
    let du = Tensor(uninitialized: u.shape), dstate = Tensor(uninitialized: [plan.batch, E, 2 * N])
    let da = Tensor(zeros: [plan.batch, E * 2 * N]), dc = Tensor(zeros: da.shape)
    let dD = Tensor(zeros: [plan.batch, E])
    let row = plan.laneRow
    plan.backward(
      starts: starts, dfinal: dfinal, dinitial: dstate.storage.base,
      makeScratch: { Storage(capacity: (plan.chunk + 5) * row + LaneScan.lanes) },
      chunkBody: { block, _, start, dheld, scratch in
        let i = at(block.row, block.range.lowerBound, block.first), k = block.first * 2 * N
        let dablock = scratch.base, dcblock = dablock + row, dDblock = dcblock + row
        let parts = block.row * E + block.first
        runnel_to_lanes(block.width, 2 * N, da.base + parts * 2 * N, dablock)
        runnel_to_lanes(block.width, 2 * N, dc.base + parts * 2 * N, dcblock)
        runnel_to_lanes(block.width, 1, dD.base + parts, dDblock)
        runnel_lti_backward(
          block.range.count, block.width, E, N, u.base + i, a.base + k, c.base + k, skip(block.first), start,
          dy.base + i, dheld, du.storage.base + i, dablock, dcblock, D.isEmpty ? nil : dDblock,
          dDblock + LaneScan.lanes)
        runnel_from_lanes(block.width, 2 * N, dablock, da.storage.base + parts * 2 * N)
        runnel_from_lanes(block.width, 2 * N, dcblock, dc.storage.base + parts * 2 * N)
        runnel_from_lanes(block.width, 1, dDblock, dD.storage.base + parts)
      },
      finished: { _, _, _, _ in })
    return [
      du, sumOfRows(da).reshaped(a.shape), sumOfRows(dc).reshaped(c.shape), D.isEmpty ? nil : sumOfRows(dD),
      dstate,
    ]
  }
}
