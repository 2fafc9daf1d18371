import Foundation
import RunnelMixers
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@Suite(
  "state spaces are their papers' formulas with all their states, in every form, in value and in gradient")
struct StateSpaceTests {
  @Test("S5", arguments: [(4, 1), (8, 2)], Discretization.allCases)
  func s5(sizes: (states: Int, blocks: Int), discretization: Discretization) {
    let configuration = S5.Configuration(width: 3) {
      ($0.stateSize, $0.blocks, $0.discretization) = (sizes.states, sizes.blocks, discretization)
    }
    expectMixer(S5.self, configuration) { $0.s5($1, isBilinear: discretization == .bilinear) }
  }

  @Test("S4, whose A is a dense matrix of all its states in the reference", arguments: [2, 4, 8])
  func s4(stateSize: Int) {
    expectMixer(
      S4.self,
      .init(width: 3) { $0.stateSize = stateSize }
    ) { $0.s4($1) }
  }

  @Test("H3, with products of numbers and of heads", arguments: [(3, 1), (4, 2), (6, 3)])
  func h3(sizes: (width: Int, headWidth: Int)) {
    for discretization in Discretization.allCases {
      let configuration = H3.Configuration(width: sizes.width) {
        ($0.stateSize, $0.headWidth, $0.discretization) = (4, sizes.headWidth, discretization)
      }
      expectMixer(H3.self, configuration) {
        $0.h3($1, headWidth: sizes.headWidth, isBilinear: discretization == .bilinear)
      }
    }
  }

  @Test("H3: a fresh shift space has its C as taps, and Δ, A and B are S4D-Lin's")
  func h3Facts() {
    let mixer = PublishedFacts.fresh(H3.self, .init(width: 20))
    #expect(mixer.own.configuration.stateSize == 64 && mixer.own.configuration.headWidth == 1)
    let taps = shiftFilter(
      input: Tensor(mixer.value("ssm_k_kernel.kernel.B"), [20, 64]),
      output: Tensor(mixer.value("ssm_k_kernel.kernel.C"), [1, 20, 64]), skip: Tensor(zeros: [20]))
    let reversed = (0..<20).flatMap { d in
      (0..<64).map { mixer.value("ssm_k_kernel.kernel.C")[d * 64 + 63 - $0] }
    }
    #expect(taps.doubles == reversed)
    #expect(mixer.value("ssm_k_kernel.kernel.C").allSatisfy { abs($0) <= 0.125 })
    #expect(mixer.value("kernel.kernel.log_dt").allSatisfy { (0.000999...0.1001).contains(exp($0)) })
    #expect(mixer.value("kernel.kernel.inv_A_real").allSatisfy { abs(exp($0) - 0.5) < 1e-7 })
    let frequencies = (0..<20 * 32).map { Double.pi * Double($0 % 32) }
    #expect(relativeError(mixer.value("kernel.kernel.A_imag"), frequencies) < 1e-7)
    #expect(mixer.value("kernel.kernel.B") == (0..<20 * 64).map { $0 % 2 == 0 ? 1 : 0 })
  }
}

@Suite("the HiPPO matrix in its own basis")
struct NormalPlusLowRankTests {
  @Test("V Λ V* − p p* is HiPPO-LegS, and V* b its input", arguments: [2, 8, 64])
  func isLegS(N: Int) {
    let parts = NormalPlusLowRank.legS(order: N), half = N / 2
    #expect(parts.frequencies.count == half && parts.frequencies.allSatisfy { $0 > 0 })
    func root(_ n: Int) -> Double { Double(2 * n + 1).squareRoot() }
    var worst = 0.0
    for n in 0..<N {
      var b = Complex(0, 0), p = b
      for k in 0..<half {
        // The other half is the conjugate, so twice the real part is the sum over both.
        b = b + parts.vectors[n * half + k] * parts.input[k]
        p = p + parts.vectors[n * half + k] * parts.lowRank[k]
      }
      worst = max(worst, abs(2 * b.real - root(n)), abs(2 * p.real - root(n) / 2.0.squareRoot()))
      for m in 0..<N {
        let legS = n > m ? -root(n) * root(m) : n == m ? -Double(n + 1) : 0
        var sum = 0.0
        for k in 0..<half {
          let (v, w) = (parts.vectors[n * half + k], parts.vectors[m * half + k])
          sum += 2 * (v * Complex(-0.5, parts.frequencies[k]) * Complex(w.real, -w.imaginary)).real
        }
        worst = max(worst, abs(sum - root(n) * root(m) / 2 - legS))
      }
    }
    #expect(worst <= 1e-10 * Double(N), "an error of \(worst)")
  }

