import Foundation
import RunnelKernels
import RunnelReference
import RunnelTensors
import Testing

@Suite("an expression is its equation, element by element")
struct ExpressionTests {
  /// An equation of three operands, here and in Double.
  struct Equation: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// Where the operands are drawn from.
    let range: ClosedRange<Float>
    let expression: @Sendable (TensorExpression, TensorExpression, TensorExpression) -> TensorExpression
    let reference: @Sendable (Double, Double, Double) -> Double

    init(
      _ name: String, from range: ClosedRange<Float> = -3...3,
      _ expression:
        @escaping @Sendable (TensorExpression, TensorExpression, TensorExpression) -> TensorExpression,
      reference: @escaping @Sendable (Double, Double, Double) -> Double
    ) {
      (testDescription, self.range, self.expression, self.reference) = (name, range, expression, reference)
    }

    func callAsFunction(_ x: Tensor, _ y: Tensor, _ z: Tensor) -> TensorExpression {
      expression(of(x), of(y), of(z))
    }
  }

  static let positive: ClosedRange<Float> = 0.2...4

  /// Every operation alone.
  static let operations: [Equation] = {
    var all = Activation.allCases.map { f in
      Equation("\(f)", { x, _, _ in f(x) }, reference: { x, _, _ in RangeTests.value(f, x) })
    }
    all += [.init("−x", { x, _, _ in -x }, reference: { x, _, _ in -x })]
    all += [.init("x + y", { x, y, _ in x + y }, reference: { x, y, _ in x + y })]
    all += [.init("x − y", { x, y, _ in x - y }, reference: { x, y, _ in x - y })]
    all += [.init("x y", { x, y, _ in x * y }, reference: { x, y, _ in x * y })]
    all += [.init("x / y", from: positive, { x, y, _ in x / y }, reference: { x, y, _ in x / y })]
    all += [.init("x + 2", { x, _, _ in x + 2 }, reference: { x, _, _ in x + 2 })]
    all += [.init("2 + x", { x, _, _ in 2 + x }, reference: { x, _, _ in 2 + x })]
    all += [.init("x − 2", { x, _, _ in x - 2 }, reference: { x, _, _ in x - 2 })]
    all += [.init("2 − x", { x, _, _ in 2 - x }, reference: { x, _, _ in 2 - x })]
    all += [.init("2 x", { x, _, _ in 2 * x }, reference: { x, _, _ in 2 * x })]
    all += [.init("x 2", { x, _, _ in x * 2 }, reference: { x, _, _ in x * 2 })]
    all += [.init("x / 2", { x, _, _ in x / 2 }, reference: { x, _, _ in x / 2 })]
    all += [.init("2 / x", from: positive, { x, _, _ in 2 / x }, reference: { x, _, _ in 2 / x })]
    all += [.init("1 / x", from: positive, { x, _, _ in reciprocal(x) }, reference: { x, _, _ in 1 / x })]
    all += [.init("x²", { x, _, _ in square(x) }, reference: { x, _, _ in x * x })]
    all += [.init("√x", from: positive, { x, _, _ in sqrt(x) }, reference: { x, _, _ in x.squareRoot() })]
    all += [.init("|x|", { x, _, _ in abs(x) }, reference: { x, _, _ in Swift.abs(x) })]
    all += [.init("eˣ", { x, _, _ in exp(x) }, reference: { x, _, _ in exp(x) })]
    all += [.init("eˣ − 1", { x, _, _ in expm1(x) }, reference: { x, _, _ in expm1(x) })]
    all += [.init("log x", from: positive, { x, _, _ in log(x) }, reference: { x, _, _ in log(x) })]
    all += [.init("log (1 + x)", from: -0.9...4, { x, _, _ in log1p(x) }, reference: { x, _, _ in log1p(x) })]
    all += [.init("log σ(x)", { x, _, _ in logSigmoid(x) }, reference: { x, _, _ in -softplus(-x) })]
    all += [.init("max(x, ½)", { x, _, _ in maximum(x, 0.5) }, reference: { x, _, _ in max(x, 0.5) })]
    all += [.init("max(x, y)", { x, y, _ in maximum(x, y) }, reference: { x, y, _ in max(x, y) })]
    all += [.init("min(x, ½)", { x, _, _ in minimum(x, 0.5) }, reference: { x, _, _ in min(x, 0.5) })]
    return all
  }()

  /// Terms that meet again, constants that multiply gradients, sums of products.
  static let compositions: [Equation] = {
    var all: [Equation] = []
    all += [
      .init("e^(−eˣ softplus(y + z))", from: -2...2) { x, y, z in
        exp(-exp(x) * softplus(y + z))
      } reference: { x, y, z in
        let step = softplus(y + z)
        return exp(-exp(x) * step)
      }
    ]
    all += [.init("x + (y − x) z", { x, y, z in x + (y - x) * z }, reference: { x, y, z in x + (y - x) * z })]
    all += [.init("silu(x) y + z", { x, y, z in silu(x) * y + z }, reference: { x, y, z in silu(x) * y + z })]
    all += [
      .init("σ(x) (1 − σ(x)) − 3 σ(x)") { x, _, _ in
        let s = sigmoid(x)
        return s * (1 - s) - 3 * s
      } reference: { x, _, _ in
        let s = sigmoid(x)
        return s * (1 - s) - 3 * s
      }
    ]
    all += [
      .init("√(1 − e^(−2 x)) y / z", from: positive) { x, y, z in
        sqrt(-expm1(-2 * x)) * y / z
      } reference: { x, y, z in
        let rest = -expm1(-2 * x)
        return rest.squareRoot() * y / z
      }
    ]
    all += [
      .init("2 x − 3 x + x x", { x, _, _ in 2 * x - 3 * x + x * x }, reference: { x, _, _ in x * x - x })
    ]
    all += [
      .init("(x + y) / (|z| + 1) + log(1 + y²) x") { x, y, z in
        let weight = abs(z) + 1
        return (x + y) / weight + log1p(square(y)) * x
      } reference: { x, y, z in
        let weight = Swift.abs(z) + 1
        return (x + y) / weight + log1p(y * y) * x
      }
    ]
    all += [
      .init("max(x + ½, σ(x)) y (z + x) e^(2 y − 1)") { x, y, z in
        maximum(x + 0.5, sigmoid(x)) * y * (z + x) * exp(2 * y - 1)
      } reference: { x, y, z in
        max(x + 0.5, sigmoid(x)) * y * (z + x) * exp(2 * y - 1)
      }
    ]
    all += [
      .init("max(e^x, 1 − 2 y) z, softplus(3 − x) z") { x, y, z in
        maximum(exp(x), 1 - 2 * y) * z + softplus(3 - x) * z
      } reference: { x, y, z in
        max(exp(x), 1 - 2 * y) * z + softplus(3 - x) * z
      }
    ]
    all += [
      .init("a product used twice: x y + x y") { x, y, _ in
        let product = x * y
        return product + product
      } reference: { x, y, _ in
        2 * x * y
      }
    ]
    return all
  }()

  @Test("values and gradients", arguments: operations + compositions, [1, 37, 5000])
  func equation(_ equation: Equation, count: Int) {
    // Central differences stay small: of 5,000 elements the gradients are sums of those of 37 under other operands.
    let inputs = (1...3).map { random([count], seed: UInt64($0), equation.range) }
    expectSame(inputs, differentiated: count < 100) {
      [evaluate(equation($0[0], $0[1], $0[2]))]
    } reference: { i in
      [i[0].indices.map { equation.reference(i[0][$0], i[1][$0], i[2][$0]) }]
    }
  }

  @Test(
    "each element has the value and the gradients that it has alone", arguments: operations + compositions)
  func largeTensors(_ equation: Equation) {
    let count = 70_001
    let inputs = (1...3).map { random([count], seed: UInt64($0), equation.range) }
    let seed = random([count], seed: 9)
    func values(_ range: Range<Int>) -> [[Float]] {
      let leaves = inputs.map { $0.rows(range).tracked() }
      let y = evaluate(equation(leaves[0], leaves[1], leaves[2]))
      return [y.scalars] + gradients(of: [(y, seed.rows(range))], for: leaves).map(\.scalars)
    }
    let whole = values(0..<count)
    for range in [0..<1, 100..<131, 2040..<2060, count - 7..<count] {
      for (whole, part) in zip(whole, values(range)) { #expect(Array(whole[range]) == part) }
    }
  }

  @Test("what is large or not finite", arguments: operations)
  func extremes(_ equation: Equation) {
    // Where Double has a number that is no Float, or a number at all, so it is here; gradients are those of a Float.
    for point: Float in RangeTests.points + [.infinity, -.infinity] {
      let expected = equation.reference(Double(point), 1, 1)
      let x = Tensor(repeating: point, [3])
      let one = Tensor(ones: [3])
      let y = evaluate(equation(x, one, one)).scalars
      #expect(y[0].bitPattern == y[2].bitPattern)
      if expected.isNaN {
        // At infinity formulas in Double may have none where there is a limit.
        #expect(y[0].isNaN || !point.isFinite, "\(equation.testDescription) at \(point) is \(y[0])")
      } else if Swift.abs(expected) < 1e38 {
        RangeTests.expectNear(y[0], expected, at: point, equation.testDescription)
      } else {
        // exp saturates.
        #expect(
          y[0].sign == expected.sign && Swift.abs(y[0]) >= 1e38, "\(equation.testDescription) at \(point)")
      }
    }
    let nan = Tensor(repeating: .nan, [3])
    guard equation.reference(.nan, 1, 1).isNaN else { return }
    let ofNaN = evaluate(equation(nan, nan, nan)).scalars
    #expect(ofNaN.filter(\.isNaN).count == 3)
  }
}

