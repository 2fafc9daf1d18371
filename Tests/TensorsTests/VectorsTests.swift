import RunnelReference
import RunnelTensors
import Testing

@Suite("rows meet one vector, or one number each")
struct VectorsTests {
  static let sizes = [(1, 1), (3, 63), (7, 33)]

  static func inputs(_ rows: Int, _ width: Int, _ count: Int) -> [Tensor] {
    (1..<count).map { random([rows, 1, width], seed: UInt64($0)) } + [random([width], seed: 99)]
  }

  @Test("x ⊙ v and x + v", arguments: sizes) func scaledAndAdded(rows: Int, width: Int) {
    expectSame(Self.inputs(rows, width, 2)) {
      [scaled($0[0], by: $0[1]), added($0[0], $0[1])]
    } reference: { i in
      [i[0].indices.map { i[0][$0] * i[1][$0 % width] }, i[0].indices.map { i[0][$0] + i[1][$0 % width] }]
    }
  }

  @Test("y + v ⊙ x and x + (y − x) ⊙ v", arguments: sizes) func skipAndMixed(rows: Int, width: Int) {
    expectSame(Self.inputs(rows, width, 3)) {
      [skip($0[0], $0[1], by: $0[2]), mixed($0[0], $0[1], by: $0[2])]
    } reference: { i in
      [
        i[0].indices.map { i[0][$0] + i[1][$0] * i[2][$0 % width] },
        i[0].indices.map { i[0][$0] + (i[1][$0] - i[0][$0]) * i[2][$0 % width] },
      ]
    }
  }

  @Test("x / n", arguments: sizes) func quotient(rows: Int, width: Int) {
    expectSame([random([rows, 2, width], seed: 1), random([rows, 2, 1], seed: 2, 0.5...2)]) {
      [divided($0[0], by: $0[1])]
    } reference: { i in
      [i[0].indices.map { i[0][$0] / i[1][$0 / width] }]
    }
  }

  @Test("sums over many rows are exact too") func manyRows() {
    let (rows, width) = (3000, 65)
    let inputs = Self.inputs(rows, width, 3).map { $0.tracked() }
    let seed = random([rows, 1, width], seed: 5)
    let outputs = [
      scaled(inputs[0], by: inputs[2]), added(inputs[0], inputs[2]),
      skip(inputs[1], inputs[0], by: inputs[2]),
      mixed(inputs[0], inputs[1], by: inputs[2]),
    ]
    let (x, y, dz) = (inputs[0].doubles, inputs[1].doubles, seed.doubles)
    let slopes: [(Int) -> Double] = [{ x[$0] }, { _ in 1 }, { x[$0] }, { y[$0] - x[$0] }]
    for (output, slope) in zip(outputs, slopes) {
      var expected = [Double](repeating: 0, count: width)
      for i in dz.indices { expected[i % width] += dz[i] * slope(i) }
      #expect(relativeError(gradients(of: [(output, seed)], for: [inputs[2]])[0], expected) < 1e-5)
    }
  }
}

@Suite("joining and cutting along the last axis undo each other")
struct JoiningTests {
  @Test func concatenation() {
    let sizes = [2, 1, 65]
    expectSame(sizes.map { random([3, $0], seed: UInt64($0)) }) {
      [concatenated($0)]
    } reference: { inputs in
      var joined: [Double] = []
      for row in 0..<3 {
        for (part, size) in zip(inputs, sizes) { joined += part[row * size..<(row + 1) * size] }
      }
      return [joined]
    }
  }

  @Test func parts() {
    let sizes = [4, 2, 3]
    expectSame([random([2, 2, 9], seed: 1)]) {
      split($0[0], sizes: sizes)
    } reference: { inputs in
      var parts: [[Double]] = [[], [], []]
      for row in 0..<4 {
        var start = row * 9
        for (i, size) in sizes.enumerated() {
          parts[i] += inputs[0][start..<start + size]
          start += size
        }
      }
      return parts
    }
  }

  @Test("a part that nothing depends on has a gradient of zeros") func unusedPart() {
    let x = random([2, 3], seed: 1).tracked()
    let last = split(x, sizes: [2, 1])[1]
    #expect(gradients(of: [(last, Tensor(ones: [2, 1]))], for: [x])[0].scalars == [0, 0, 1, 0, 0, 1])
  }
}

@Suite("sum and mean run over all elements, in Double")
struct ReductionTests {
  @Test(arguments: [1, 63, 1000]) func valuesAndGradients(count: Int) {
    expectSame([random([count], seed: 1, 0...1)]) {
      [sum($0[0]), mean($0[0])]
    } reference: { i in
      [[i[0].reduce(0, +)], [i[0].reduce(0, +) / Double(count)]]
    }
  }

  @Test("small numbers beside a large one are not lost") func manyElements() {
    var x = Tensor(repeating: 0.25, [1 << 20])
    x[0] = 1e8
    #expect(sum(x).scalar == Float(1e8 + 0.25 * Double((1 << 20) - 1)))
    #expect(sum(.absent).scalar == 0)
  }
}
