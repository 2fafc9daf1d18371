import Foundation
import RunnelRecurrences
import RunnelTensors
import Testing

/// k_t = Re Σ c_n λ_n^t for poles at even distances on a ring, one real where the states are odd.
private func known(states N: Int, length L: Int, seed: UInt64) -> (kernel: [Double], poles: [Complex]) {
  var generator = SeededGenerator(seed: seed)
  var poles: [Complex] = [], kernel = [Double](repeating: 0, count: L)
  for j in 0..<(N + 1) / 2 {
    let size = 0.9 + 0.095 * generator.uniform()
    let isReal = N % 2 == 1 && j == 0
    let angle = isReal ? 0 : Double.pi * (Double(j) + 0.35 + 0.3 * generator.uniform()) / Double((N + 1) / 2)
    let (x, y) = (1 + generator.uniform(), isReal ? 0 : generator.normal())
    poles.append(Complex(size * cos(angle), size * sin(angle)))
    for t in 0..<L {
      let turn = angle * Double(t)
      kernel[t] += pow(size, Double(t)) * (x * cos(turn) - y * sin(turn))
    }
  }
  return (kernel, poles)
}

@Suite("a filter becomes the smallest diagonal recurrence")
struct DiagonalRealizationTests {
  @Test(arguments: [1, 2, 3, 4, 7, 8, 16, 31, 32])
  func `a known system comes back, and no smaller one will do`(states: Int) {
    let (kernel, poles) = known(states: states, length: 700, seed: UInt64(states))
    let fit = DiagonalRealization.fit(kernel, tolerance: 1e-10, maxStates: 64, precision: .double)
    #expect(fit.realization.states == states && fit.leastStates == states)
    #expect(fit.error <= 1e-10 && fit.boundBelow > 1e-10)
    for pole in poles {
      let nearest = fit.realization.poles.map { hypot($0.real - pole.real, $0.imaginary - pole.imaginary) }
        .min()
      #expect((nearest ?? 1) < 1e-7)
    }
    if states > 1 {
      let fewer = DiagonalRealization.fit(
        kernel, tolerance: 1e-10, maxStates: states - 1, precision: .double)
      #expect(fewer.error >= fit.boundBelow && fewer.leastStates == states)
    }
  }

  @Test func `the reported error is that of the recurrence's own impulse response`() {
    let kernel = (0..<600).map { pow(1 + Double($0), -0.7) }
    let fit = DiagonalRealization.fit(kernel, tolerance: 1e-4, maxStates: 64)
    let filters = DiagonalFilters([fit.realization])
    var state = filters.initialState(batch: 1)
    let impulse = Tensor([1] + [Float](repeating: 0, count: 599), [1, 600, 1])
    let response = filters.run(impulse, form: .step, state: &state).scalars.map { Double($0) }
    var (error, size, largest) = (0.0, 0.0, 0.0)
    for (k, y) in zip(kernel, response) {
      error += (k - y) * (k - y)
      size += k * k
      largest = max(largest, abs(k - y))
    }
    #expect(fit.error <= 1e-4 && abs((error / size).squareRoot() - fit.error) < 1e-6)
    #expect(abs(largest - fit.largestError) < 1e-6)
    #expect(fit.leastStates <= fit.realization.states && fit.realization.states <= fit.leastStates + 1)
  }

  @Test func `no fit passes the bound of the Hankel matrix`() {
    let kernel = (0..<400).map { pow(1 + Double($0), -0.7) }
    for states in 1...7 {
      let fit = DiagonalRealization.fit(kernel, tolerance: 1e-13, maxStates: states, precision: .double)
      let next = DiagonalRealization.fit(kernel, tolerance: 1e-13, maxStates: states + 1, precision: .double)
      // An order of one more knows the bound for this one.
      #expect(next.realization.states == states + 1 && fit.realization.states == states)
      #expect(fit.error >= next.boundBelow && fit.error < 30 * next.boundBelow, "\(states)")
    }
  }