@Suite("a smaller operand stands for as many elements as there are")
struct BroadcastTests {
  struct Shapes: Sendable, CustomTestStringConvertible {
    let whole: Shape, part: Shape, other: Shape
    var testDescription: String { "\(whole), \(part), \(other)" }
    init(_ whole: Shape, _ part: Shape, _ other: Shape) {
      (self.whole, self.part, self.other) = (whole, part, other)
    }
  }

  static let shapes: [Shapes] = [
    Shapes([2, 3, 5], [5], []), Shapes([2, 3, 5], [1], [3, 5]), Shapes([2, 3, 5], [2, 1, 5], [5]),
    Shapes([2, 3, 5], [2, 3, 1], [1, 5]), Shapes([2, 3, 4, 5], [4, 1], [4, 5]),
    Shapes([2, 3, 4, 5], [2, 3, 4, 1], [4, 1]), Shapes([2, 3, 4, 5], [2, 1, 4, 1], [3, 1, 5]),
    Shapes([2, 3, 4, 5], [2, 3, 1, 1], [2, 1, 1, 5]), Shapes([1, 1, 5], [5], [1]),
    Shapes([3, 2100], [2100], [3, 1]), Shapes([2, 2, 1050], [2, 1050], [2, 1, 1050]),
    Shapes([7, 300], [300], [7, 1]), Shapes([2, 2, 3, 700], [2, 2, 1, 700], [3, 1]),
  ]

