import Foundation
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@Suite("the diagonal plus rank one system: h = (d + r wᵀ) h + b u, y = c h + D u, in every form")
struct LowRankSystemTests {
  /// A system made by the bilinear rule, as such matrices are in use: Ā is a contraction.
  static func system(channels E: Int, states N: Int) -> Tensor {
    LowRankSystem.bilinear(
      logStep: random([E], seed: 41, -7 ... -2), logDecay: random([E, N], seed: 42, -2...0.5),
      frequency: random([E, N], seed: 43, 0...40), lowRank: random([E, 2 * N], seed: 44),
      input: random([E, 2 * N], seed: 45), output: random([E, 2 * N], seed: 46))
  }

  /// HiPPO-LegS with N of its 2N states kept, as S4 starts.
  static func legS(channels E: Int, states N: Int) -> Tensor {
    let parts = NormalPlusLowRank.legS(order: 2 * N)
    func spread(_ x: [Complex]) -> Tensor {
      Tensor((0..<E).flatMap { _ in x.map(\.real) + x.map(\.imaginary) }, [E, 2 * N])
    }
    return LowRankSystem.bilinear(
      logStep: random([E], seed: 41, -7 ... -2), logDecay: Tensor(repeating: Float(log(0.5)), [E, N]),
      frequency: Tensor((0..<E).flatMap { _ in parts.frequencies }, [E, N]), lowRank: spread(parts.lowRank),
      input: spread(parts.input), output: random([E, 2 * N], seed: 46))
  }

  static func laws(
    channels E: Int, states N: Int,
    _ make: @escaping (_ channels: Int, _ states: Int) -> Tensor = Self.system(channels:states:)
  ) -> RecurrenceLaws {
    RecurrenceLaws(
      operands: { steps in
        [
          random([2, steps, E], seed: 47), make(E, N), random([E], seed: 48),
          random([2, E, 2 * N], seed: 49),
        ]
      },
      isOverTime: [true, false, false, false],
      run: { x, form, resets, state in
        LowRankSystem.run(u: x[0], system: x[1], D: x[2], form: form, resets: resets, state: &state)
      },
      reference: { x, steps, resets in
        lowRankSystemReference(
          u: x[0], system: x[1], D: x[2], state: x[3], batch: 2, steps: steps, channels: E, states: N,
          resets: resets.rows)
      })
  }

  @Test(arguments: [(1, 16, 16), (17, 40, 32), (65, 7, 5), (1000, 19, 8), (4096, 3, 32)])
  func forms(steps: Int, channels: Int, states: Int) {
    let laws = Self.laws(channels: channels, states: states)
    laws.formsEqualTheReference(steps: steps, resets: .none)
    if steps > 12 { laws.formsEqualTheReference(steps: steps, resets: DiagonalTests.resets) }
  }

  @Test("HiPPO-LegS over 4,096 steps") func legS() {
    let laws = Self.laws(channels: 5, states: 32, Self.legS(channels:states:))
    laws.formsEqualTheReference(steps: 4096, resets: .none)
    laws.formsMayChangeAtAnyToken(steps: 400)
    laws.gradientsOfMixEqualThoseOfTheFold(steps: 33)
  }

  @Test("no tokens and no rows; an absent D is one of zeros") func nothing() {
    let laws = Self.laws(channels: 19, states: 3)
    laws.nothingIsNothing()
    for steps in [1, 40] { laws.anAbsentOperandIsZeros(2, steps: steps, resets: .none) }
    laws.anAbsentOperandIsZeros(2, steps: 40, resets: DiagonalTests.resets)
  }

  @Test func gradients() {
    Self.laws(channels: 5, states: 3).gradientsEqualCentralDifferences(steps: 19, resets: .none)
    Self.laws(channels: 18, states: 2).gradientsEqualCentralDifferences(
      steps: 13, resets: DiagonalTests.resets)
    Self.laws(channels: 40, states: 16).gradientsOfMixEqualThoseOfTheFold(steps: 65)
  }

  @Test func splits() {
    let laws = Self.laws(channels: 33, states: 16)
    laws.formsMayChangeAtAnyToken(steps: 200)
    laws.aPackedDocumentIsTheDocumentAlone(steps: 90, at: 21)
  }

  @Test(
    "the generating function gives K_l = c Ā^l b, also where a state never decays",
    arguments: [1, 5, 64, 1000])
  func kernel(length: Int) {
    for N in [1, 16] {
      var system = Self.system(channels: 1, states: N)
      for isUndamped in [false, true] {
        if isUndamped {
          // The first state neither decays nor turns, and the others do not reach it.
          for part in 0..<2 {
            system[part * 2 * N] = part == 0 ? 1 : 0
            system[part * 2 * N + N] = 0
          }
        }
        let matrices = SystemMatrices(system.scalars, parts: 5, states: N)
        var h = [Complex](repeating: Complex(0, 0), count: N)
        let powers = (0..<length).map { l in
          matrices.advance(&h, by: l == 0 ? 1 : 0)
          return matrices.output(h)
        }
        let error = relativeError(matrices.kernel(length: length), powers)
        #expect(error < 1e-10, "\(N) states, \(isUndamped ? "undamped" : "damped")")
      }
    }
  }
}