  /// Sines of a few frequencies under a decay, as implicit filters of Hyena are, cut off while they are large still.
  @Test func `a smooth filter that does not fade out is met`() {
    let kernel = (0..<1024).map { i in
      let t = Double(i) / 1024
      return exp(-3 * t) * (sin(3 * sin(5 * t) + 1) + 0.3 * cos(20 * t * t))
    }
    for tolerance in [1e-2, 1e-3] {
      let fit = DiagonalRealization.fit(kernel, tolerance: tolerance, maxStates: 128)
      #expect(fit.error <= tolerance)
      #expect(fit.realization.states <= 3 * fit.leastStates, "\(fit.realization.states), \(fit.leastStates)")
    }
  }

  @Test func `zeros, a constant and a tap alone`() {
    let zeros = DiagonalRealization.fit(Array(repeating: 0, count: 100), tolerance: 1e-6, maxStates: 8)
    #expect(zeros.realization.states == 0 && zeros.error == 0 && zeros.realization.direct == 0)
    let constant = DiagonalRealization.fit(Array(repeating: 0.5, count: 300), tolerance: 1e-6, maxStates: 8)
    #expect(constant.realization.states == 1 && constant.error <= 1e-6)
    let one = DiagonalRealization.fit([3], tolerance: 1e-6, maxStates: 8)
    #expect(one.realization.states == 0 && one.realization.direct == 3 && one.error == 0)
  }

  @Test(arguments: 2...12)
  func `a short filter of any taps is met`(length: Int) {
    var generator = SeededGenerator(seed: UInt64(length))
    let kernel = (0..<length).map { _ in generator.normal() }
    let fit = DiagonalRealization.fit(kernel, tolerance: 1e-5, maxStates: 16)
    #expect(fit.error <= 1e-5 && fit.realization.states <= max(1, length - 1))
  }

  /// t λ^t has a double pole, which no diagonal has: two close ones come as near as rounding allows.
  @Test func `a double pole is two close ones`() {
    let kernel = (0..<1000).map { Double($0) * pow(0.95, Double($0)) }
    let fit = DiagonalRealization.fit(kernel, tolerance: 1e-4, maxStates: 8)
    #expect(fit.realization.states == 2 && fit.leastStates == 2 && fit.error <= 1e-4)
  }

  /// A delay is nilpotent: no diagonal recurrence gives it, however many states, and the best that was found is told.
  @Test func `a delay is refused with what it would need`() {
    let fit = DiagonalRealization.fit((0..<500).map { $0 == 5 ? 1 : 0 }, tolerance: 1e-4, maxStates: 12)
    #expect(fit.error > 1e-4 && fit.error <= 1 && fit.leastStates == 5)
  }

  @Test func `what grows is met with poles inside the circle, or not at all`() {
    let kernel = (0..<500).map { pow(1.004, Double($0)) }
    let fit = DiagonalRealization.fit(kernel, tolerance: 1e-3, maxStates: 24)
    #expect(fit.leastStates == 1)
    for pole in fit.realization.poles { #expect(hypot(pole.real, pole.imaginary) <= 1) }
    let steep = DiagonalRealization.fit((0..<100).map { pow(2, Double($0)) }, tolerance: 1e-3, maxStates: 1)
    #expect(steep.error > 1e-3)
  }

  @Test(arguments: [Form.step, .mix, .parallel])
  func `the stream is the convolution over thousands of tokens`(form: Form) {
    let kernels = (1...5).map { known(states: 3 * $0, length: 4096, seed: UInt64($0)).kernel }
    let fits = DiagonalRealization.fit(kernels, tolerance: 1e-5, maxStates: 32)
    #expect(fits.map(\.realization.states) == [3, 6, 9, 12, 15])
    let divergence = DiagonalFilters(fits.map(\.realization)).divergence(from: kernels, form: form)
    #expect(divergence.worst <= 2e-5 && divergence.relative <= divergence.worst)
    // A recurrence of other filters does not pass for theirs.
    let others = DiagonalFilters(fits.reversed().map(\.realization)).divergence(from: kernels, form: form)
    #expect(others.relative > 0.1)
  }
}
