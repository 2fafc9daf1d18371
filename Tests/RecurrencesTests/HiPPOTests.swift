import Foundation
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@Suite("HiPPO: the coefficients are the projection of the past")
struct HiPPOTests {
  static func signal(_ count: Int, seed: UInt64 = 51) -> [Double] {
    random([max(1, count)], seed: seed).doubles.prefix(count).map { $0 }
  }
  /// A sum of waves of up to 7 periods.
  static func smooth(_ x: Double) -> Double {
    0.3 + sin(2 * .pi * 1.3 * x) + 0.5 * cos(2 * .pi * 4.1 * x) - 0.4 * sin(2 * .pi * 7 * x + 1)
  }
  static func smooth(samples T: Int) -> [Double] { (0..<T).map { smooth((Double($0) + 0.5) / Double(T)) } }

  @Test("A and B are the published ones", arguments: [1, 8, 64, 256])
  func published(N: Int) {
    func expect(_ measure: HiPPO.Measure, A: (Double, Double) -> Double, B: (Double) -> Double) {
      let made = HiPPO.matrices(measure, N)
      let expected = (0..<N * N).map { A(Double($0 / N), Double($0 % N)) }
      #expect(relativeError(made.A, expected) < 1e-14, "\(measure)")
      #expect(relativeError(made.B, (0..<N).map { B(Double($0)) }) < 1e-14, "\(measure)")
    }
    // Gu et al. 2020, Theorems 2 and 1; LegT there has coefficients scaled by λ_n = (−1)ⁿ √(2n+1).
    expect(
      .legs, A: { n, k in n > k ? (2 * n + 1).squareRoot() * (2 * k + 1).squareRoot() : n == k ? n + 1 : 0 },
      B: { (2 * $0 + 1).squareRoot() })
    func scale(_ n: Double) -> Double { pow(-1, n) * (2 * n + 1).squareRoot() }
    expect(
      .legt,
      A: { n, k in
        (n >= k ? pow(-1, n - k) * (2 * n + 1) : 2 * n + 1) * scale(k) / scale(n)
      },
      B: { (2 * $0 + 1) * pow(-1, $0) / scale($0) })
    expect(.lagt, A: { n, k in n >= k ? 1 : 0 }, B: { _ in 1 })
  }

  @Test("A and B are what integrals over the basis give", arguments: [1, 7, 8, 64, 256])
  func integrals(N: Int) {
    let expected: [(HiPPO.Measure, (A: [Double], B: [Double]))] = [
      (.legs, HiPPOReference.legs(N)), (.legt, HiPPOReference.legt(N)), (.fourier, HiPPOReference.fourier(N)),
    ]
    for (measure, reference) in expected {
      let (A, B) = HiPPO.matrices(measure, N)
      #expect(relativeError(A, reference.A) < 1e-10, "\(measure)")
      #expect(relativeError(B, reference.B) < 1e-10, "\(measure)")
    }
    // ∫ e^{−τ} f (L_n − L_n') dτ is row n of A times the coefficients; x L_n' = n (L_n − L_{n−1}).
    let (A, _) = HiPPO.matrices(.lagt, N)
    for x in [0.003, 0.011, 0.02] {
      let L = HiPPOReference.laguerre(x, N)
      var expected = L
      for n in 1..<max(1, N) {
        let slope: Double = Double(n) * (L[n] - L[n - 1]) / x
        expected[n] = L[n] - slope
      }
      #expect(relativeError(HiPPOReference.product(A, L), expected) < 1e-9)
    }
  }

  static let rules: [HiPPO.Discretization] = [
    .forwardEuler, .backwardEuler, .bilinear, .generalizedBilinear(0.7), .zeroOrderHold,
  ]

  @Test("step and mix are the dense reference", arguments: HiPPO.Measure.allCases, rules)
  func forms(measure: HiPPO.Measure, rule: HiPPO.Discretization) {
    for (N, T, window) in [(1, 5, 3.0), (8, 201, 150), (13, 64, 400), (64, 203, 9000)] {
      let signal = Self.signal(T), (A, B) = HiPPO.matrices(measure, N), h = 1 / window
      let zeros = [Double](repeating: 0, count: N)
      let expected =
        rule.alpha.map {
          HiPPOReference.bilinear(A, B, alpha: $0, from: zeros, signal) { _ in h }
        } ?? HiPPOReference.held(A, B, signal, h: h)
      var stepped = HiPPO(measure, size: N, discretization: rule, window: window), mixed = stepped
      for f in signal { stepped.step(f) }
      mixed.mix(Array(signal[..<3]))
      mixed.mix([])
      mixed.mix(Array(signal[3...]))
      #expect(relativeError(stepped.coefficients, expected) < 1e-11, "N = \(N), step")
      #expect(relativeError(mixed.coefficients, expected) < 1e-11, "N = \(N), mix")
      #expect(stepped.count == T && mixed.count == T)
    }
  }

