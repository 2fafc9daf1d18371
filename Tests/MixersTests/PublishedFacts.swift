import Foundation
import RunnelMixers
import RunnelReference
import RunnelTensors
import Testing

@Suite("fresh parameters are as published")
struct PublishedFacts {
  static func fresh<M: SequenceMixer>(_: M.Type, _ configuration: M.Configuration) -> Subject<M> {
    M.fresh(configuration)
  }
  static func frequencies(_ initialization: S4D.Initialization, _ N: Int) -> [Double] {
    let mixer = fresh(
      S4D.self,
      .init(width: 2) { ($0.stateSize, $0.initialization) = (N, initialization) })
    return Array(mixer.value("A_imag").prefix(N / 2))
  }

  @Test("S4D: the real parts of A are −1/2, and Δ lies in [0.001, 0.1]")
  func s4dDecay() {
    let mixer = Self.fresh(S4D.self, .init(width: 200))
    #expect(mixer.value("log_A_real").allSatisfy { abs(exp($0) - 0.5) < 1e-7 })
    #expect(mixer.value("log_dt").allSatisfy { (0.00099999...0.1000001).contains(exp($0)) })
  }

  @Test("S4D-Lin: Im A_n = π n; S4D-Inv: Im A_n = N/π (N/(2n+1) − 1)")
  func s4dFormulas() {
    let N = 64.0
    let linear = (0..<32).map { Double.pi * Double($0) }
    let inverse = (0..<32).map { N / .pi * (N / (2 * Double($0) + 1) - 1) }
    #expect(relativeError(Self.frequencies(.linear, 64), linear) < 1e-7)
    #expect(relativeError(Self.frequencies(.inverse, 64), inverse) < 1e-7)
    #expect(abs(Self.frequencies(.inverse, 64)[0] - 64 / .pi * 63) < 1e-3)
  }

  /// S, the normal part of HiPPO-LegS plus ½ I, from the definition of A and its low-rank part P Pᵀ.
  static func skew(_ N: Int) -> [[Double]] {
    func root(_ n: Int) -> Double { Double(2 * n + 1).squareRoot() }
    return (0..<N).map { n in
      (0..<N).map { k in
        let A = n > k ? -root(n) * root(k) : n == k ? -Double(n + 1) : 0
        return A + 0.5 * root(n) * root(k) + (n == k ? 0.5 : 0)
      }
    }
  }

  @Test(
    "S4D-LegS: the power sums of the frequencies are the traces of powers of the HiPPO matrix",
    arguments: [2, 8, 64])
  func legsTraces(N: Int) {
    let S = Self.skew(N), frequencies = Self.frequencies(.legs, N)
    func product(_ A: [[Double]], _ B: [[Double]]) -> [[Double]] {
      A.map { row in (0..<N).map { k in (0..<N).reduce(0) { $0 + row[$1] * B[$1][k] } } }
    }
    let square = product(S, S), fourth = product(square, square)
    func trace(_ A: [[Double]], _ B: [[Double]]) -> Double {
      (0..<N).reduce(0) { sum, n in sum + (0..<N).reduce(0) { $0 + A[n][$1] * B[$1][n] } }
    }
    // The eigenvalues are ±i f: tr S² = −2 Σ f², tr S⁴ = 2 Σ f⁴, tr S⁶ = −2 Σ f⁶.
    func powers(_ p: Double) -> Double { 2 * frequencies.reduce(0) { $0 + pow($1, p) } }
    #expect(frequencies.count == N / 2 && frequencies.allSatisfy { $0 > 0 })
    #expect(abs(powers(2) / -trace(S, S) - 1) < 1e-6)
    #expect(abs(powers(4) / trace(square, square) - 1) < 1e-6)
    #expect(abs(powers(6) / -trace(square, fourth) - 1) < 1e-6)
  }

