import Foundation
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@Suite("the diagonal system: the convolution is the recurrence")
struct DiagonalSystemTests {
  static func laws(channels E: Int, states N: Int) -> RecurrenceLaws {
    RecurrenceLaws(
      operands: { steps in
        // Decays inside the unit circle, from fast to nearly constant.
        let size = random([E, N], seed: 31, 0.2...0.999).scalars,
          angle = random([E, N], seed: 32, 0...3).scalars
        var decays: [Float] = []
        for e in 0..<E {
          let row = e * N..<(e + 1) * N
          decays += row.map { size[$0] * cos(angle[$0]) } + row.map { size[$0] * sin(angle[$0]) }
        }
        return [
          random([2, steps, E], seed: 33), Tensor(decays, [E, 2 * N]), random([E, 2 * N], seed: 34),
          random([E], seed: 35), random([2, E, 2 * N], seed: 36),
        ]
      },
      isOverTime: [true, false, false, false, false],
      run: { x, form, resets, state in
        DiagonalSystem.run(u: x[0], a: x[1], c: x[2], D: x[3], form: form, resets: resets, state: &state)
      },
      reference: { x, steps, resets in
        diagonalSystemReference(
          u: x[0], a: x[1], c: x[2], D: x[3], state: x[4], batch: 2, steps: steps, channels: E, states: N,
          resets: resets.rows)
      })
  }

  @Test(arguments: [(1, 16, 16), (17, 40, 32), (65, 7, 5), (1000, 19, 8), (4096, 3, 32)])
  func forms(steps: Int, channels: Int, states: Int) {
    let laws = Self.laws(channels: channels, states: states)
    laws.formsEqualTheReference(steps: steps, resets: .none)
    if steps > 12 { laws.formsEqualTheReference(steps: steps, resets: DiagonalTests.resets) }
  }

  @Test("no tokens and no rows; an absent D is one of zeros") func nothing() {
    let laws = Self.laws(channels: 19, states: 3)
    laws.nothingIsNothing()
    for steps in [1, 40] { laws.anAbsentOperandIsZeros(3, steps: steps, resets: .none) }
    laws.anAbsentOperandIsZeros(3, steps: 40, resets: DiagonalTests.resets)
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
}
