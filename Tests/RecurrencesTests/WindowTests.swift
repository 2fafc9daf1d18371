import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@Suite("window attention: every form is the softmax over the last W tokens")
struct WindowTests {
  struct Shape: Sendable {
    var H = 2, G = 2, K = 4, V = 3
    let W: Int
    /// How many tokens the two rows' documents had before.
    var counts = [3, 12]
  }

  /// Both rings and the count, as a multiple of 1/256, in one tensor: the state that the laws pass on.
  static func laws(_ n: Shape) -> RecurrenceLaws {
    let (k, v) = (n.W * n.G * n.K, n.W * n.G * n.V), unit: Float = 256
    return RecurrenceLaws(
      operands: { steps in
        // A slot that no token has filled yet is zero.
        var rings = random([2, k + v + 1], seed: 4)
        for b in 0..<2 {
          for slot in n.counts[b]..<max(n.counts[b], n.W) {
            for i in 0..<n.G * n.K { rings[b * (k + v + 1) + slot * n.G * n.K + i] = 0 }
            for i in 0..<n.G * n.V { rings[b * (k + v + 1) + k + slot * n.G * n.V + i] = 0 }
          }
          rings[b * (k + v + 1) + k + v] = Float(n.counts[b]) / unit
        }
        return [
          random([2, steps, n.H, n.K], seed: 1, -2...2), random([2, steps, n.G, n.K], seed: 2, -2...2),
          random([2, steps, n.G, n.V], seed: 3), rings,
        ]
      },
      isOverTime: [true, true, true, false],
      run: { x, form, resets, state in
        let (B, steps) = (x[0].shape[0], x[0].shape[1]), parts = split(state, sizes: [k, v, 1])
        let before = parts[2].scalars.map { Int(($0 * unit).rounded()) }
        var keys = parts[0].reshaped([B, n.W, n.G, n.K]), values = parts[1].reshaped([B, n.W, n.G, n.V])
        let y = Window.attend(
          q: x[0], k: x[1], v: x[2], scale: 0.7, form: form, resets: resets, counts: before, keys: &keys,
          values: &values)
        let now = countsAfter(steps, before, resets).map { Float($0) / unit }
        state = concatenated([keys.reshaped([B, k]), values.reshaped([B, v]), Tensor(now, [B, 1])])
        return y
      },
      reference: { x, steps, resets in
        let rows = [Array(x[3].prefix(k + v + 1)), Array(x[3].suffix(k + v + 1))]
        let before = rows.map { Int(($0[k + v] * Double(unit)).rounded()) }
        let (y, keys, values) = windowReference(
          q: x[0], k: x[1], v: x[2], keys: rows.flatMap { $0[..<k] }, values: rows.flatMap { $0[k..<k + v] },
          counts: before,
          scale: Double(Float(0.7)), batch: 2, steps: steps, heads: n.H, groups: n.G, K: n.K, V: n.V,
          window: n.W, resets: resets.rows)
        let now = countsAfter(steps, before, resets).map { Double($0) / Double(unit) }
        let first = Array(keys[..<k]) + Array(values[..<v]) + [now[0]]
        let second = Array(keys[k...]) + Array(values[v...]) + [now[1]]
        return (y, first + second)
      })
  }

  @Test(
    "lengths around the window and the block", arguments: [1, 2, 6, 7, 8, 63, 65, 1000],
    [1, 2, 7, 64, 65, 2000])
  func forms(steps: Int, W: Int) {
    let laws = Self.laws(Shape(W: W))
    laws.formsEqualTheReference(steps: steps, resets: .none)
    if steps > 12 { laws.formsEqualTheReference(steps: steps, resets: DiagonalTests.resets) }
  }

  @Test("over 4,096 steps, and with heads that share keys", arguments: [1, 2, 4])
  func manySteps(G: Int) {
    Self.laws(Shape(H: 4, G: G, K: 8, V: 8, W: 33)).formsEqualTheReference(steps: 4096, resets: .none)
    Self.laws(Shape(H: 4, G: G, W: 300)).formsEqualTheReference(steps: 700, resets: DiagonalTests.resets)
  }

  @Test("no tokens and no rows") func nothing() { Self.laws(Shape(W: 5)).nothingIsNothing() }

  @Test("gradients, through the rings as well", arguments: [1, 2, 5, 14, 40])
  func gradients(W: Int) {
    let laws = Self.laws(Shape(H: 2, G: 1, K: 2, V: 3, W: W))
    for steps in [1, 2, 4, 5, 13] { laws.gradientsEqualCentralDifferences(steps: steps, resets: .none) }
    laws.gradientsEqualCentralDifferences(steps: 17, resets: DiagonalTests.resets)
    laws.gradientsEqualCentralDifferences(steps: 17, resets: Resets(rows: [[], [9]]))
    Self.laws(Shape(H: 2, G: 1, W: W)).gradientsOfMixEqualThoseOfTheFold(steps: 67)
  }

  @Test("forms change at any token, and a packed document is the document alone", arguments: [1, 6, 64, 300])
  func splits(W: Int) {
    let laws = Self.laws(Shape(W: W))
    laws.formsMayChangeAtAnyToken(steps: 200)
    laws.aPackedDocumentIsTheDocumentAlone(steps: 90, at: 21)
  }

  @Test(
    "a token outside the window does not matter, bit for bit; the oldest inside does",
    arguments: Form.allCases)
  func window(form: Form) {
    let (W, T) = (8, 40)
    func run(changing token: Int?) -> [Float] {
      var k = random([1, T, 1, 4], seed: 1)
      if let token { for i in 0..<4 { k[token * 4 + i] = 9 } }
      var keys = Tensor(zeros: [1, W, 1, 4]), values = keys
      let y = Window.attend(
        q: random([1, T, 1, 4], seed: 2), k: k, v: random([1, T, 1, 4], seed: 3), scale: 0.5, form: form,
        counts: [0], keys: &keys, values: &values)
      return Array(y.scalars.suffix(4))
    }
    #expect(run(changing: T - W - 1) == run(changing: nil))
    #expect(run(changing: T - W) != run(changing: nil))
  }

  @Test("a tape keeps the memory before the segment, and none of a chunk or document in it")
  func tape() {
    let laws = Self.laws(Shape(K: 32, V: 32, W: 64))
    laws.aTapeKeepsOneMemory(steps: 128, resets: .none)
    laws.aTapeKeepsOneMemory(
      steps: 128, resets: Resets(rows: Array(repeating: Array(stride(from: 0, to: 128, by: 8)), count: 2)))
  }
}
