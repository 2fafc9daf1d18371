/// The short causal convolution before a recurrence, one filter of W taps per channel, and the token shift.
///
///     y_t = f(bias + Σ_w weight[:, w] ⊙ x_{t − (W − 1) + w})
///
/// What lies before the segment comes from the window, the last W − 1 inputs, oldest first; what lies before the
/// start of a document is zero.

import CKernels
import RunnelKernels

/// The convolution of `x` [B T D] with `weight` [D W], whose last tap multiplies the current token. `window`
/// [B W−1 D] goes from the inputs before the segment to the last ones in it; gradients flow through both.
public func causalConvolution(
  _ x: Tensor, weight: Tensor, bias: Tensor? = nil, activation: Activation = .identity,
  resets: Resets = .none, window: inout Tensor
) -> Tensor {
  precondition(
    x.shape.rank == 3 && weight.shape.rank == 2 && weight.shape[0] == x.shape[2] && weight.shape[1] > 0,
    "causalConvolution: \(x.shape) by a weight of \(weight.shape); they must be [B T D] and [D W]")
  let (b, t, d, w) = (x.shape[0], x.shape[1], x.shape[2], weight.shape[1])
  precondition(
    window.shape == [b, w - 1, d],
    "causalConvolution: a window of \(window.shape) for \(x.shape) and \(w) taps; it must be [\(b) \(w - 1) \(d)]"
  )
  let bias = bias ?? .absent
  precondition(
    bias.isEmpty || bias.count == d, "causalConvolution: a bias of \(bias.shape); it must be [\(d)]")
  guard t > 0 else { return x }

  Profiler.begin(.convolution)
  defer { Profiler.end() }
  let isRecorded = isTracked(x, weight, bias, window)
  let fullBias = bias.isEmpty ? Tensor(zeros: [d]) : bias
  if t == 1 && !isRecorded {
    return convolvedToken(
      x, weight: weight, bias: fullBias, activation: activation, resets: resets, window: &window)
  }

  let taps = transposed(weight)
  let old = window
  let plan = Taps(x, taps: w, resets: resets, window: old)
  let y = Tensor(x.shape) { y in
    plan.runAll { rows, first, n in
      runnel_causal_convolution(
        activation.kernel, n, d, w, rows, taps.base, fullBias.base, y + first * d)
    }
  }
  let new = plan.lastInputs()
  guard isRecorded else {
    window = new
    return y
  }
  let needsBias = bias.isTracked
  let recorded = record([y, new], from: [x, weight, bias, window]) {
    [x = x.detached, old = old.detached, bias = fullBias.detached] gradients in
    let dy = gradients[0] ?? Tensor(zeros: x.shape)
    let plan = Taps(x, taps: w, resets: resets, window: old)
    let (dp, sums) = preactivationGradient(dy, plan, taps, bias, activation)
    let (dx, dwindow) = inputGradient(dp, dnew: gradients[1], plan, taps, resets)
    let dweight = transposed(sums.rows(0..<w))
    return [dx, dweight, needsBias ? sums.rows(w..<w + 1).reshaped([d]) : nil, dwindow]
  }
  window = recorded[1]
  return recorded[0]
}

/// One token per row of the batch, without a record: the window is shifted where it lies.
private func convolvedToken(
  _ x: Tensor, weight: Tensor, bias: Tensor, activation: Activation, resets: Resets, window: inout Tensor
) -> Tensor {
  let (d, w) = (weight.shape[0], weight.shape[1])
  return Tensor(x.shape) { y in
    window.mutate { window in
      splitRows(x.shape[0], width: w * d) { rows in
        for row in rows {
          let own = window + row * (w - 1) * d
          if resets.startsAfresh(row: row) { own.update(repeating: 0, count: (w - 1) * d) }
          runnel_causal_convolution_step(
            activation.kernel, d, w, weight.base, bias.base, x.base + row * d, own, y + row * d)
        }
      }
    }
  }
}

/// dp = dy f'(p), and the sums [W+1 D] that are the gradients of the taps and, last, of the bias.
private func preactivationGradient(
  _ dy: Tensor, _ plan: Taps, _ taps: Tensor, _ bias: Tensor, _ activation: Activation
) -> (dp: Tensor, sums: Tensor) {
  let (w, d) = (taps.shape[0], taps.shape[1])
  let dp = activation == .identity ? dy : Tensor(uninitialized: dy.shape)
  let sums = sumOverRowBlocks(rows: plan.jobs.count, width: (w + 1) * d, cost: Taps.rowsPerJob * d) {
    jobs, sums in
    plan.run(jobs) { rows, first, n in
      runnel_causal_convolution_backward(
        activation.kernel, n, d, w, rows, taps.base, bias.base, dy.base + first * d,
        dp.storage.base + dp.offset + first * d, sums, sums + w * d)
    }
  }
  return (dp, sums.reshaped([w + 1, d]))
}

