import RunnelText
import Testing

@Suite("byte-pair merging is: the lowest rank first, the leftmost of equals")
struct MergeEngineTests {
  /// The definition.
  static func reference(_ symbols: [Int32], _ table: MergeTable) -> [Int32] {
    var symbols = symbols
    while symbols.count > 1 {
      let merges = (0..<symbols.count - 1).map { table.merge(left: symbols[$0], right: symbols[$0 + 1]) }
      guard
        let best = merges.indices.filter({ merges[$0] != MergeTable.none })
          .min(by: { (merges[$0] >> 32, $0) < (merges[$1] >> 32, $1) })
      else { break }
      symbols.replaceSubrange(best...best + 1, with: [Int32(truncatingIfNeeded: merges[best])])
    }
    return symbols
  }

  @Test("random tables, with ranks in common, on short and long words")
  func random() {
    var generator = Generator(state: 5)
    var scratch = MergeEngine.Scratch()
    for round in 0..<400 {
      var table = MergeTable()
      for _ in 0..<Int.random(in: 0...60, using: &generator) {
        table.insert(
          left: .random(in: 0..<20, using: &generator), right: .random(in: 0..<20, using: &generator),
          rank: .random(in: 0..<25, using: &generator), merged: .random(in: 4..<20, using: &generator))
      }
      let engine = MergeEngine(table)
      let count =
        round % 2 == 0
        ? Int.random(in: 0...60, using: &generator) : Int.random(in: 40...300, using: &generator)
      let word = (0..<count).map { _ in Int32.random(in: 0..<6, using: &generator) }
      var merged = word
      engine.merge(&merged, scratch: &scratch)
      if merged != Self.reference(word, table) { Issue.record("\(word): \(merged)") }
    }
  }

  @Test("a word of a million equal characters")
  func hostile() {
    var table = MergeTable()
    for level in Int32(0)..<20 { table.insert(left: level, right: level, rank: level, merged: level + 1) }
    var word = [Int32](repeating: 0, count: 1 << 20)
    var scratch = MergeEngine.Scratch()
    MergeEngine(table).merge(&word, scratch: &scratch)
    #expect(word == [20])
  }

  @Test("a pair keeps its last rank, and a table of any size finds what was put in")
  func table() {
    var table = MergeTable()
    for i in Int32(0)..<5_000 { table.insert(left: i, right: i &* 7, rank: i, merged: i + 1) }
    table.insert(left: 9, right: 63, rank: 1, merged: 2)
    #expect(table.count == 5_000)
    #expect(table.merge(left: 9, right: 63) == 1 << 32 | 2)
    #expect(table.merge(left: 4_000, right: 28_000) == 4_000 << 32 | 4_001)
    #expect(table.merge(left: 7, right: 9) == MergeTable.none)
  }

  @Test("what the cache remembers is what merging gives, for more words than it holds")
  func cache() {
    var table = MergeTable()
    for byte in Int32(0)..<256 { table.insert(left: byte, right: 0x61, rank: byte, merged: 300 + byte) }
    let alphabet = Alphabet(bytes: Array(0..<256))
    var encoder = WordEncoder(alphabet: alphabet, engine: MergeEngine(table))
    var generator = Generator(state: 9)
    for round in 0..<120_000 {
      // Many words, some of them often, of every length around the limits.
      var word = Array("\(round % 3 == 0 ? round % 100 : round)a".utf8)
      if round % 5 == 0 {
        word += repeatElement(
          0x61, count: [0, 2, 7, 8, 9, 14, 15, 16, 17, 40, 250, 300].randomElement(using: &generator) ?? 0)
      }
      var ids: [Int32] = []
      word.withUnsafeBufferPointer { encoder.encode($0, into: &ids) }
      if round % 16 == 0, ids != Self.reference(word.map(Int32.init), table) {
        Issue.record("\(word): \(ids)")
      }
    }
  }

  @Test("characters without a symbol are spelled in bytes, or unknown, or passed over")
  func alphabet() {
    func symbols(_ alphabet: Alphabet, _ text: [UInt8]) -> [Int32] {
      var symbols: [Int32] = []
      text.withUnsafeBufferPointer { alphabet.append($0, to: &symbols) }
      return symbols
    }
    let known: [(Unicode.Scalar, Int32)] = [("a", 1), ("é", 2), ("字", 3), ("🚰", 4)]
    let text = Array("aé字🚰xya".utf8) + [0xFF, 0xC3]
    #expect(symbols(Alphabet(characters: known), text) == [1, 2, 3, 4, 1])
    #expect(symbols(Alphabet(characters: known, unknown: 9), text) == [1, 2, 3, 4, 9, 9, 1, 9, 9])
    #expect(
      symbols(Alphabet(characters: known, unknown: 9, fusesUnknown: true), text) == [1, 2, 3, 4, 9, 1, 9])
    let fallback = Array(Int32(1_000)..<1_256)
    #expect(
      symbols(Alphabet(characters: known, byteFallback: fallback), Array("ax".utf8) + [0xFF]) == [
        1, 1_120, 1_255,
      ])
    #expect(Alphabet(characters: known).known == [0x61, 0xE9, 0x5B57, 0x1F6B0])
  }
}
