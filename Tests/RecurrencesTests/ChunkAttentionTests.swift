import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@Suite("mixed chunk attention: every form is the fold of its step")
struct ChunkAttentionTests {
  /// The memory and the count, as a multiple of 1/256, in one tensor: the state that the laws pass on.
  static func laws(chunk C: Int, S: Int = 4, E: Int = 5, counts: [Int] = [2, 9]) -> RecurrenceLaws {
    let sizes = [C * S, C * S, C * E, S * E, 1], unit = 256.0
    let row = sizes.reduce(0, +)
    func after(_ before: [Int], _ steps: Int, _ resets: Resets) -> [Double] {
      countsAfter(steps, before, resets).map { Double($0) / unit }
    }
    return RecurrenceLaws(
      operands: { steps in
        var state = random([2, row], seed: 6)
        for b in 0..<2 { state[(b + 1) * row - 1] = Float(Double(counts[b]) / unit) }
        return (0..<4).map { random([2, steps, S], seed: UInt64($0), -2...2) } + [
          random([2, steps, E], seed: 5), state,
        ]
      },
      isOverTime: [true, true, true, true, true, false],
      run: { x, form, resets, state in
        let B = x[0].shape[0], parts = split(state, sizes: sizes)
        let counts = parts[4].doubles.map { Int(($0 * unit).rounded()) }
        var memory = ChunkAttention.Memory(
          localKeys: parts[0].reshaped([B, C, S]), linearKeys: parts[1].reshaped([B, C, S]),
          values: parts[2].reshaped([B, C, E]), sum: parts[3].reshaped([B, S, E]))
        let y = ChunkAttention.run(
          .init(localQuery: x[0], localKey: x[1], linearQuery: x[2], linearKey: x[3], value: x[4]),
          form: form, resets: resets, counts: counts, memory: &memory)
        let tensors = [memory.localKeys, memory.linearKeys, memory.values, memory.sum]
        let now = Tensor(after(counts, x[0].shape[1], resets), [B, 1])
        state = concatenated(zip(tensors, sizes).map { $0.reshaped([B, $1]) } + [now])
        return y
      },
      reference: { x, steps, resets in
        let rows = [Array(x[5].prefix(row)), Array(x[5].suffix(row))]
        let counts = rows.map { Int(($0[row - 1] * unit).rounded()) }
        let starts = sizes.indices.map { sizes[..<$0].reduce(0, +) }
        let old = sizes.indices.map { i in rows.flatMap { $0[starts[i]..<starts[i] + sizes[i]] } }
        let (y, localKeys, linearKeys, values, sum) = chunkAttentionReference(
          localQuery: x[0], localKey: x[1], linearQuery: x[2], linearKey: x[3], value: x[4],
          localKeys: old[0], linearKeys: old[1], values: old[2], sum: old[3], counts: counts, batch: 2,
          steps: steps, S: S, E: E, chunk: C, resets: resets.rows)
        let new = [localKeys, linearKeys, values, sum, after(counts, steps, resets)]
        let final = (0..<2).flatMap { b in
          sizes.indices.flatMap { i in Array(new[i][b * sizes[i]..<(b + 1) * sizes[i]]) }
        }
        return (y, final)
      })
  }

  @Test("lengths around the chunk", arguments: [1, 6, 7, 8, 65, 1000, 4096], [1, 7, 64])
  func forms(steps: Int, chunk: Int) {
    let laws = Self.laws(chunk: chunk)
    laws.formsEqualTheReference(steps: steps, resets: .none)
    if steps > 12 { laws.formsEqualTheReference(steps: steps, resets: DiagonalTests.resets) }
  }

  @Test("no tokens and no rows") func nothing() { Self.laws(chunk: 5).nothingIsNothing() }

  @Test("gradients, through the memory as well", arguments: [1, 2, 5, 16])
  func gradients(chunk: Int) {
    let laws = Self.laws(chunk: chunk, S: 2, E: 3)
    for steps in [1, 3, 13] { laws.gradientsEqualCentralDifferences(steps: steps, resets: .none) }
    laws.gradientsEqualCentralDifferences(steps: 17, resets: DiagonalTests.resets)
    laws.gradientsEqualCentralDifferences(steps: 17, resets: Resets(rows: [[], [9]]))
    Self.laws(chunk: chunk).gradientsOfMixEqualThoseOfTheFold(steps: 67)
  }

  @Test("forms change at any token, and a packed document is the document alone", arguments: [1, 6, 64])
  func splits(chunk: Int) {
    let laws = Self.laws(chunk: chunk)
    laws.formsMayChangeAtAnyToken(steps: 200)
    laws.aPackedDocumentIsTheDocumentAlone(steps: 90, at: 21)
  }

  @Test("a tape keeps the memory before the segment, and none of a chunk or document in it")
  func tape() {
    let laws = Self.laws(chunk: 4, S: 64, E: 64)
    laws.aTapeKeepsOneMemory(steps: 128, resets: .none)
    laws.aTapeKeepsOneMemory(
      steps: 128, resets: Resets(rows: Array(repeating: Array(stride(from: 0, to: 128, by: 8)), count: 2)))
  }
}