  @Test("LegS over the whole past: step and mix are the dense reference", arguments: rules)
  func wholePast(rule: HiPPO.Discretization) {
    // Forward Euler amplifies rounding by binomial(N, N/2) before it is stable.
    for (N, T) in [(1, 5), (8, 201), (13, 64)] + (rule == .forwardEuler ? [] : [(64, 203), (150, 30)]) {
      let signal = Self.signal(T), (A, B) = HiPPO.matrices(.legs, N)
      let zeros = [Double](repeating: 0, count: N)
      let expected =
        rule.alpha.map {
          HiPPOReference.bilinear(A, B, alpha: $0, from: zeros, signal) { 1 / Double($0) }
        } ?? HiPPOReference.stairs(signal, N)
      var stepped = HiPPO(.legs, size: N, discretization: rule), mixed = stepped
      for f in signal { stepped.step(f) }
      mixed.mix(Array(signal[..<3]))
      mixed.mix(Array(signal[3...]))
      #expect(relativeError(stepped.coefficients, expected) < 1e-10, "N = \(N), step")
      #expect(relativeError(mixed.coefficients, expected) < 1e-10, "N = \(N), mix")
    }
  }

  @Test("LegS: a wave of eight samples has the bits of eight steps", arguments: [1, 5, 8, 9, 64, 65, 256])
  func waves(N: Int) {
    for window in [nil, 300.0] {
      var stepped = HiPPO(.legs, size: N, window: window), mixed = stepped
      let signal = Self.signal(1000)
      for f in signal { stepped.step(f) }
      mixed.mix(signal)
      #expect(stepped.coefficients == mixed.coefficients)
    }
  }

  @Test("LegS with N = 64 remembers 10,000 samples as well as the reference")
  func reconstruction() {
    let T = 10_000, N = 64, signal = Self.smooth(samples: T), (A, B) = HiPPO.matrices(.legs, N)
    var memory = HiPPO(.legs, size: N)
    memory.mix(signal)
    let reference = HiPPOReference.triangular(A, B, alpha: 0.5, signal) { 1 / Double($0) }
    #expect(relativeError(memory.coefficients, reference) < 1e-11)
    let times = memory.times(points: T)
    #expect(relativeError(times, (0..<T).map { Double($0) + 0.5 }) < 1e-15)
    let expected = times.map { dot(HiPPOReference.legendre($0 / Double(T), N).values, reference) }
    let ours = memory.reconstruct(points: T)
    let error = relativeError(ours, signal), referenceError = relativeError(expected, signal)
    #expect(abs(error - referenceError) < 1e-10)
    #expect(error < 0.01, "\(error)")
  }

  @Test("the last window comes back", arguments: HiPPO.Measure.allCases, rules)
  func windows(measure: HiPPO.Measure, rule: HiPPO.Discretization) {
    // An Euler step forward turns the undamped waves of the Fourier basis outwards.
    if measure == .fourier && rule == .forwardEuler { return }
    // Periodic in the window, so that the series of Fourier has no jump to round off; slow for the measures
    // that fade, whose windows are many, so that the silence before the signal has faded, too.
    let fades = measure == .legs || measure == .lagt
    let window = fades ? 1000.0 : 4000, period = fades ? 10_000.0 : window
    let signal = (0..<14_000).map { i -> Double in
      let x = 2 * Double.pi * (Double(i) + 0.5) / period
      return 0.2 + cos(x) + 0.5 * sin(2 * x)
    }
    var memory = HiPPO(measure, size: 33, discretization: rule, window: window)
    memory.mix(signal)
    let times = memory.times(points: 100)
    let expected = times.map { signal[Int($0)] }
    #expect(relativeError(memory.reconstruct(at: times), expected) < 0.02)
  }

  @Test("LegS: the same signal at another rate has the same coefficients, the closer the finer")
  func scaleInvariance() {
    func coefficients(_ T: Int, _ rule: HiPPO.Discretization) -> [Double] {
      var memory = HiPPO(.legs, size: 48, discretization: rule)
      memory.mix(Self.smooth(samples: T))
      return memory.coefficients
    }
    for rule in [HiPPO.Discretization.bilinear, .backwardEuler, .zeroOrderHold] {
      let coarse = relativeError(coefficients(1000, rule), coefficients(2000, rule))
      let fine = relativeError(coefficients(8000, rule), coefficients(16_000, rule))
      #expect(coarse < 0.1, "\(rule)")
      #expect(fine < coarse / 6, "\(rule): \(coarse), \(fine)")
    }
  }