  @Test("S4: a fresh system is HiPPO-LegS by the bilinear rule", arguments: [8, 64])
  func s4(N: Int) {
    typealias Z = ReferenceComplex
    let
      mixer = PublishedFacts.fresh(
        S4.self,
        .init(width: 2) { $0.stateSize = N }), half = N / 2
    let parts = NormalPlusLowRank.legS(order: N)
    #expect(relativeError(mixer.value("A_imag"), parts.frequencies + parts.frequencies) < 1e-7)
    #expect(mixer.value("log_A_real").allSatisfy { abs(exp($0) - 0.5) < 1e-7 })
    #expect(mixer.value("log_dt").allSatisfy { (0.000999...0.1001).contains(exp($0)) })
    func planar(_ x: [Complex]) -> [Double] { x.map(\.real) + x.map(\.imaginary) }
    #expect(relativeError(mixer.value("P"), planar(parts.lowRank) + planar(parts.lowRank)) < 1e-7)
    #expect(relativeError(mixer.value("B"), planar(parts.input) + planar(parts.input)) < 1e-7)

    // An impulse on LegS itself, where (I − Δ/2 A) h = (I + Δ/2 A) h₀ + Δ b u, and on ours, whose c is C V.
    func root(_ n: Int) -> Double { Double(2 * n + 1).squareRoot() }
    let dt = 0.05, C = random([N], seed: 4).doubles
    let A = (0..<N).map { n in (0..<N).map { n > $0 ? -root(n) * root($0) : n == $0 ? -Double(n + 1) : 0 } }
    var h = [Double](repeating: 0, count: N), expected: [Double] = []
    for t in 0..<100 {
      // LegS is lower triangular: forward substitution.
      let right = (0..<N).map { n in
        h[n] + dt / 2 * (0..<N).reduce(0) { $0 + A[n][$1] * h[$1] } + (t == 0 ? dt * root(n) : 0)
      }
      for n in 0..<N {
        let known = (0..<n).reduce(right[n]) { $0 + dt / 2 * A[n][$1] * h[$1] }
        h[n] = known / (1 - dt / 2 * A[n][n])
      }
      expected.append(dot(C, h))
    }
    let c = (0..<half).map { k in
      (0..<N).reduce(Complex(0, 0)) { $0 + C[$1] * parts.vectors[$1 * half + k] }
    }
    let system = LowRankSystem.bilinear(
      logStep: Tensor([Float(log(dt))]), logDecay: Tensor(mixer.value("log_A_real"), [2, half]).rows(0..<1),
      frequency: Tensor(mixer.value("A_imag"), [2, half]).rows(0..<1),
      lowRank: Tensor(planar(parts.lowRank), [1, N]), input: Tensor(planar(parts.input), [1, N]),
      output: Tensor(planar(c), [1, N]))
    for form in Form.allCases {
      let impulse = Tensor((0..<100).map { $0 == 0 ? Float(1) : 0 }, [1, 100, 1])
      var state = Tensor(zeros: [1, 1, N])
      let y = LowRankSystem.run(u: impulse, system: system, D: .absent, form: form, state: &state)
      #expect(relativeError(y, expected) < 1e-5, "\(form)")
    }
  }

  @Test("S5: J copies of the eigenvalues, Δ in [0.001, 0.1], B and C of variance 1/N in the eigenbasis")
  func s5() {
    let (D, N, J) = (40, 64, 4)
    let mixer = PublishedFacts.fresh(
      S5.self,
      .init(width: D) { ($0.stateSize, $0.blocks) = (N, J) })
    let block = NormalPlusLowRank.legS(order: N / J).frequencies
    let expected = (0..<J).flatMap { _ in block }
    #expect(relativeError(mixer.value("Lambda_im"), expected) < 1e-7)
    #expect(mixer.value("Lambda_re").allSatisfy { $0 == -0.5 })
    #expect(mixer.value("log_step").allSatisfy { (0.000999...0.1001).contains(exp($0)) })
    // V is unitary: with its conjugate half, B keeps the norm of the real matrix it came from, C that of both
    // parts.
    func variance(_ name: String, entries: Int) -> Double {
      mixer.value(name).reduce(0) { $0 + $1 * $1 } * 2 / Double(entries)
    }
    #expect(abs(variance("B", entries: N * D) * Double(N) - 1) < 0.1)
    #expect(abs(variance("C", entries: 2 * N * D) * Double(N) - 1) < 0.1)
  }
}

@Suite("the bytes of a state space are its description's")
struct StateSpaceBytes {
  @Test("the state has the bytes that the description's formula says")
  func stateBytes() {
    expectStateBytes(S5.self, .init(width: 3) { ($0.stateSize, $0.blocks) = (12, 2) }, ["N": 12])
    expectStateBytes(S4.self, .init(width: 5) { $0.stateSize = 6 }, ["D": 5, "N": 6])
    expectStateBytes(
      H3.self, .init(width: 6) { ($0.stateSize, $0.headWidth) = (10, 2) }, ["D": 6, "N": 10, "P": 2])
  }
}
