import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

/// A call of the recurrence with random operands.
private struct Case: Sendable, CustomTestStringConvertible {
  enum Kind: CaseIterable { case none, perHead, perToken }
  var sizes: OuterProductReference
  var kind: Kind
  var q, k, v, log, state: Tensor

  init(
    B: Int = 1, T: Int, H: Int = 2, G: Int = 2, K: Int = 5, V: Int = 7, _ kind: Kind,
    resets: [[Int]] = [], log range: ClosedRange<Float> = -0.5...0, seed: UInt64 = 1
  ) {
    sizes = OuterProductReference(B: B, T: T, H: H, G: G, K: K, V: V, resets: resets)
    self.kind = kind
    q = random([B, T, G, K], seed: seed)
    k = random([B, T, G, K], seed: seed + 1)
    v = random([B, T, H, V], seed: seed + 2)
    state = random([B, H, K, V], seed: seed + 3)
    switch kind {
    case .none: log = .absent
    case .perHead: log = random([H], seed: seed + 4, range)
    case .perToken: log = random([B, T, H], seed: seed + 4, range)
    }
  }

  var testDescription: String {
    "T \(sizes.T), H \(sizes.H), G \(sizes.G), \(kind)\(sizes.resets.isEmpty ? "" : ", resets")"
  }
  var resets: Resets { Resets(rows: sizes.resets) }
  var operands: [Tensor] { [q, k, v, log, state] }

  func decay(_ log: Tensor) -> OuterProduct.Decay {
    switch kind {
    case .none: .none
    case .perHead: .perHead(log)
    case .perToken: .perToken(log)
    }
  }

  func run(_ form: Form, chunk: Int = 64) -> (y: Tensor, state: Tensor) {
    var final = state
    let y = OuterProduct.run(
      q: q, k: k, v: v, decay: decay(log), form: form, resets: resets, state: &final, chunk: chunk)
    return (y, final)
  }

  func reference() -> (y: [Double], state: [Double]) { reference(operands.map(\.doubles)) }
  func reference(_ x: [[Double]]) -> (y: [Double], state: [Double]) {
    sizes(q: x[0], k: x[1], v: x[2], logDecay: x[3], state: x[4])
  }

  /// Gradients of q, k, v, log decay and initial state for random seeds on y and on the final state.
  func gradients(_ form: Form, chunk: Int = 64, seedState: Bool = true) -> [Tensor] {
    let x = operands.map { $0.tracked() }
    var final = x[4]
    let y = OuterProduct.run(
      q: x[0], k: x[1], v: x[2], decay: decay(x[3]), form: form, resets: resets, state: &final, chunk: chunk)
    let seeds = self.seeds
    return RunnelTensors.gradients(
      of: seedState ? [(y, seeds.y), (final, seeds.state)] : [(y, seeds.y)], for: x)
  }
  var seeds: (y: Tensor, state: Tensor) { (random(v.shape, seed: 91), random(state.shape, seed: 92)) }

  func differences(seedState: Bool = true) -> [[Double]] {
    let x = operands.map(\.doubles)
    let seeds = self.seeds
    return x.indices.map { i in
      centralDifferences(at: x[i]) { changed in
        var x = x
        x[i] = changed
        let (y, state) = reference(x)
        return dot(y, seeds.y.doubles) + (seedState ? dot(state, seeds.state.doubles) : 0)
      }
    }
  }

  /// The tokens of a range, as a case of its own.
  func part(_ range: Range<Int>, row: Int? = nil) -> Case {
    func cut(_ x: Tensor) -> Tensor {
      guard x.shape.rank >= 3, x.shape[1] == sizes.T else { return x }
      let width = x.count / max(1, sizes.B * sizes.T)
      let rows = row.map { $0..<$0 + 1 } ?? 0..<sizes.B
      var shape = x.shape
      (shape[0], shape[1]) = (rows.count, range.count)
      let values = x.scalars
      return Tensor(
        rows.flatMap { b in
          values[(b * sizes.T + range.lowerBound) * width..<(b * sizes.T + range.upperBound) * width]
        }, shape)
    }
    var part = self
    part.sizes.T = range.count
    part.sizes.B = row == nil ? sizes.B : 1
    part.sizes.resets = resets.within(range).rows
    (part.q, part.k, part.v) = (cut(q), cut(k), cut(v))
    if kind == .perToken { part.log = cut(log) }
    if let row { part.state = Tensor(state.rows(row..<row + 1).scalars, [1, sizes.H, sizes.K, sizes.V]) }
    return part
  }
}

private let heads = [(2, 2), (3, 1), (4, 2)]

