/// A diagonal plus rank one time-invariant system for every channel (Gu et al. 2022, "Efficiently modeling
/// long sequences with structured state spaces"), complex, driven by real inputs:
///
///     h_t = d ⊙ h_{t−1} + r · 2 Re(w · h_{t−1}) + b u_t        y_t = 2 Re(c · h_t) + D u_t
///
/// Half of the states are kept; the others are their conjugates, which is why the product of the right factor
/// with the whole state is twice a real part. Complex rows are planar: N real parts, then N imaginary ones.

import CKernels
import RunnelKernels
import RunnelTensors

public enum LowRankSystem {
  /// - Parameters:
  ///   - u: [B T E]; system: d, r, w, b, c in this order, [E 5 2N]; D: [E], or absent.
  ///   - state: [B E 2N]; in and out.
  /// - Returns: y, [B T E].
  public static func run(
    u: Tensor, system: Tensor, D: Tensor, form: Form, resets: Resets = .none, state: inout Tensor
  ) -> Tensor {
    let shape = u.shape
    precondition(
      shape.rank == 3 && system.shape.rank == 3 && system.shape[0] == shape[2] && system.shape[1] == 5
        && system.shape[2] % 2 == 0 && (D.isEmpty || D.shape == [shape[2]])
        && state.shape == [shape[0], shape[2], system.shape[2]],
      """
      LowRankSystem: u \(shape), system \(system.shape), D \(D.shape), state \(state.shape); \
      expected [B T E], [E 5 2N], [E], [B E 2N]
      """)
    guard shape[1] > 0 else { return Tensor(zeros: shape) }
    return Call(u: u, system: system, D: D, resets: resets).run(form, on: [u, system, D], state: &state)
  }
}

private struct Call: LaneCall {
  let u, system, D: Tensor
  let plan: LaneScan
  private let resets: Resets
  private let remakeSystem: (@Sendable () -> Tensor)?

  init(u: Tensor, system: Tensor, D: Tensor, resets: Resets) {
    self.u = u.detached
    self.system = system.detached
    self.D = D.detached
    self.resets = resets
    remakeSystem = system.remake
    plan = LaneScan(shape: u.shape, memory: system.shape[2], chunk: RUNNEL_LOW_RANK_CHUNK, resets: resets)
  }

  var kept: @Sendable () -> Call {
    guard let remakeSystem else { return { self } }
    return { [u, D, resets] in Call(u: u, system: remakeSystem(), D: D, resets: resets) }
  }

  private var N: Int { system.shape[2] / 2 }
  private var E: Int { plan.channels }
  private func skip(_ first: Int) -> UnsafePointer<Float>? { D.isEmpty ? nil : D.base + first }

  /// The definition, token by token.
  func step(state: inout Tensor) -> Tensor {
    Tensor(u.shape) { y in
      state.mutate { state in
        plan.forward(state: state, starts: nil, scratch: 0) { block, held, _, _ in
          let i = at(block.row, block.range.lowerBound, block.first)
          runnel_low_rank_step(
            block.range.count, block.width, E, N, u.base + i, system.base + block.first * 10 * N,
            skip(block.first), held, y + i)
        }
      }
    }
  }

  func scan(state: inout Tensor, starts: Storage?) -> Tensor {
    Tensor(u.shape) { y in
      state.mutate { state in
        plan.forward(state: state, starts: starts, scratch: 6 * plan.laneRow) {
          block, held, starts, scratch in
          let i = at(block.row, block.range.lowerBound, block.first)
          runnel_low_rank_scan(
            block.range.count, block.width, E, N, u.base + i, system.base + block.first * 10 * N,
            skip(block.first), held, y + i, scratch, starts)
        }
      }
    }
  }

  /// The paper's form: the kernel K_l = c Ā^l b by its generating function and one convolution by FFT, in
  /// Double. The state comes in by its free response and leaves as Ā^T h + Σ Ā^{T−1−s} b u_s.
  func parallel(state: inout Tensor) -> Tensor {
    Tensor(u.shape) { y in
      state.mutate { state in
        plan.forward(state: state, starts: nil, scratch: 0) { block, held, _, _ in
          for channel in 0..<block.width {
            let e = block.first + channel, T = block.range.count
            let first = at(block.row, block.range.lowerBound, e), h = held + channel * 2 * N
            let own = LowRankMatrices(system.base + e * 10 * N, states: N)
            let inputs = (0..<T).map { Double(u.base[first + $0 * E]) }
            let convolved = Fourier.convolution(own.kernel(length: T), inputs)
            var free = (0..<N).map { Complex(Double(h[$0]), Double(h[N + $0])) }, driven = free
            let D = skip(e).map { Double($0[0]) } ?? 0
            for t in 0..<T {
              own.advance(&free, by: 0)
              own.advance(&driven, by: inputs[t])
              y[first + t * E] = Float(convolved[t] + own.output(free) + D * inputs[t])
            }
            for n in 0..<N { (h[n], h[N + n]) = (Float(driven[n].real), Float(driven[n].imaginary)) }
          }
        }
      }
    }
  }

