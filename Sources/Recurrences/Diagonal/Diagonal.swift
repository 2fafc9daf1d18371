/// The diagonal recurrence h_t = a_t ⊙ h_{t−1} + b_t, real or complex, with a constant or a per-token decay.
///
/// Complex numbers are planar: the last axis holds N real parts, then N imaginary ones. The gradient treats the two
/// as independent variables.

import CKernels
import RunnelKernels
import RunnelTensors

public enum Diagonal {
  public enum Numbers: Sendable { case real, complex }

  /// - Parameters:
  ///   - decay: a, [W] for a constant one or [B T W]; W is N for real and 2N for complex numbers.
  ///   - input: b, [B T W].
  ///   - state: h, [B W]; in and out.
  /// - Returns: every h_t, [B T W].
  public static func run(
    decay a: Tensor, input b: Tensor, _ numbers: Numbers, form: Form, resets: Resets = .none,
    state: inout Tensor
  ) -> Tensor {
    let shape = b.shape
    precondition(
      shape.rank == 3 && (a.shape == [shape[2]] || a.shape == shape) && state.shape == [shape[0], shape[2]],
      "Diagonal: decay \(a.shape), input \(shape), state \(state.shape); expected [W] or [B T W], [B T W], [B W]"
    )
    precondition(numbers == .real || shape[2] % 2 == 0, "Diagonal: complex rows of odd width \(shape[2])")
    guard shape[1] > 0 else { return Tensor(zeros: shape) }

    let plan = Plan(shape: shape, numbers: numbers, isConstant: a.shape.rank == 1, resets: resets)
    func output(_ state: inout Tensor) -> Tensor {
      form == .parallel ? plan.parallel(a, b, state: &state) : plan.scan(a, b, state: &state)
    }
    // A stream owns its state, which is then changed in place.
    guard isTracked(a, b, state) else { return output(&state) }
    let initial = state
    var final = initial
    let h = output(&final)
    let outputs = record([h, final], from: [a, b, initial]) {
      [a = a.detached, h = h.detached, initial = initial.detached] gradients in
      plan.gradient(a, h, initial, dh: gradients[0], dfinal: gradients[1])
    }
    state = outputs[1]
    return outputs[0]
  }
}

/// The work of one call: rows of the batch by blocks of channels.
private struct Plan: Sendable {
  let shape: Shape
  let channels: Int
  let plane: Int
  let isConstant: Bool
  let resets: Resets
  let block = 64

  init(shape: Shape, numbers: Diagonal.Numbers, isConstant: Bool, resets: Resets) {
    self.shape = shape
    channels = numbers == .complex ? shape[2] / 2 : shape[2]
    plane = numbers == .complex ? shape[2] / 2 : 0
    self.isConstant = isConstant
    self.resets = resets
  }

  private var batch: Int { shape[0] }
  private var steps: Int { shape[1] }
  private var width: Int { shape[2] }
  private var decayStride: Int { isConstant ? 0 : width }

  private func forEachBlock(_ body: (_ row: Int, _ first: Int, _ count: Int) -> Void) {
    let blocks = (channels + block - 1) / block
    WorkerPool.shared.split(batch * blocks, grain: max(1, (1 << 12) / (steps * min(block, channels)))) {
      items in
      for item in items {
        let first = item % blocks * block
        body(item / blocks, first, min(block, channels - first))
      }
    }
  }

  private func clear(_ state: UnsafeMutablePointer<Float>, _ count: Int) {
    state.update(repeating: 0, count: count)
    if plane > 0 { (state + plane).update(repeating: 0, count: count) }
  }

  /// `step` and `mix`: the fold over time is already one pass over memory.
  func scan(_ a: Tensor, _ b: Tensor, state: inout Tensor) -> Tensor {
    Tensor(shape) { h in
      state.mutate { state in
        forEachBlock { row, first, count in
          let memory = state + row * width + first
          for stretch in resets.stretches(row: row, length: steps) {
            if stretch.isFresh { clear(memory, count) }
            let at = (row * steps + stretch.range.lowerBound) * width + first
            let decay = a.base + (isConstant ? first : at)
            if plane > 0 {
              runnel_diagonal_complex(
                stretch.range.count, count, plane, width, decayStride, decay, b.base + at, memory, h + at)
            } else {
              runnel_diagonal(
                stretch.range.count, count, width, decayStride, decay, b.base + at, memory, h + at)
            }
          }
        }
      }
    }
  }