  /// The element of `part` that stands for element i of `whole`.
  static func index(_ i: Int, of whole: Shape, in part: Shape) -> Int {
    var rest = i, index = 0, stride = 1
    for axis in (0..<whole.rank).reversed() {
      let place = rest % whole[axis]
      rest /= whole[axis]
      let own = axis - (whole.rank - part.rank)
      guard own >= 0 else { continue }
      if part[own] > 1 { index += place * stride }
      stride *= part[own]
    }
    return index
  }

  @Test("values and gradients", arguments: shapes) func valuesAndGradients(_ shapes: Shapes) {
    let whole = shapes.whole
    let inputs = [
      random(whole, seed: 1), random(shapes.part, seed: 2), random(shapes.other, seed: 3),
    ]
    expectSame(inputs, differentiated: whole.elements < 200) { i in
      let (x, part, other) = (of(i[0]), of(i[1]), of(i[2]))
      let scale = exp(part)  // of the part's own shape
      return [evaluate(x * scale + tanh(other) * part - other)]
    } reference: { i in
      [
        i[0].indices.map {
          let x = i[0][$0], part = i[1][Self.index($0, of: whole, in: shapes.part)]
          let other = i[2][Self.index($0, of: whole, in: shapes.other)]
          return x * exp(part) + tanh(other) * part - other
        }
      ]
    }
  }

