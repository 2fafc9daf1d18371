import RunnelReference
import RunnelTensors
import Testing

@Suite("the causal convolution is the sum over the last W inputs, wherever the segments are cut")
struct CausalConvolutionTests {
  struct Case: Sendable {
    var batch = 2, length = 9, width = 5, taps = 4
    var resets = Resets.none
    var activation = Activation.silu
  }
  static let cases = [
    Case(), Case(length: 1), Case(length: 2), Case(length: 3), Case(length: 8, taps: 1),
    Case(length: 1, taps: 1),
    Case(length: 5, taps: 2), Case(length: 5, taps: 3), Case(length: 6, taps: 7),
    Case(batch: 1, length: 4, width: 65, activation: .identity),
    Case(resets: Resets(rows: [[0, 2, 3, 8], []])),
    Case(resets: Resets(rows: [[], [4]]), activation: .identity),
    Case(length: 1, resets: Resets(rows: [[], [0]])), Case(batch: 1, length: 70, width: 2, taps: 3),
  ]

  static func inputs(_ c: Case) -> [Tensor] {
    [
      random([c.batch, c.length, c.width], seed: 1), random([c.width, c.taps], seed: 2),
      random([c.width], seed: 3), random([c.batch, c.taps - 1, c.width], seed: 4),
    ]
  }

  static func apply(_ c: Case, _ inputs: [Tensor]) -> [Tensor] {
    var window = inputs[3]
    let y = causalConvolution(
      inputs[0], weight: inputs[1], bias: inputs[2], activation: c.activation, resets: c.resets,
      window: &window)
    return c.taps == 1 ? [y] : [y, window]
  }

  @Test("values and gradients, through the incoming and the outgoing window", arguments: cases)
  func valuesAndGradients(_ c: Case) {
    expectSame(Array(Self.inputs(c)[..<(c.taps == 1 ? 3 : 4)])) {
      Self.apply(c, $0.count == 3 ? $0 + [Tensor(zeros: [c.batch, 0, c.width])] : $0)
    } reference: { inputs in
      var (y, window) = causalConvolutionReference(
        inputs[0], weight: inputs[1], bias: inputs[2], window: c.taps == 1 ? [] : inputs[3], resets: c.resets,
        batch: c.batch, taps: c.taps)
      if c.activation == .silu { y = siluReference(y) }
      return c.taps == 1 ? [y] : [y, window]
    }
  }

  @Test("token by token it gives the bits of the whole segment", arguments: cases)
  func steps(_ c: Case) {
    let inputs = Self.inputs(c)
    let whole = Self.apply(c, inputs)
    var window = inputs[3]
    for t in 0..<c.length {
      let token = Tensor(
        (0..<c.batch).flatMap { row in
          (0..<c.width).map { inputs[0][(row * c.length + t) * c.width + $0] }
        }, [c.batch, 1, c.width])
      let y = causalConvolution(
        token, weight: inputs[1], bias: inputs[2], activation: c.activation, resets: c.resets.at(t),
        window: &window)
      for row in 0..<c.batch {
        for d in 0..<c.width { #expect(y[row * c.width + d] == whole[0][(row * c.length + t) * c.width + d]) }
      }
    }
    if c.taps > 1 { #expect(window.scalars == whole[1].scalars) }
    #expect(inputs[3].scalars == Self.inputs(c)[3].scalars)
  }

  @Test("an empty segment leaves the window") func emptySegment() {
    let inputs = Self.inputs(Case(length: 0))
    var window = inputs[3]
    let y = causalConvolution(inputs[0], weight: inputs[1], window: &window)
    #expect(y.shape == inputs[0].shape)
    #expect(window.scalars == inputs[3].scalars)
  }

  @Test(
    "long segments are cut into jobs that agree with the reference", arguments: [(1000, 600), (257, 1025)])
  func longSegments(length: Int, width: Int) {
    var c = Case(batch: 2, length: length, width: width, taps: 4)
    c.resets = Resets(rows: [[3, 64, 65, 200], [128]])
    let inputs = Self.inputs(c)
    let (y, window) = causalConvolutionReference(
      inputs[0].doubles, weight: inputs[1].doubles, bias: inputs[2].doubles, window: inputs[3].doubles,
      resets: c.resets, batch: 2, taps: 4)
    c.activation = .identity
    let outputs = Self.apply(c, inputs)
    #expect(relativeError(outputs[0], y) < 1e-6)
    #expect(relativeError(outputs[1], window) == 0)
  }
}

@Suite("the token shift is the input one token earlier")
struct TokenShiftTests {
  static let cases: [(Int, Resets)] = [
    (1, .none), (2, .none), (7, .none), (7, Resets(rows: [[0, 3], [6]])), (1, Resets(rows: [[], [0]])),
  ]

  @Test(arguments: cases) func valuesAndGradients(length: Int, resets: Resets) {
    let (batch, width) = (2, 5)
    expectSame([random([batch, length, width], seed: 1), random([batch, width], seed: 2)]) {
      var last = $0[1]
      let y = tokenShift($0[0], resets: resets, last: &last)
      return [y, last]
    } reference: { inputs in
      // A shift is a convolution with the weights 1, 0.
      let (y, last) = causalConvolutionReference(
        inputs[0], weight: [1, 0, 1, 0, 1, 0, 1, 0, 1, 0], bias: [0, 0, 0, 0, 0], window: inputs[1],
        resets: resets, batch: batch, taps: 2)
      return [y, last]
    }
  }
}