  /// The associative scan of the papers (S5, LRU): ⌈log₂ T⌉ levels over the whole stretch. It does T log T work.
  func parallel(_ a: Tensor, _ b: Tensor, state: inout Tensor) -> Tensor {
    Tensor(shape) { h in
      state.mutate { state in
        for row in 0..<batch {
          for stretch in resets.stretches(row: row, length: steps) {
            let memory = state + row * width
            if stretch.isFresh { memory.update(repeating: 0, count: width) }
            let at = (row * steps + stretch.range.lowerBound) * width, size = stretch.range.count * width
            let result = levels(
              steps: stretch.range.count, a.base + (isConstant ? 0 : at), b.base + at, from: memory)
            (h + at).update(from: result.base, count: size)
            memory.update(from: result.base + size - width, count: width)
          }
        }
      }
    }
  }

  private func levels(
    steps: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, from initial: UnsafePointer<Float>
  ) -> Storage {
    let size = steps * width
    var decays = Storage(capacity: size), sums = Storage(capacity: size)
    var nextDecays = Storage(capacity: size), nextSums = Storage(capacity: size)
    for t in 0..<steps { (decays.base + t * width).update(from: a + t * decayStride, count: width) }
    sums.base.update(from: b, count: size)
    // The initial state enters through the first token: b_0 + a_0 h.
    for i in 0..<channels {
      if plane > 0 {
        sums.base[i] += a[i] * initial[i] - a[plane + i] * initial[plane + i]
        sums.base[plane + i] += a[i] * initial[plane + i] + a[plane + i] * initial[i]
      } else {
        sums.base[i] += a[i] * initial[i]
      }
    }
    var distance = 1
    while distance < steps {
      WorkerPool.shared.split(steps, grain: 16) {
        runnel_diagonal_level(
          $0.lowerBound, $0.upperBound, distance, channels, plane, decays.base, sums.base, nextDecays.base,
          nextSums.base)
      }
      swap(&decays, &nextDecays)
      swap(&sums, &nextSums)
      distance *= 2
    }
    return sums
  }

  /// The recurrence of the gradients runs backwards: dh_{t−1} += conj(a_t) dh_t.
  func gradient(_ a: Tensor, _ h: Tensor, _ initial: Tensor, dh: Tensor?, dfinal: Tensor?) -> [Tensor?] {
    let db = Tensor(uninitialized: shape)
    let da = isConstant ? Tensor(zeros: [batch, width]) : Tensor(uninitialized: shape)
    let dstate = dfinal.map { Tensor($0.scalars, $0.shape) } ?? Tensor(zeros: initial.shape)
    let zeros = Tensor(zeros: [width])
    forEachBlock { row, first, count in
      let memory = dstate.storage.base + row * width + first
      for stretch in resets.stretches(row: row, length: steps).reversed() {
        let at = (row * steps + stretch.range.lowerBound) * width + first
        let start = (stretch.isFresh ? zeros.base : initial.base + row * width) + first
        let decay = a.base + (isConstant ? first : at)
        let ddecay = da.storage.base + (isConstant ? row * width + first : at)
        let dhidden = dh.map { $0.base + at }
        if plane > 0 {
          runnel_diagonal_complex_backward(
            stretch.range.count, count, plane, width, decayStride, decay, h.base + at, start, dhidden, memory,
            db.storage.base + at, ddecay)
        } else {
          runnel_diagonal_backward(
            stretch.range.count, count, width, decayStride, decay, h.base + at, start, dhidden, memory,
            db.storage.base + at, ddecay)
        }
        if stretch.isFresh { clear(memory, count) }
      }
    }
    return [isConstant ? sumOfRows(da) : da, db, dstate]
  }
}