  @Test("the exact memory knows a constant from the first sample on, and is forked by a copy")
  func constants() {
    var memory = HiPPO(.legs, size: 20, discretization: .zeroOrderHold)
    #expect(memory.reconstruct(points: 3) == [0, 0, 0])
    for _ in 0..<5 {
      memory.step(2.5)
      #expect(relativeError(memory.reconstruct(points: 4), [2.5, 2.5, 2.5, 2.5]) < 1e-12)
    }
    let fork = memory
    memory.step(1)
    #expect(fork.count == 5 && memory.count == 6 && fork.coefficients != memory.coefficients)
  }

  @Test func misuseTraps() async {
    await #expect(processExitsWith: .failure) { _ = HiPPO(.legt, size: 4) }
    await #expect(processExitsWith: .failure) { _ = HiPPO(.legs, size: 0) }
    await #expect(processExitsWith: .failure) { _ = HiPPO(.legs, size: 4).reconstruct(at: [1]) }
  }
}

@Suite("the Legendre memory: y_t = C c_t + D f_t, c_t by LegS, in every form")
struct LegendreMemoryTests {
  static func laws(channels E: Int, states N: Int, counts: [Int] = [0, 0]) -> RecurrenceLaws {
    RecurrenceLaws(
      operands: { steps in
        [
          random([2, steps, E], seed: 41), random([E, N], seed: 42), random([E], seed: 43),
          random([2, E, N], seed: 44),
        ]
      },
      isOverTime: [true, false, false, false],
      run: { x, form, resets, state in
        var now = Array(counts.prefix(x[0].shape[0]))
        return LegendreMemory.run(
          f: x[0], C: x[1], D: x[2], form: form, resets: resets, state: &state, counts: &now)
      },
      reference: { x, steps, resets in
        legendreMemoryReference(
          f: x[0], C: x[1], D: x[2], state: x[3], counts: counts, batch: 2, steps: steps, channels: E,
          states: N, resets: resets.rows)
      })
  }

  @Test(arguments: [(1, 16, 16), (17, 40, 32), (65, 7, 5), (1000, 19, 8), (4096, 3, 64)])
  func forms(steps: Int, channels: Int, states: Int) {
    for counts in [[0, 0], [3, 70]] {
      let laws = Self.laws(channels: channels, states: states, counts: counts)
      laws.formsEqualTheReference(steps: steps, resets: .none)
      if steps > 12 { laws.formsEqualTheReference(steps: steps, resets: DiagonalTests.resets) }
    }
  }

  @Test("no tokens and no rows") func nothing() { Self.laws(channels: 19, states: 3).nothingIsNothing() }

  @Test func gradients() {
    Self.laws(channels: 5, states: 3, counts: [2, 9]).gradientsEqualCentralDifferences(
      steps: 35, resets: .none)
    Self.laws(channels: 18, states: 2, counts: [0, 4]).gradientsEqualCentralDifferences(
      steps: 19, resets: DiagonalTests.resets)
  }

  @Test func documents() {
    Self.laws(channels: 33, states: 16).aPackedDocumentIsTheDocumentAlone(steps: 90, at: 21)
  }

  /// The counts go with the state: gradients and values of segments are those of the whole.
  @Test("segments are the whole, in value and in gradient", arguments: [[1, 0, 7, 64, 18], [45, 45]])
  func segments(lengths: [Int]) {
    let (E, N, T) = (21, 16, 90)
    let f = random([2, T, E], seed: 41).tracked(), C = random([E, N], seed: 42).tracked()
    let D = random([E], seed: 43).tracked(), initial = random([2, E, N], seed: 44).tracked()
    var state = initial, counts = [0, 5]
    let whole = LegendreMemory.run(f: f, C: C, D: D, form: .mix, state: &state, counts: &counts)
    #expect(counts == [90, 95])
    let seeds = (random(whole.shape, seed: 45), random(state.shape, seed: 46))
    let leaves = [f, C, D, initial]
    let expected = RunnelTensors.gradients(of: [(whole, seeds.0), (state, seeds.1)], for: leaves)

    var (part, now) = (initial, [0, 5]), start = 0
    var outputs: [(value: Tensor, seed: Tensor)] = [], pieces: [Tensor] = [], values: [Tensor] = []
    for (i, length) in lengths.enumerated() {
      let range = start..<start + length
      pieces.append(within(f, range).tracked())
      values.append(
        LegendreMemory.run(
          f: pieces[i], C: C, D: D, form: Form.allCases[i % 3], state: &part, counts: &now))
      outputs.append((values[i], within(seeds.0, range)))
      start = range.upperBound
    }
    outputs.append((part, seeds.1))
    #expect(now == counts)
    #expect(relativeError(joined(values), whole) < 1e-5)
    #expect(relativeError(part, state) < 1e-5)
    let gradients = RunnelTensors.gradients(of: outputs, for: pieces + [C, D, initial])
    #expect(relativeError(joined(Array(gradients[..<pieces.count])), expected[0]) < 1e-5)
    for i in 1...3 { #expect(relativeError(gradients[pieces.count + i - 1], expected[i]) < 1e-5) }
  }
}