  @Test("the gradient of a part is the sum over what it stands for", arguments: shapes)
  func sums(_ shapes: Shapes) {
    let whole = shapes.whole
    let x = random(whole, seed: 1), seed = random(whole, seed: 4)
    for part in [shapes.part, shapes.other] {
      let leaf = random(part, seed: 2).tracked()
      let gradient = gradients(of: [(evaluate(of(x) * sigmoid(of(leaf))), seed)], for: [leaf])[0]
      var expected = [Double](repeating: 0, count: part.elements)
      for i in 0..<whole.elements {
        let j = Self.index(i, of: whole, in: part)
        let s = sigmoid(Double(leaf[j]))
        expected[j] += Double(x[i] * seed[i]) * s * (1 - s)
      }
      #expect(relativeError(gradient, expected) < 2e-6)
    }
  }

  @Test("sums over many rows are exact too") func manyRows() {
    let (rows, width) = (30_000, 65)
    let x = random([rows, width], seed: 1), seed = random([rows, width], seed: 2)
    let vector = random([width], seed: 3).tracked(), number = Tensor([0.5]).tracked()
    let y = evaluate(of(x) * of(vector) + of(number))
    var expected = [Double](repeating: 0, count: width), total = 0.0
    for i in 0..<rows * width {
      expected[i % width] += Double(x[i]) * Double(seed[i])
      total += Double(seed[i])
    }
    let made = gradients(of: [(y, seed)], for: [vector, number])
    #expect(relativeError(made[0], expected) < 1e-5)
    #expect(relativeError(made[1], [total]) < 1e-5)
  }

  @Test("the threads change no bit", arguments: [[4000, 33], [700, 300], [31, 5000]] as [Shape])
  func threads(shape: Shape) {
    let width = shape.width
    let inputs = [
      random(shape, seed: 1), random([width], seed: 2), random([shape[0], 1], seed: 3), Tensor([0.3]),
    ]
    func computed() -> [[UInt32]] {
      let leaves = inputs.map { $0.tracked() }
      let l = leaves.map(of)
      let (y, z) = evaluate(silu(l[0]) * l[1] + l[2] * l[3], exp(l[1]) - l[0] * l[2])
      let seeds = [(y, random(shape, seed: 4)), (z, random(shape, seed: 5))]
      return ([y, z] + gradients(of: seeds, for: leaves)).map { $0.scalars.map(\.bitPattern) }
    }
    let onAll = computed()
    // Inside a job, a thread works alone.
    var alone: [[UInt32]] = []
    WorkerPool.shared.run(1) { _ in alone = computed() }
    nonisolated(unsafe) var inside: [[UInt32]] = []
    WorkerPool.shared.run(2) { if $0 == 0 { inside = computed() } }
    #expect(onAll == alone && onAll == inside)
  }
}

@Suite("expressions on the tape")
struct ExpressionTapeTests {
  @Test("two values share what is in both, and either's gradient may be missing") func twoValues() {
    expectSame([random([4, 9], seed: 1), random([9], seed: 2), random([4, 9], seed: 3)]) { i in
      let logDecay = -8 * softplus(of(i[1])) * sigmoid(of(i[0]))
      let (a, b) = evaluate(exp(logDecay), sqrt(-expm1(2 * logDecay)) * of(i[2]))
      return [a, b]
    } reference: { i in
      let logDecay = i[0].indices.map { -8 * softplus(i[1][$0 % 9]) * sigmoid(i[0][$0]) }
      return [
        logDecay.map { exp($0) }, logDecay.indices.map { (-expm1(2 * logDecay[$0])).squareRoot() * i[2][$0] },
      ]
    }
    let x = random([5], seed: 1).tracked()
    let (_, y) = evaluate(exp(of(x)), 3 * of(x))
    #expect(gradients(of: [(y, Tensor(ones: [5]))], for: [x])[0].scalars == [3, 3, 3, 3, 3])
  }

