import Foundation
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@Suite("RWKV-4's mean: every form is the weighted mean of the values")
struct WKVTests {
  /// The state of the laws is A e^(−p), B e^(−p) and p. A call leaves it with p = 0, where the sums are those
  /// of the definition; zeros stand for no tokens.
  static func laws(width D: Int = 6, keys: ClosedRange<Float> = -2...2) -> RecurrenceLaws {
    RecurrenceLaws(
      operands: { steps in
        let sums = concatenated([
          random([2, D], seed: 25), random([2, D], seed: 26, 0.5...1.5), random([2, D], seed: 27),
        ])
        return [
          random([2, steps, D], seed: 21, keys), random([2, steps, D], seed: 22),
          random([D], seed: 23, -1 ... -0.001), random([D], seed: 24), sums,
        ]
      },
      isOverTime: [true, true, false, false, false],
      run: { x, form, resets, state in
        let parts = split(state, sizes: [D, D, D])
        var memory =
          state.scalars.allSatisfy { $0 == 0 }
          ? WKV.State(batch: x[0].shape[0], width: D)
          : WKV.State(numerator: parts[0], denominator: parts[1], exponent: parts[2])
        let y = WKV.run(
          k: x[0], v: x[1], decay: x[2], bonus: x[3], form: form, resets: resets, state: &memory)
        // Behind tokens p is a constant; without any it is the one that came in.
        let exponent = x[0].shape[1] == 0 ? memory.exponent : memory.exponent.detached
        let scale = activate(exponent, .exp)
        state = concatenated([
          memory.numerator * scale, memory.denominator * scale, Tensor(zeros: [x[0].shape[0], D]),
        ])
        return y
      },
      reference: { x, steps, resets in
        /// Columns `part` of the three, times e^p.
        func sums(_ part: Int) -> [Double] {
          (0..<2 * D).map { i in
            let row = i / D * 3 * D, d = i % D
            return x[4][row + part * D + d] * exp(x[4][row + 2 * D + d])
          }
        }
        let (y, A, B) = wkvReference(
          k: x[0], v: x[1], w: x[2], u: x[3], numerator: sums(0), denominator: sums(1), batch: 2,
          steps: steps, resets: resets.rows)
        let final = (0..<2).flatMap { row -> [Double] in
          Array(A[row * D..<(row + 1) * D]) + Array(B[row * D..<(row + 1) * D])
            + [Double](repeating: 0, count: D)
        }
        return (y, final)
      })
  }

  @Test("y = (A + e^(u+k) v) / (B + e^(u+k))", arguments: [1, 2, 31, 33, 65, 1000, 4096])
  func forms(steps: Int) {
    Self.laws(width: 70).formsEqualTheReference(steps: steps, resets: .none)
    if steps > 12 { Self.laws().formsEqualTheReference(steps: steps, resets: DiagonalTests.resets) }
  }

  @Test("no tokens and no rows") func nothing() { Self.laws().nothingIsNothing() }

  @Test func gradients() {
    Self.laws().gradientsEqualCentralDifferences(steps: 17, resets: .none)
    Self.laws().gradientsEqualCentralDifferences(steps: 17, resets: DiagonalTests.resets)
    Self.laws().gradientsOfMixEqualThoseOfTheFold(steps: 65)
  }

  @Test func splits() {
    Self.laws().formsMayChangeAtAnyToken(steps: 200)
    Self.laws().aPackedDocumentIsTheDocumentAlone(steps: 90, at: 21)
  }

  /// Decays from e^(−e³) to almost one, as far as training takes them.
  @Test("slow decays over 4,096 tokens, and fast ones")
  func decays() {
    let D = 16, steps = 4096
    let w = Tensor((0..<D).map { -exp(-11 + 14 * Double($0) / Double(D - 1)) }, [D])
    let (k, v) = (random([1, steps, D], seed: 5, -3...3), random([1, steps, D], seed: 6))
    let u = random([D], seed: 7), none = [Double](repeating: 0, count: D)
    var state = WKV.State(batch: 1, width: D)
    let y = WKV.run(k: k, v: v, decay: w, bonus: u, form: .mix, state: &state)
    let expected = wkvReference(
      k: k.doubles, v: v.doubles, w: w.doubles, u: u.doubles, numerator: none, denominator: none, batch: 1,
      steps: steps)
    #expect(relativeError(y, expected.y) < 1e-5)
    let scales = state.exponent.doubles.map { exp($0) }
    #expect(relativeError(zip(state.numerator.doubles, scales).map { $0 * $1 }, expected.numerator) < 1e-5)
    #expect(
      relativeError(zip(state.denominator.doubles, scales).map { $0 * $1 }, expected.denominator) < 1e-5)
  }

  @Test("keys whose exponentials overflow leave means, and finite gradients")
  func largeKeys() {
    let (D, steps) = (20, 300)
    let k = random([1, steps, D], seed: 1, -300...300), v = random([1, steps, D], seed: 2)
    let w = random([D], seed: 3, -2 ... -0.1), u = random([D], seed: 4)
    let none = [Double](repeating: 0, count: D)
    let expected = wkvReference(
      k: k.doubles, v: v.doubles, w: w.doubles, u: u.doubles, numerator: none, denominator: none, batch: 1,
      steps: steps
    ).y
    for form in Form.allCases {
      let leaves = [k, v, w, u].map { $0.tracked() }
      var state = WKV.State(batch: 1, width: D)
      let y = WKV.run(
        k: leaves[0], v: leaves[1], decay: leaves[2], bonus: leaves[3], form: form, state: &state)
      #expect(relativeError(y, expected) < 1e-5, "\(form)")
      for gradient in RunnelTensors.gradients(of: sum(y), for: leaves) {
        #expect(gradient.scalars.allSatisfy { $0.isFinite }, "\(form)")
      }
    }
  }

  @Test("the first token is its own value, and no tokens leave the state")
  func edges() {
    let k = random([2, 1, 5], seed: 1, -80...80), v = random([2, 1, 5], seed: 2)
    let w = random([5], seed: 3, -1...0), u = random([5], seed: 4)
    for form in Form.allCases {
      var state = WKV.State(batch: 2, width: 5)
      let empty = Tensor(zeros: [2, 0, 5])
      let nothing = WKV.run(k: empty, v: empty, decay: w, bonus: u, form: form, state: &state)
      #expect(nothing.shape == [2, 0, 5])
      let fresh = WKV.State(batch: 2, width: 5)
      #expect(state.exponent.scalars == fresh.exponent.scalars)
      let y = WKV.run(k: k, v: v, decay: w, bonus: u, form: form, state: &state)
      #expect(y.scalars == v.scalars)
      #expect(state.exponent.scalars == k.scalars && state.numerator.scalars == v.scalars)
    }
  }
}