/// dx_s = Σ_w weight[:, w] ⊙ dp_{s + (W − 1) − w} within a document: the same convolution with the taps in reverse,
/// over dp and the zeros behind the document's end. The inputs before the first are the window's.
private func inputGradient(
  _ dp: Tensor, dnew: Tensor?, _ plan: Taps, _ taps: Tensor, _ resets: Resets
) -> (dx: Tensor, dwindow: Tensor) {
  let (b, t, d, w) = (dp.shape[0], dp.shape[1], dp.shape[2], taps.shape[0])
  let reversed = Tensor(taps.shape) { reversed in
    for tap in 0..<w { (reversed + tap * d).update(from: taps.base + (w - 1 - tap) * d, count: d) }
  }
  let zeros = Tensor(zeros: [d])
  let dx = Tensor(dp.shape) { dx in
    Taps(dp, taps: w, resets: resets, window: nil).runAll { rows, first, n in
      runnel_causal_convolution(RUNNEL_IDENTITY, n, d, w, rows, reversed.base, zeros.base, dx + first * d)
    }
  }
  let dwindow = Tensor([b, w - 1, d]) { dwindow in
    for row in 0..<b {
      let own = dwindow + row * (w - 1) * d
      guard let first = plan.stretches[row].first, !first.isFresh else {
        own.update(repeating: 0, count: (w - 1) * d)
        continue
      }
      let rows: [UnsafePointer<Float>?] = (1 - w..<w - 1).map {
        $0 >= 0 && $0 < first.range.count ? dp.base + (row * t + $0) * d : zeros.base
      }
      runnel_causal_convolution(RUNNEL_IDENTITY, w - 1, d, w, rows, reversed.base, zeros.base, own)
    }
  }
  guard let dnew else { return (dx, dwindow) }
  for row in 0..<b {
    for place in 0..<w - 1 {
      let s = t - (w - 1) + place
      guard s >= plan.firstRemembered(row: row) else { continue }
      let own =
        s >= 0
        ? dx.storage.base + (row * t + s) * d
        : dwindow.storage.base + (row * (w - 1) + w - 1 + s) * d
      runnel_add(d, own, dnew.base + (row * (w - 1) + place) * d, own)
    }
  }
  return (dx, dwindow)
}

/// Where the W inputs of each output lie, as pointers to rows of D floats, so that nothing is copied together: each
/// stretch of one document is preceded by W − 1 rows of the window or of zeros.
private struct Taps {
  static let rowsPerJob = 64
  /// Up to `rowsPerJob` outputs of one stretch: the first in [B T], and the place of its first pointer.
  struct Job { let first: Int, count: Int, pointer: Int }

  let shape: Shape
  let taps: Int
  let stretches: [[Resets.Stretch]]
  private(set) var jobs: [Job] = []
  private var rows: [UnsafePointer<Float>?] = []
  /// The place behind the last pointer of each row of the batch.
  private var ends: [Int] = []
  private let zeros: Tensor
  private let owners: [Tensor]

  /// Without a window, the W − 1 rows of zeros follow a stretch instead.
  init(_ x: Tensor, taps w: Int, resets: Resets, window: Tensor?) {
    let (b, t, d) = (x.shape[0], x.shape[1], x.shape[2])
    shape = x.shape
    taps = w
    zeros = Tensor(zeros: [d])
    owners = [x] + (window.map { [$0] } ?? [])
    stretches = (0..<b).map { resets.stretches(row: $0, length: t) }
    rows.reserveCapacity(b * (t + w - 1))
    for row in 0..<b {
      for stretch in stretches[row] {
        for start in stride(from: stretch.range.lowerBound, to: stretch.range.upperBound, by: Self.rowsPerJob)
        {
          jobs.append(
            Job(
              first: row * t + start, count: min(Self.rowsPerJob, stretch.range.upperBound - start),
              pointer: rows.count + start - stretch.range.lowerBound))
        }
        if let window {
          for place in 0..<w - 1 {
            rows.append(stretch.isFresh ? zeros.base : window.base + (row * (w - 1) + place) * d)
          }
        }
        for s in stretch.range { rows.append(x.base + (row * t + s) * d) }
        if window == nil { for _ in 0..<w - 1 { rows.append(zeros.base) } }
      }
      ends.append(rows.count)
    }
  }

  /// Calls `body` with the pointers, the first output and the number of outputs of each job.
  func run(_ range: Range<Int>, _ body: (UnsafePointer<UnsafePointer<Float>?>, Int, Int) -> Void) {
    rows.withUnsafeBufferPointer { rows in
      guard let base = rows.baseAddress else { return }
      for job in jobs[range] { body(base + job.pointer, job.first, job.count) }
    }
  }
  func runAll(_ body: (UnsafePointer<UnsafePointer<Float>?>, Int, Int) -> Void) {
    splitRows(jobs.count, width: Self.rowsPerJob * shape.width) { run($0, body) }
  }

  /// The earliest input, counted from the segment's start, that an output behind the segment could see.
  func firstRemembered(row: Int) -> Int {
    guard let last = stretches[row].last, last.isFresh else { return 1 - taps }
    return last.range.lowerBound
  }

  /// The last W − 1 inputs of each row of the batch: the window of the next segment.
  func lastInputs() -> Tensor {
    let d = shape.width
    return Tensor([shape[0], taps - 1, d]) { window in
      for (row, end) in ends.enumerated() {
        for place in 0..<taps - 1 {
          guard let input = rows[end - (taps - 1) + place] else { continue }
          (window + (row * (taps - 1) + place) * d).update(from: input, count: d)
        }
      }
    }
  }
}

/// A matrix [R C] with its rows as columns, [C R], as a constant.
package func transposed(_ x: Tensor) -> Tensor {
  let (rows, columns) = (x.shape[0], x.shape[1])
  return Tensor([columns, rows]) { runnel_transpose(rows, columns, columns, rows, x.base, $0) }
}