@Suite("Outer product: S_t = w_t S_{t−1} + k_tᵀ v_t, y_t = q_t S_t")
struct OuterProductTests {
  private static let values: [Case] =
    [1, 2, 63, 64, 65, 200, 1000].flatMap { T in
      Case.Kind.allCases.flatMap { kind in
        heads.map { H, G in
          Case(
            B: 2, T: T, H: H, G: G, kind, resets: T < 60 ? [] : [[0, 3, T - 1], [T / 2, T / 2 + 1]],
            log: T.isMultiple(of: 2) ? -0.5...0 : -8...0, seed: UInt64(T))
        }
      }
    } + Case.Kind.allCases.map { Case(T: 4096, H: 2, G: 1, K: 16, V: 17, $0, log: -0.01...0) }
    + [Case(B: 9, T: 130, H: 1, G: 1, K: 64, V: 65, .perToken)]

  @Test("every form is the recurrence", arguments: values)
  private func value(_ item: Case) {
    let expected = item.reference()
    for form in Form.allCases {
      let (y, state) = item.run(form)
      #expect(relativeError(y, expected.y) < 1e-5, "\(form)")
      #expect(relativeError(state, expected.state) < 1e-5, "\(form)")
    }
    guard item.sizes.T <= 200 else { return }
    for chunk in [1, 16, 128] {
      let (y, state) = item.run(.mix, chunk: chunk)
      #expect(relativeError(y, expected.y) < 1e-5, "chunks of \(chunk)")
      #expect(relativeError(state, expected.state) < 1e-5, "chunks of \(chunk)")
    }
  }

  private static let gradientCases: [Case] =
    Case.Kind.allCases.flatMap { kind in
      heads.flatMap { H, G in
        [
          Case(T: 1, H: H, G: G, K: 3, V: 2, kind),
          Case(B: 2, T: 11, H: H, G: G, K: 3, V: 4, kind, resets: [[], [0, 4, 9, 10]]),
        ]
      }
    } + Case.Kind.allCases.map { Case(T: 70, H: 2, G: 1, K: 2, V: 2, $0) }
    + Case.Kind.allCases.map { Case(B: 5, T: 9, H: 4, G: 1, K: 2, V: 3, $0, resets: [[8], [], [1]]) }

