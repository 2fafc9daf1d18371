/// The trainer against one that counts everything anew for each merge.

import RunnelText
import Testing

/// A generator of equal draws everywhere.
struct BPEDraws {
  var state: UInt64
  mutating func callAsFunction(_ limit: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % limit
  }
}

/// The definition: of all pairs of neighbours the commonest, then the smallest, becomes a token everywhere,
/// from left to right.
private func naiveMerges(
  _ words: [([UInt8], Int64)], byteIds: [Int32], first: Int, limit: Int, minimum: Int64, maximumLength: Int
) -> [[Int32]] {
  var texts = words.map { word in word.0.map { byteIds[Int($0)] } }
  var lengths = Dictionary(uniqueKeysWithValues: byteIds.map { ($0, 1) })
  var merges: [[Int32]] = []
  while first + merges.count < limit {
    var counts: [[Int32]: Int64] = [:]
    for (text, word) in zip(texts, words) {
      for (a, b) in zip(text, text.dropFirst()) {
        let length = (lengths[a] ?? 0) + (lengths[b] ?? 0)
        if length < maximumLength || length == 2 { counts[[a, b], default: 0] += word.1 }
      }
    }
    let best = counts.max { a, b in
      a.value != b.value ? a.value < b.value : b.key.lexicographicallyPrecedes(a.key)
    }
    guard let (pair, count) = best, count >= minimum else { break }
    let id = Int32(first + merges.count)
    lengths[id] = (lengths[pair[0]] ?? 0) + (lengths[pair[1]] ?? 0)
    merges.append(pair)
    texts = texts.map { text in
      var merged: [Int32] = []
      var index = 0
      while index < text.count {
        let isPair = index + 1 < text.count && text[index] == pair[0] && text[index + 1] == pair[1]
        merged.append(isPair ? id : text[index])
        index += isPair ? 2 : 1
      }
      return merged
    }
  }
  return merges
}

@Suite("Training of byte-level BPE") struct BPETrainerTests {
  private func merges(_ vocabulary: BPEVocabulary) -> [[Int32]] {
    vocabulary.merges.map { [$0.first, $0.second] }
  }

  @Test("the merges are those of the definition", arguments: 1...12, [Int.max, 5, 2])
  func definition(seed: Int, maximumLength: Int) {
    var draw = BPEDraws(state: UInt64(seed))
    let letters = 2 + draw(5)
    let words: [([UInt8], Int64)] = (0..<(5 + draw(60))).map { _ in
      ((0...draw(14)).map { _ in UInt8(97 + draw(letters)) }, Int64(1 + draw(4)))
    }
    var counts = WordCounts()
    for (word, count) in words { counts.add(word, times: count) }
    var trainer = BPETrainer(vocabularySize: 257 + 40)
    trainer.minimumFrequency = Int64(1 + draw(3))
    trainer.maximumTokenLength = maximumLength == .max ? nil : maximumLength
    let (vocabulary, tokens) = trainer.train(counts)
    let expected = naiveMerges(
      words, byteIds: BPEVocabulary(specialTokens: ["<|endoftext|>"]).byteIds, first: 257, limit: 297,
      minimum: trainer.minimumFrequency, maximumLength: maximumLength)
    #expect(merges(vocabulary) == expected)
    #expect(vocabulary.tokens.count == 257 + expected.count && !expected.isEmpty)
    #expect(tokens > 0 && tokens <= words.reduce(0) { $0 + Int64($1.0.count) * $1.1 })
  }

  @Test("counts above 2³² decide")
  func wideCounts() {
    var counts = WordCounts()
    // In 32 bits the first pair would count as 1, the second as 3.
    counts.add(Array("xy".utf8), times: 1 << 32 + 1)
    counts.add(Array("pq".utf8), times: 3)
    counts.add(Array("ab".utf8), times: 5 << 32)
    var trainer = BPETrainer(vocabularySize: 259)
    trainer.minimumFrequency = 1 << 32
    let (vocabulary, tokens) = trainer.train(counts)
    #expect(vocabulary.tokens.suffix(2) == ["ab", "xy"])
    #expect(tokens == 5 << 32 + 1 << 32 + 1 + 6)
    trainer.vocabularySize = 300
    #expect(trainer.train(counts).vocabulary == vocabulary)
  }

  @Test("a merge that spells a special token takes its id, and special bytes keep theirs")
  func specials() {
    var counts = WordCounts()
    counts.add(Array("abab".utf8), times: 9)
    counts.add(Array("ab".utf8), times: 9)
    var trainer = BPETrainer(vocabularySize: 259)
    trainer.specialTokens = ["ab", "z", "ab"]
    let (vocabulary, _) = trainer.train(counts)
    #expect(vocabulary.specialTokens == ["ab", "z"])
    #expect(vocabulary.tokens.count == 258 && vocabulary.merges.count == 2)
    #expect(vocabulary.tokens.suffix(1) == ["abab"] && vocabulary.merges.last.map { $0 == (0, 0) } == true)
    #expect(BPETrainer.smallestVocabulary(specialTokens: trainer.specialTokens) == 257)
  }