  @Test("only what is tracked has a gradient") func untracked() {
    let x = random([6, 4], seed: 1), v = random([4], seed: 2)
    #expect(!evaluate(of(x) * exp(of(v))).isTracked)
    let leaf = v.tracked()
    let y = evaluate(of(x) * exp(of(leaf)) + abs(of(x)))
    #expect(y.isTracked)
    let made = gradients(of: [(y, Tensor(ones: x.shape))], for: [leaf, x])
    #expect(made[0].scalars.allSatisfy { $0 != 0 })
    #expect(made[1].scalars.allSatisfy { $0 == 0 })
  }

  @Test("operators between tensors that are not in an expression give tensors") func bareTensors() {
    let x = random([6], seed: 1), y = random([6], seed: 2)
    let (double, sum, difference, product) = (2 * x, x + y, x - y, x * y)
    let all: [Any] = [double, sum, difference, product]
    for value in all { #expect(value is Tensor) }
  }

  @Test("an expression of one tensor is that tensor") func oneTensor() {
    let x = random([3], seed: 1).tracked()
    #expect(evaluate(of(x)).scalars == x.scalars)
    let (y, z) = evaluate(of(x), -of(x))
    #expect(y.scalars == x.scalars && z.scalars == x.scalars.map { -$0 })
    #expect(
      gradients(of: [(y, Tensor(ones: [3])), (z, Tensor(ones: [3]))], for: [x])[0].scalars == [0, 0, 0])
  }

  @Test("of no elements comes a tensor of none, and gradients of zero") func empty() {
    let x = Tensor(zeros: [2, 0, 3]).tracked(), v = random([3], seed: 1).tracked()
    let y = evaluate(of(x) * exp(of(v)) + 1)
    #expect(y.shape == [2, 0, 3])
    let made = gradients(of: [(y, Tensor(zeros: y.shape))], for: [x, v])
    #expect(made[0].shape == x.shape && made[1].scalars == [0, 0, 0])
  }

  @Test("the slope of a root is a number at zero, too") func slopes() {
    let x = Tensor([0, 0.25, 4]).tracked()
    let y = evaluate(sqrt(of(x)))
    for seed: Float in [0, 1] {
      let slopes = gradients(of: [(y, Tensor(repeating: seed, [3]))], for: [x])[0].scalars
      #expect(slopes == [seed * .greatestFiniteMagnitude, seed, 0.25 * seed])
    }
  }
}

@Suite("an equation that was traced once is its expression, however it is called")
struct EquationTests {
  typealias Operand = TensorExpression

  static func gates(_ x: Operand, _ y: Operand, _ z: Operand) -> (Operand, Operand) {
    let logDecay = -2 * exp(y) * sigmoid(x)
    return (exp(logDecay), sqrt(-expm1(2 * logDecay)) * z + y)
  }
  /// One for all calls: what one of them leaves must not change another.
  static let traced = Equation { x, y, z in gates(x, y, z) }

