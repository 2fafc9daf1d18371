import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@Suite("the selective scan: h_t = exp(Δ_t A) h_{t−1} + Δ_t u_t B_t, y_t = C_t h_t + D u_t, in every form")
struct SelectiveScanTests {
  static func laws(
    channels E: Int, states N: Int, delta: ClosedRange<Float> = 0.001...0.3,
    A: ClosedRange<Float> = -8 ... -0.1
  ) -> RecurrenceLaws {
    RecurrenceLaws(
      operands: { steps in
        [
          random([2, steps, E], seed: 21), random([2, steps, E], seed: 22, delta),
          random([E, N], seed: 23, A), random([2, steps, N], seed: 24),
          random([2, steps, N], seed: 25), random([E], seed: 26), random([2, E, N], seed: 27),
        ]
      },
      isOverTime: [true, true, false, true, true, false, false],
      run: { x, form, resets, state in
        SelectiveScan.run(
          u: x[0], delta: x[1], A: x[2], B: x[3], C: x[4], D: x[5], form: form, resets: resets, state: &state)
      },
      reference: { x, steps, resets in
        selectiveScanReference(
          u: x[0], delta: x[1], A: x[2], B: x[3], C: x[4], D: x[5], state: x[6], batch: 2, steps: steps,
          channels: E, states: N, resets: resets.rows)
      })
  }

  @Test(arguments: [(1, 16, 16), (17, 40, 16), (65, 7, 5), (1000, 19, 8), (4096, 3, 16)])
  func forms(steps: Int, channels: Int, states: Int) {
    let laws = Self.laws(channels: channels, states: states)
    laws.formsEqualTheReference(steps: steps, resets: .none)
    if steps > 12 { laws.formsEqualTheReference(steps: steps, resets: DiagonalTests.resets) }
  }

  @Test("decays next to one remember thousands of tokens, and those that underflow leave nothing of the past")
  func extremeDecays() {
    Self.laws(channels: 19, states: 16, delta: 0...0.002).formsEqualTheReference(steps: 4096, resets: .none)
    Self.laws(channels: 19, states: 16, A: -1e30 ... -1e4).formsEqualTheReference(steps: 40, resets: .none)
  }

  @Test("no tokens and no rows; an absent D is one of zeros") func nothing() {
    let laws = Self.laws(channels: 19, states: 3)
    laws.nothingIsNothing()
    for steps in [1, 40] { laws.anAbsentOperandIsZeros(5, steps: steps, resets: .none) }
    laws.anAbsentOperandIsZeros(5, steps: 40, resets: DiagonalTests.resets)
  }

  @Test func gradients() {
    Self.laws(channels: 5, states: 3).gradientsEqualCentralDifferences(steps: 19, resets: .none)
    Self.laws(channels: 18, states: 2).gradientsEqualCentralDifferences(
      steps: 13, resets: DiagonalTests.resets)
    Self.laws(channels: 70, states: 16).gradientsOfMixEqualThoseOfTheFold(steps: 65)
  }

  @Test func splits() {
    let laws = Self.laws(channels: 33, states: 16)
    laws.formsMayChangeAtAnyToken(steps: 200)
    laws.aPackedDocumentIsTheDocumentAlone(steps: 90, at: 21)
  }
}