  @Test("nothing to learn is no error")
  func nothing() {
    let counter = WordCounter()
    counter.finishDocument()
    let (vocabulary, tokens) = BPETrainer(vocabularySize: 1000).train(counter)
    #expect(vocabulary.tokens.count == 257 && vocabulary.merges.isEmpty && tokens == 0)
    let single = WordCounter()
    single.feed(Array("a b".utf8))
    #expect(BPETrainer(vocabularySize: 1000).train(single).textTokens == 3)
  }
}

@Suite("Counting of words") struct WordCounterTests {
  private func dictionary(_ counts: borrowing WordCounts) -> [[UInt8]: Int64] {
    var all: [[UInt8]: Int64] = [:]
    counts.forEachWord { all[Array($0)] = $1 }
    return all
  }

  /// Text with all that the pattern tells apart, and bytes that are no text.
  private func text(_ seed: UInt64, _ count: Int) -> [UInt8] {
    let parts = [
      "the", "it's", "we'll", "'", "''re", "12", "é", "語", " ", "  ", "\n", "\n\n", "\t", "\u{3000}",
      "\u{A0}", "!?",
      "…", "²", "Ⅷ", "a\u{301}", "\r\n",
    ]
    var draw = BPEDraws(state: seed)
    var bytes: [UInt8] = []
    for _ in 0..<count {
      let kind = draw(parts.count + 1)
      if kind < parts.count { bytes += parts[kind].utf8 } else { bytes.append(UInt8(draw(256))) }
    }
    return bytes
  }

  @Test("words are those of GPT-2's pattern")
  func words() {
    func cut(_ text: String) -> [[UInt8]: Int64] {
      let counter = WordCounter()
      counter.feed(Array(text.utf8))
      return counter.withCounts(dictionary)
    }
    func expected(_ words: [String: Int64]) -> [[UInt8]: Int64] {
      Dictionary(uniqueKeysWithValues: words.map { (Array($0.utf8), $1) })
    }
    #expect(
      cut("Hello world's  end.") == expected(["Hello": 1, " world": 1, "'s": 1, " ": 1, " end": 1, ".": 1]))
    #expect(cut("a\n\nb\n") == expected(["a": 1, "\n": 3, "b": 1]))
    #expect(cut("x  ") == expected(["x": 1, "  ": 1]))
    #expect(
      cut(" 'tis I'LL'll 3²Ⅷ語")
        == expected(
          [" '": 1, "tis": 1, " I": 1, "'": 1, "LL": 1, "'ll": 1, " 3²Ⅷ": 1, "語": 1]))
    #expect(cut("\u{3000}\u{3000}b\tc") == expected(["\u{3000}": 2, "b": 1, "\t": 1, "c": 1]))
  }

  @Test("neither threads nor cuts of the input change a count", arguments: [1, 2, 5])
  func threads(count: Int) {
    let documents = (1...4).map { text($0, 90_000 * Int($0)) } + [[], Array(repeating: 0x61, count: 600_000)]
    let plain = WordCounter()
    for document in documents {
      plain.feed(document)
      plain.finishDocument()
    }
    let counter = WordCounter(threads: count)
    var draw = BPEDraws(state: 9)
    for document in documents {
      var rest = document[...]
      while !rest.isEmpty {
        let size = 1 + draw(300_000)
        counter.feed(rest.prefix(size))
        rest = rest.dropFirst(size)
      }
      counter.finishDocument()
    }
    let (one, many) = (plain.withCounts(dictionary), counter.withCounts(dictionary))
    #expect(one == many)
    let total = one.reduce(0) { $0 + $1.key.count * Int($1.value) }
    #expect(
      total == documents.reduce(0) { $0 + $1.count } && counter.bytes == total && counter.documents == 6)
  }

  @Test("words of any length are told apart")
  func lengths() {
    var counts = WordCounts()
    var expected: [[UInt8]: Int64] = [:]
    var draw = BPEDraws(state: 4)
    for _ in 0..<20_000 {
      let word = (0...draw(40)).map { _ in UInt8(draw(2) * 255) }
      expected[word, default: 0] += 1
      counts.add(word, times: 1)
    }
    #expect(dictionary(counts) == expected && counts.count == expected.count)
    var other = WordCounts()
    other.add(counts)
    other.add(counts)
    #expect(dictionary(other) == expected.mapValues { 2 * $0 })
    #expect(other.byteCount == expected.keys.reduce(0) { $0 + $1.count })
  }
}