  @Test("of any shapes, tracked operands and values with gradients", arguments: BroadcastTests.shapes)
  func calls(_ shapes: BroadcastTests.Shapes) {
    let operands = [
      random(shapes.whole, seed: 1), random(shapes.part, seed: 2), random(shapes.other, seed: 3),
    ]
    let seeds = [random(shapes.whole, seed: 4), random(shapes.whole, seed: 5)]
    for tracked in 0..<8 {
      for asked in 1..<4 {
        let leaves = operands.indices.map { tracked >> $0 & 1 == 1 ? operands[$0].tracked() : operands[$0] }
        func results(_ pair: (Tensor, Tensor)) -> [Tensor] {
          let values = [pair.0, pair.1]
          let outputs = values.indices.filter { asked >> $0 & 1 == 1 }.map { (values[$0], seeds[$0]) }
          return values + gradients(of: outputs, for: leaves)
        }
        let expected = results(evaluate2(Self.gates(of(leaves[0]), of(leaves[1]), of(leaves[2]))))
        let found = results(Self.traced(leaves[0], leaves[1], leaves[2]))
        for (found, expected) in zip(found, expected) {
          #expect(found.shape == expected.shape)
          let size = expected.scalars.map { abs($0) }.max() ?? 0
          for (x, y) in zip(found.scalars, expected.scalars) { #expect(abs(x - y) <= 3e-6 * size) }
        }
      }
    }
  }

  private func evaluate2(_ pair: (Operand, Operand)) -> (Tensor, Tensor) { evaluate(pair.0, pair.1) }

  @Test("from many threads at once") func threads() async {
    let equation = Equation { x, y, z in Self.gates(x, y, z) }
    let operands = (1...3).map { random([7, 33], seed: UInt64($0)) }
    @Sendable func results(_ tracked: Int) -> [[UInt32]] {
      let leaves = operands.indices.map { tracked >> $0 & 1 == 1 ? operands[$0].tracked() : operands[$0] }
      let (y, z) = equation(leaves[0], leaves[1], leaves[2])
      return ([y, z] + gradients(of: [(y, operands[0]), (z, operands[1])], for: leaves))
        .map { $0.scalars.map(\.bitPattern) }
    }
    await withTaskGroup(of: (Int, [[UInt32]]).self) { group in
      for tracked in 0..<64 { group.addTask { (tracked % 8, results(tracked % 8)) } }
      var byKind: [Int: [[UInt32]]] = [:]
      for await (kind, found) in group { #expect(byKind.updateValue(found, forKey: kind) ?? found == found) }
    }
  }

  @Test("operands are told apart by their places, and one that the equation does not need has no gradient")
  func places() {
    let difference = Equation { x, _, y in x - 2 * y }
    let leaves = (1...3).map { random([19], seed: UInt64($0)).tracked() }
    let y = difference(leaves[0], leaves[1], leaves[2])
    #expect(y.scalars == zip(leaves[0].scalars, leaves[2].scalars).map { $0 - 2 * $1 })
    let made = gradients(of: [(y, Tensor(ones: [19]))], for: leaves).map(\.scalars)
    #expect(made == [1, 0, -2].map { [Float](repeating: $0, count: 19) })
    let same = random([19], seed: 1).tracked()
    let none = difference(same, same, same)
    #expect(gradients(of: [(none, Tensor(ones: [19]))], for: [same])[0].scalars.allSatisfy { $0 == -1 })
  }

  @Test("the slope of a root is held where it is asked for") func steepest() {
    let root = Equation { sqrt(4 * $0, steepest: 1000) }
    let x = Tensor([0, 1e-12, 0.25]).tracked()
    let slopes = gradients(of: [(root(x), Tensor(ones: [3]))], for: [x])[0].scalars
    #expect(slopes == [4000, 4000, 2])
  }

  @Test("a tensor in an equation is refused, since the next call would have it too") func captured() async {
    await #expect(processExitsWith: .failure) {
      let x = Tensor(ones: [3])
      _ = Equation { y in y * of(x) }
    }
  }

  @Test("an equation is called with as many operands as it has") func operands() async {
    await #expect(processExitsWith: .failure) { _ = Equation { x, y in x * y }(Tensor(ones: [3])) }
    await #expect(processExitsWith: .failure) {
      _ = Equation { x in 2 * x }(Tensor(ones: [3]), Tensor(ones: [3]))
    }
  }

  @Test("an expression of too many operands, or of too many values at once, is refused") func tooLarge() async
  {
    await #expect(processExitsWith: .failure) {
      _ = evaluate((0..<50).reduce(of(Tensor(ones: [3]))) { $0 + Float($1) * of(Tensor(ones: [3])) })
    }
    await #expect(processExitsWith: .failure) {
      let x = of(Tensor(ones: [3]))
      _ = evaluate((0..<70).reduce(x) { exp(Float($1) * x) + $0 })
    }
    // 47 operands and a value, and 63 values behind the first.
    let most = evaluate((0..<46).reduce(of(Tensor(ones: [3]))) { $0 + Float($1) * of(Tensor(ones: [3])) })
    #expect(most.scalars == [1036, 1036, 1036])
    let x = of(Tensor(ones: [3])), nested = evaluate((0..<63).reduce(x) { exp(Float(-$1) * x) + $0 })
    #expect(nested.scalars.allSatisfy { abs($0 - 2.5819767) < 1e-5 })
  }
}
