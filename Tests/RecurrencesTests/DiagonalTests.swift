import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@Suite("the diagonal recurrence: every form is the fold of its step")
struct DiagonalTests {
  struct Kind: Sendable, CustomTestStringConvertible {
    let isComplex: Bool
    let isConstant: Bool
    var testDescription: String {
      "\(isComplex ? "complex" : "real"), \(isConstant ? "constant" : "per token")"
    }
  }
  static let kinds = [
    Kind(isComplex: false, isConstant: false), Kind(isComplex: false, isConstant: true),
    Kind(isComplex: true, isConstant: false), Kind(isComplex: true, isConstant: true),
  ]
  static let resets = Resets(rows: [[5], [0, 3, 11]])

  static func laws(_ kind: Kind, width: Int = 6) -> RecurrenceLaws {
    RecurrenceLaws(
      operands: { steps in
        let range: ClosedRange<Float> = kind.isComplex ? -0.7...0.7 : 0.2...1
        return [
          random(kind.isConstant ? [width] : [2, steps, width], seed: 11, range),
          random([2, steps, width], seed: 12), random([2, width], seed: 13),
        ]
      },
      isOverTime: [!kind.isConstant, true, false],
      run: { operands, form, resets, state in
        Diagonal.run(
          decay: operands[0], input: operands[1], kind.isComplex ? .complex : .real, form: form,
          resets: resets,
          state: &state)
      },
      reference: { values, steps, resets in
        let (h, final) = diagonalReference(
          a: values[0], b: values[1], state: values[2], batch: 2, steps: steps, width: width,
          isComplex: kind.isComplex, resets: resets.rows)
        return (h, final)
      })
  }

  @Test("h_t = a_t h_{t−1} + b_t", arguments: kinds, [1, 2, 63, 65, 1000, 4096])
  func forms(kind: Kind, steps: Int) {
    Self.laws(kind, width: 38).formsEqualTheReference(steps: steps, resets: .none)
    if steps > 12 { Self.laws(kind).formsEqualTheReference(steps: steps, resets: Self.resets) }
  }

  @Test("no tokens and no rows", arguments: kinds) func nothing(kind: Kind) {
    Self.laws(kind).nothingIsNothing()
  }

  @Test(arguments: kinds) func gradients(kind: Kind) {
    Self.laws(kind).gradientsEqualCentralDifferences(steps: 17, resets: .none)
    Self.laws(kind).gradientsEqualCentralDifferences(steps: 17, resets: Self.resets)
    Self.laws(kind).gradientsOfMixEqualThoseOfTheFold(steps: 65)
  }

  @Test(arguments: kinds) func splits(kind: Kind) {
    Self.laws(kind).formsMayChangeAtAnyToken(steps: 200)
    Self.laws(kind).aPackedDocumentIsTheDocumentAlone(steps: 90, at: 21)
  }
}