  @Test("S4D-LegS: the characteristic polynomial of the HiPPO matrix changes sign at every frequency")
  func legsRoots() {
    typealias Z = ReferenceComplex
    let N = 16, S = Self.skew(N)
    /// det(−i S − f I), which is real.
    func characteristic(_ f: Double) -> Double {
      var M = S.map { $0.map { Z(0, -$0) } }
      for n in 0..<N { M[n][n] = M[n][n] - Z(f) }
      var determinant = Z(1)
      for n in 0..<N {
        let pivot = (n..<N).max { hypot(M[$0][n].re, M[$0][n].im) < hypot(M[$1][n].re, M[$1][n].im) } ?? n
        if pivot != n {
          M.swapAt(pivot, n)
          determinant = Z(-1) * determinant
        }
        determinant = determinant * M[n][n]
        for row in n + 1..<max(n + 1, N) {
          let factor = M[row][n] / M[n][n]
          for k in n..<N { M[row][k] = M[row][k] - factor * M[n][k] }
        }
      }
      return determinant.re
    }
    let frequencies = Self.frequencies(.legs, N)
    #expect(Set(frequencies).count == N / 2)
    for f in frequencies {
      #expect(characteristic(f * (1 - 1e-6)) * characteristic(f * (1 + 1e-6)) < 0, "no eigenvalue at \(f)")
    }
  }

  @Test("LRU: |λ| lies between the radii, and γ = √(1 − |λ|²)", arguments: [(0.0, 0.999), (0.9, 0.99)])
  func lru(inner: Double, outer: Double) {
    let mixer = Self.fresh(
      LRU.self,
      .init(width: 4) {
        ($0.stateSize, $0.innerRadius, $0.outerRadius, $0.largestPhase) = (300, inner, outer, 0.3)
      })
    let radii = mixer.value("nu_log").map { exp(-exp($0)) }
    #expect(radii.allSatisfy { $0 >= inner - 1e-6 && $0 <= outer + 1e-6 })
    #expect(mixer.value("theta_log").allSatisfy { exp($0) <= 0.3 + 1e-6 })
    #expect(relativeError(mixer.value("gamma_log").map(exp), radii.map { (1 - $0 * $0).squareRoot() }) < 1e-5)
    // Uniform on the ring: the mean of |λ|² is the middle, whose deviation over 300 draws is 1/√3600 of the width.
    let middle = (inner * inner + outer * outer) / 2, width = outer * outer - inner * inner
    #expect(abs(radii.reduce(0) { $0 + $1 * $1 } / 300 - middle) < 5 * width / 60)
  }

  @Test("Mamba: A_n = −(n + 1), and softplus of the bias of Δ lies in [0.001, 0.1]")
  func mamba() {
    let mixer = Self.fresh(Mamba.self, .init(width: 24))
    #expect(mixer.own.configuration.expandedWidth == 48 && mixer.own.configuration.stateSize == 16)
    #expect(mixer.own.configuration.stepRank == 2 && mixer.own.configuration.convolutionWidth == 4)
    let A = mixer.value("A_log").map { -exp($0) }
    #expect(relativeError(A, A.indices.map { -Double($0 % 16 + 1) }) < 1e-6)
    #expect(mixer.value("dt_proj.bias").allSatisfy { (0.000999...0.1001).contains(log(1 + exp($0))) })
    #expect(mixer.value("D").allSatisfy { $0 == 1 })
  }

  @Test("Mamba-2: A lies in [−16, −1], and softplus of the bias of Δ in [0.001, 0.1]")
  func mamba2() {
    let mixer = Self.fresh(
      Mamba2.self,
      .init(width: 64) { ($0.heads, $0.headWidth, $0.stateSize) = (128, 1, 2) })
    #expect(mixer.value("A_log").allSatisfy { (0.999999...16.00001).contains(exp($0)) })
    #expect(mixer.value("dt_bias").allSatisfy { (0.000999...0.1001).contains(log(1 + exp($0))) })
  }

  @Test("RetNet: without input the state of head h shrinks by γ = 1 − 2^(−5−h) a token")
  func retNet() {
    let mixer = Self.fresh(
      RetNet.self,
      .init(width: 8) { ($0.heads, $0.keyWidth, $0.valueWidth) = (4, 2, 4) })
    var state = mixer.initialState(batch: 1)
    state["memory"] = Tensor(ones: state["memory"].shape)
    _ = mixer.step(Tensor(zeros: [1, 8]), state: &state)
    let expected = (0..<4).flatMap { [Double](repeating: 1 - pow(2, -5 - Double($0)), count: 8) }
    #expect(relativeError(state["memory"], expected) < 1e-7)
    #expect(state.position == [1])
  }

