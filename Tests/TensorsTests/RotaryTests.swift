import RunnelKernels
import RunnelReference
import RunnelTensors
import Testing

@Suite("rotary turns each pair by its position, and back again")
struct RotaryTests {
  static func frequencies(_ half: Int) -> [Double] {
    (0..<half).map { power(10_000, -2 * Double($0) / Double(2 * half)) }
  }

  @Test(arguments: [2, 10, 64], [false, true]) func valueAndGradient(k: Int, interleaved: Bool) {
    let positions: [Int32] = [0, 1, 65, 7]
    expectSame([random([2, 2, 3, k], seed: 1)]) {
      [rotary($0[0], positions: positions, interleaved: interleaved)]
    } reference: {
      [
        rotaryReference(
          $0[0], positions: positions, frequencies: Self.frequencies(k / 2), heads: 3,
          interleaved: interleaved)
      ]
    }
  }

  @Test(
    "far positions are exact, have the same bits alone as in a segment, and turn back",
    arguments: [false, true])
  func farPositions(interleaved: Bool) {
    let positions = (0..<200).map { Int32(99_999_900 + $0) }
    let x = random([200, 2, 64], seed: 1)
    let y = rotary(x, positions: positions, interleaved: interleaved)
    let expected = rotaryReference(
      x.doubles, positions: positions, frequencies: Self.frequencies(32), heads: 2, interleaved: interleaved)
    #expect(relativeError(y, expected) < 1e-6)
    let single = rotary(x.rows(130..<131), positions: [positions[130]], interleaved: interleaved)
    #expect(single.scalars == y.rows(130..<131).scalars)
    let back = rotary(y, positions: positions, interleaved: interleaved, inverse: true)
    #expect(relativeError(back, x) < 1e-6)
  }
}