  /// In the order of the operands: du, dsystem, dD, dstate.
  func gradient(starts: Storage, dy: Tensor?, dfinal: Tensor?) -> [Tensor?] {
    let dy = dy ?? Tensor(zeros: u.shape)
    let du = Tensor(uninitialized: u.shape), dstate = Tensor(uninitialized: [plan.batch, E, 2 * N])
    let dsystem = Tensor(zeros: [plan.batch, E * 10 * N]), dD = Tensor(zeros: [plan.batch, E])
    let row = plan.laneRow, lanes = LaneScan.lanes
    plan.backward(
      starts: starts, dfinal: dfinal, dinitial: dstate.storage.base,
      makeScratch: { Storage(capacity: (plan.chunk + 11) * row + (plan.chunk + 1) * lanes) },
      chunkBody: { block, _, start, dheld, scratch in
        let i = at(block.row, block.range.lowerBound, block.first)
        let own = scratch.base, down = own + 5 * row, dDown = down + 5 * row
        let parts = block.row * E + block.first
        runnel_to_lanes(block.width, 10 * N, system.base + block.first * 10 * N, own)
        runnel_to_lanes(block.width, 10 * N, dsystem.base + parts * 10 * N, down)
        runnel_to_lanes(block.width, 1, dD.base + parts, dDown)
        runnel_low_rank_backward(
          block.range.count, block.width, E, N, u.base + i, own, skip(block.first), start, dy.base + i, dheld,
          du.storage.base + i, down, D.isEmpty ? nil : dDown, dDown + lanes)
        runnel_from_lanes(block.width, 10 * N, down, dsystem.storage.base + parts * 10 * N)
        runnel_from_lanes(block.width, 1, dDown, dD.storage.base + parts)
      },
      finished: { _, _, _, _ in })
    return [du, sumOfRows(dsystem).reshaped(system.shape), D.isEmpty ? nil : sumOfRows(dD), dstate]
  }
}

/// The system of one channel in Double.
package struct LowRankMatrices {
  /// d, r, w, b and c, [N] each.
  let diagonal, left, right, input, output: [Complex]

  /// From a row [5 2N] of a system.
  package init(_ row: UnsafePointer<Float>, states N: Int) {
    func part(_ index: Int) -> [Complex] {
      let re = row + index * 2 * N
      return (0..<N).map { Complex(Double(re[$0]), Double(re[N + $0])) }
    }
    (diagonal, left, right, input, output) = (part(0), part(1), part(2), part(3), part(4))
  }

  private static func twiceReal(_ x: [Complex], _ y: [Complex]) -> Double {
    2 * x.indices.reduce(0) { $0 + (x[$1] * y[$1]).real }
  }
  /// h = Ā h + b u.
  package func advance(_ h: inout [Complex], by u: Double) {
    let inner = Self.twiceReal(right, h)
    for n in h.indices { h[n] = diagonal[n] * h[n] + inner * left[n] + u * input[n] }
  }
  /// 2 Re(c · h).
  package func output(_ h: [Complex]) -> Double { Self.twiceReal(output, h) }

  /// K_l = c Ā^l b for l < length, by the paper's Algorithm 1: the truncated generating function
  ///
  ///     Σ_{l<L} K_l z^l = c̃ (I − z Ā)⁻¹ b,   c̃ = c (I − z^L Ā^L)
  ///
  /// at L points on a circle, and back by one FFT. By Woodbury's identity, with R = (I − z diag(d))⁻¹, it is
  /// c̃ R b + z (c̃ R r) (w R b) / (1 − z w R r): four sums of the form Σ_n x_n / (1 − z d_n), a Cauchy
  /// matrix. The paper's points are the roots of unity; on the circle of radius exp(−1/L), where z^L = 1/e, a
  /// state that never decays is no pole, and the way back magnifies rounding by less than e.
  package func kernel(length: Int) -> [Double] {
    var L = 1
    while L < length { L *= 2 }
    // c Ā^L, row by row: (x Ā)_n = x_n d_n + 2 Re(x · r) w_n.
    var power = output
    for _ in 0..<L {
      let inner = Self.twiceReal(power, left)
      for n in power.indices { power[n] = power[n] * diagonal[n] + inner * right[n] }
    }
    let shrunk = exponential(-1), radius = exponential(-1 / Double(L))
    let truncated = output.indices.map { output[$0] - shrunk * power[$0] }
    let one = Complex(1, 0)
    var values = (0..<L).map { k -> Complex in
      let angle = 2 * Double.pi * Double(k) / Double(L)
      let z = radius * Complex(cosine(angle), -sine(angle))
      var cb = Complex(0, 0), cr = cb, wb = cb, wr = cb
      func add(_ d: Complex, _ c: Complex, _ r: Complex, _ w: Complex, _ b: Complex) {
        let resolvent = (one - z * d).inverse, (cR, wR) = (c * resolvent, w * resolvent)
        cb = cb + cR * b
        cr = cr + cR * r
        wb = wb + wR * b
        wr = wr + wR * r
      }
      for n in diagonal.indices {
        add(diagonal[n], truncated[n], left[n], right[n], input[n])
        add(
          diagonal[n].conjugate, truncated[n].conjugate, left[n].conjugate, right[n].conjugate,
          input[n].conjugate)
      }
      return cb + z * cr * wb * (one - z * wr).inverse
    }
    Fourier.transform(&values, inverse: true)
    return (0..<length).map { values[$0].real / Double(L) * exponential(Double($0) / Double(L)) }
  }
}