  @Test("linear attention: the output is the mean of the values where all keys are equal")
  func linearAttention() {
    // With keys and queries of zero, φ is one: y_t = Σ v / t.
    let fresh = Self.fresh(
      LinearAttention.self,
      .init(width: 2) { ($0.heads, $0.epsilon, $0.rotates) = (1, 0, false) })
    let mixer = fresh.changing { name, _ in
      let isValue = name == "v_proj.weight" || name == "o_proj.weight"
      return isValue ? Tensor([Float](arrayLiteral: 1, 0, 0, 1), [2, 2]) : Tensor(zeros: [2, 2])
    }
    var state = mixer.initialState(batch: 1)
    let y = mixer.mix(Tensor([Float](arrayLiteral: 1, 2, 3, -4, 5, 8), [1, 3, 2]), state: &state)
    #expect(relativeError(y, [1, 2, 2, -1, 3, 2]) < 1e-6)
  }

  @Test("the state has the bytes that the description's formula says")
  func stateBytes() {
    expectStateBytes(
      S4D.self,
      .init(width: 3) { $0.stateSize = 10 }, ["D": 3, "N": 10])
    expectStateBytes(
      LRU.self,
      .init(width: 3) { $0.stateSize = 7 }, ["N": 7])
    expectStateBytes(
      Mamba.self,
      .init(width: 3) { ($0.expandedWidth, $0.stateSize, $0.convolutionWidth, $0.stepRank) = (5, 4, 3, 1) },
      ["E": 5, "N": 4, "W": 3])
    expectStateBytes(
      Mamba2.self,
      .init(width: 4) {
        ($0.heads, $0.headWidth, $0.groups, $0.stateSize, $0.convolutionWidth) = (6, 5, 2, 3, 4)
      },
      ["H": 6, "N": 3, "P": 5, "E": 30, "G": 2, "W": 4])
    expectStateBytes(
      RetNet.self,
      .init(width: 4) { ($0.heads, $0.keyWidth, $0.valueWidth) = (3, 4, 5) }, ["H": 3, "K": 4, "V": 5])
    expectStateBytes(
      LinearAttention.self,
      .init(width: 12) { $0.heads = 3 }, ["H": 3, "K": 4, "V": 4])
  }
}

/// A mixer's state has the bytes that the formula of its description says with these numbers for letters.
func expectStateBytes<M: SequenceMixer>(
  _: M.Type, _ configuration: M.Configuration, _ letters: [Character: Int],
  sourceLocation: SourceLocation = #_sourceLocation
) {
  var formula = Formula(letters: letters, rest: M.description.state.filter { $0 != " " }[...])
  let bytes = 4 * formula.value + (M.countsTokens ? 8 : 0)
  let mixer = M.fresh(configuration)
  for batch in [1, 3] {
    #expect(
      mixer.initialState(batch: batch).byteCount == batch * bytes, "\(M.name)", sourceLocation: sourceLocation
    )
  }
}

/// A sum of products of letters, digits and sums in brackets.
private struct Formula {
  let letters: [Character: Int]
  var rest: Substring

  var value: Int {
    mutating get {
      let start = rest
      defer { rest = start }
      return sum()
    }
  }
  private mutating func sum() -> Int {
    var total = product()
    while let sign = rest.first, "+−".contains(sign) {
      rest.removeFirst()
      total += (sign == "+" ? 1 : -1) * product()
    }
    return total
  }
  private mutating func product() -> Int {
    var total = 1
    while let next = rest.first, !"+−)".contains(next) {
      rest.removeFirst()
      if next == "(" {
        total *= sum()
        rest.removeFirst()
      } else {
        total *= next.wholeNumberValue ?? letters[next] ?? 0
      }
    }
    return total
  }
}