  @Test("the gradients of every form are the central differences", arguments: gradientCases)
  private func gradients(_ item: Case) {
    for seedState in [true, false] {
      let expected = item.differences(seedState: seedState)
      for (form, chunk) in [(Form.step, 64), (.step, 4), (.mix, 64), (.mix, 4), (.mix, 1), (.parallel, 64)] {
        let gradients = item.gradients(form, chunk: chunk, seedState: seedState)
        for (i, name) in ["q", "k", "v", "decay", "state"].enumerated() {
          #expect(
            relativeError(gradients[i], expected[i]) < 1e-4, "\(name), \(form), chunks of \(chunk)")
        }
      }
    }
  }

  @Test("the forms agree in gradient over 257 tokens", arguments: Case.Kind.allCases, heads)
  private func longGradients(_ kind: Case.Kind, heads: (Int, Int)) {
    let item = Case(
      B: 2, T: 257, H: heads.0, G: heads.1, K: 20, V: 33, kind, resets: [[], [70, 199]], log: -0.2...0)
    let expected = item.gradients(.step)
    for form in [Form.mix, .parallel] {
      for chunk in form == .mix ? [16, 64, 128] : [64] {
        for (gradient, expected) in zip(item.gradients(form, chunk: chunk), expected) {
          #expect(relativeError(gradient, expected) < 1e-5, "\(form), chunks of \(chunk)")
        }
      }
    }
  }

  @Test("a gradient that is not asked for is not needed by the others", arguments: 0..<5)
  func single(operand: Int) {
    let item = Case(B: 2, T: 70, H: 4, G: 2, .perToken, resets: [[30], []])
    let all = item.gradients(.mix)
    var x = item.operands
    x[operand] = x[operand].tracked()
    var final = x[4]
    let y = OuterProduct.run(
      q: x[0], k: x[1], v: x[2], decay: item.decay(x[3]), form: .mix, resets: item.resets, state: &final)
    let gradient = RunnelTensors.gradients(
      of: [(y, item.seeds.y), (final, item.seeds.state)], for: [x[operand]])[0]
    #expect(gradient.scalars == all[operand].scalars)
  }

  @Test("no tokens give no result and leave the state", arguments: Form.allCases)
  func empty(_ form: Form) {
    let item = Case(T: 0, .perToken)
    let (y, state) = item.run(form)
    #expect(y.shape == [1, 0, 2, 7])
    #expect(state.scalars == item.state.scalars)
  }

  @Test("a stream may change form at any token", arguments: Case.Kind.allCases)
  private func changes(_ kind: Case.Kind) {
    let item = Case(B: 2, T: 300, H: 4, G: 2, kind, resets: [[130], [17, 201]])
    let expected = item.reference()
    var generator = SeededGenerator(seed: 5)
    for _ in 0..<6 {
      let cuts = ([0, 300] + (0..<4).map { _ in Int(generator.uniform() * 300) }).sorted()
      var state = item.state
      var rows: [[Float]] = [[], []]
      for (start, end) in zip(cuts, cuts.dropFirst()) {
        var part = item.part(start..<end)
        part.state = state
        let y: Tensor
        (y, state) = part.run(Form.allCases.randomElement(using: &generator) ?? .mix)
        for b in 0..<2 where !y.isEmpty { rows[b] += y.rows(b..<b + 1).scalars }
      }
      #expect(relativeError(Tensor(rows[0] + rows[1], item.v.shape), expected.y) < 1e-5)
      #expect(relativeError(state, expected.state) < 1e-5)
    }
  }

  @Test("a packed document is the document alone, bit for bit", arguments: Form.allCases, Case.Kind.allCases)
  private func packed(_ form: Form, _ kind: Case.Kind) {
    let item = Case(B: 2, T: 333, H: 4, G: 2, K: 16, V: 17, kind, resets: [[77, 240], [1]])
    let (y, state) = item.run(form)
    for (row, range) in [(0, 77..<240), (0, 240..<333), (1, 1..<333)] {
      var alone = item.part(range, row: row)
      alone.sizes.resets = []
      alone.state = Tensor(zeros: alone.state.shape)
      let (ownY, ownState) = alone.run(form)
      let width = 4 * 17
      let start = row * 333
      #expect(
        Array(y.scalars[(start + range.lowerBound) * width..<(start + range.upperBound) * width])
          == ownY.scalars)
      if range.upperBound == 333 { #expect(state.rows(row..<row + 1).scalars == ownState.scalars) }
    }
  }

  @Test("strong decays, and small ones after strong ones, stay right", arguments: Form.allCases)
  func strongDecay(_ form: Form) {
    var mixed = Case(T: 200, .perToken)
    mixed.log = Tensor(
      mixed.log.scalars.enumerated().map { $0 / 2 % 20 < 10 ? -20 : 0.01 * $1 }, mixed.log.shape)
    for item in [Case(T: 200, .perToken, log: -20...(-20)), Case(T: 200, .perHead, log: -20...(-20)), mixed] {
      let expected = item.reference()
      let (y, state) = item.run(form)
      #expect(relativeError(y, expected.y) < 1e-5)
      #expect(relativeError(state, expected.state) < 1e-5)
    }
    // The gradient of a strong decay is small, and right all the same.
    let item = Case(T: 20, K: 3, V: 3, .perToken, log: -20...(-19))
    let gradients = item.gradients(form)
    let reference = item.gradients(.step)
    for i in [0, 1, 2, 3] { #expect(relativeError(gradients[i], reference[i]) < 1e-4) }
    #expect(gradients[3].scalars.contains { $0 != 0 })
  }

  @Test("a decay of exactly one is no decay, and of exactly zero forgets all", arguments: Form.allCases)
  func limits(_ form: Form) {
    let plain = Case(B: 2, T: 150, H: 4, G: 2, .none)
    for kind in [Case.Kind.perHead, .perToken] {
      var item = Case(B: 2, T: 150, H: 4, G: 2, kind, log: 0...0)
      #expect(relativeError(item.run(form).y, plain.run(form).y) < 1e-6)
      item.log = Tensor(repeating: -.infinity, item.log.shape)
      let expected = item.reference()
      #expect(relativeError(item.run(form).y, expected.y) < 1e-5)
      #expect(relativeError(item.run(form).state, expected.state) < 1e-5)
      let gradients = item.gradients(form)
      #expect(gradients.allSatisfy { $0.scalars.allSatisfy(\.isFinite) })
      #expect(gradients[4].scalars.allSatisfy { $0 == 0 })
    }
  }

  @Test("a step of one token changes the state in place")
  func inPlace() {
    let item = Case(T: 1, .perToken)
    var state = Tensor(item.state.scalars, item.state.shape)
    let before = state.base
    _ = OuterProduct.run(
      q: item.q, k: item.k, v: item.v, decay: .perToken(item.log), form: .step, state: &state)
    #expect(state.base == before)
  }
}
