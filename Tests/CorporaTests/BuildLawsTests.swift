// Laws of building: neither the threads nor the way the input is cut shows in the corpus.

import Foundation
import RunnelFiles
import RunnelSynthesis
import RunnelText
import Testing

@testable import RunnelCorpora

/// Texts of random lengths, a few of them longer than a unit of work.
private func texts(_ count: Int, seed: UInt64, longest: Int = 4000) -> [String] {
  var random = SplitMix64(seed: seed)
  let words = ["the ", "river ", "of ", "é", "😀 ", "\"so\" ", "\\ ", "\t", "far\n", "Ω"]
  return (0..<count).map { _ in
    var text = ""
    let length = random.next(below: longest)
    while text.utf8.count < length { text += words[random.next(below: words.count)] }
    return text
  }
}

private func jsonLines(_ texts: [String]) -> String {
  texts.map { "{\"n\": [1], \"text\": \($0.jsonLiteral)}" }.joined(separator: "\n") + "\n"
}

/// Every document of a corpus, by split.
private func contents(_ path: String) throws -> (train: [[Int32]], validation: [[Int32]]) {
  let corpus = try Corpus(path: path)
  #expect(corpus.verify().isEmpty)
  var (train, validation): ([[Int32]], [[Int32]]) = ([], [])
  for i in 0..<corpus.documentCount {
    let range = try corpus.documentRange(i)
    let ids = try corpus.read(range)
    if range.lowerBound < corpus.header.validationStart { train.append(ids) } else { validation.append(ids) }
  }
  return (train, validation)
}

@Suite("Laws of building") struct BuildLawsTests {
  @Test(
    "the corpus is the same bytes for any number of threads",
    arguments: [ValidationSplit.tail(0.1), .byDocument(0.3)])
  func threads(_ split: ValidationSplit) throws {
    try withFolder { folder in
      try write(jsonLines(texts(2500, seed: 1)).utf8, to: folder + "/a.jsonl")
      try write(texts(1, seed: 2, longest: 40_000)[0].utf8, to: folder + "/b.txt")
      try write((0..<(9 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 3) }, to: folder + "/c.txt")
      for threads in [1, 2, 7] {
        var builder = CorpusBuilder(tokenizer: Pairs(), validation: split, threads: threads)
        builder.frameBytes = 100_000
        builder.endToken = "end"
        builder.removesDuplicates = true
        try builder.build(
          ["a.jsonl", "b.txt", "c.txt"].map { folder + "/" + $0 }, to: folder + "/\(threads)")
      }
      let one = try bytes(of: folder + "/1")
      #expect(try bytes(of: folder + "/2") == one)
      #expect(try bytes(of: folder + "/7") == one)
    }
  }

  @Test("documents come in the order of the inputs, each encoded as if alone, with its end token")
  func order() throws {
    try withFolder { folder in
      let (a, b) = (texts(900, seed: 3), texts(700, seed: 4))
      try write(jsonLines(a).utf8, to: folder + "/a.jsonl")
      try write(jsonLines(b).utf8, to: folder + "/b.jsonl")
      var builder = CorpusBuilder(tokenizer: Pairs(), threads: 3)
      builder.endToken = "end"
      let header = try builder.build([folder + "/b.jsonl", folder + "/a.jsonl"], to: folder + "/c")
      #expect(try contents(folder + "/c").train == (b + a).map { Pairs().encode($0) + [Pairs.end] })
      #expect(header.endOfDocument == Pairs.end && header.documents == 1600)
      builder.endToken = "none such"
      #expect(
        sentence { try builder.build([folder + "/a.jsonl"], to: folder + "/d") }
          == "\(folder)/d: not written: the tokenizer pairs has no token \"none such\"; name one that it has")
    }
  }

  @Test("a document longer than may be held is encoded in stretches as if whole")
  func giant() throws {
    try withFolder { folder in
      let text = (0..<(20 << 20) + 3).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 4) }
      try write(text, to: folder + "/a.txt")
      try write("short".utf8, to: folder + "/b.txt")
      try CorpusBuilder(tokenizer: Pairs(), threads: 4).build(
        [folder + "/a.txt", folder + "/b.txt"], to: folder + "/c")
      let found = try contents(folder + "/c").train
      #expect(found.count == 2 && found[0] == Pairs().encode(text) && found[1] == Pairs().encode("short"))
    }
  }

  @Test(
    "the first bad line is named, whichever thread meets one first, and nothing is left", arguments: 0..<5)
  func firstBadLine(_ round: Int) throws {
    try withFolder { folder in
      var lines = texts(3000, seed: 5).map { "{\"text\": \($0.jsonLiteral)}" }
      lines[2000 + round * 100] = "{\"text\": 7}"
      lines[2999] = "no"
      try write(lines.joined(separator: "\n").utf8, to: folder + "/a.jsonl")
      let message = sentence {
        try CorpusBuilder(threads: 4).build([folder + "/a.jsonl", folder + "/none.txt"], to: folder + "/c")
      }
      #expect(message.hasPrefix("\(folder)/a.jsonl: line \(2001 + round * 100) at byte 9: expected the text"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a.jsonl"])
    }
  }

  @Test("an input that fails is reported after those before it, and what progress throws ends the build")
  func interruption() throws {
    struct Stop: Error {}
    try withFolder { folder in
      try write(jsonLines(texts(2000, seed: 6)).utf8, to: folder + "/a.jsonl")
      #expect(throws: Stop.self) {
        try CorpusBuilder().build([folder + "/a.jsonl"], to: folder + "/c") { _ in throw Stop() }
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a.jsonl"])
    }
  }

  @Test("a field may lie within objects")
  func fields() throws {
    try withFolder { folder in
      let line = #"{"page": {"id": 3, "body": {"text": "deep"}}, "text": "no"}"#
      try write(line.utf8, to: folder + "/a.data")
      func build(_ field: [String]) throws -> String {
        let inputs = try CorpusInput.all([folder + "/a.data"], .init(format: .jsonLines, field: field))
        try CorpusBuilder().build(inputs, to: folder + "/c")
        return String(decoding: try contents(folder + "/c").train[0].map { UInt8($0) }, as: UTF8.self)
      }
      #expect(try build(["page", "body", "text"]) == "deep")
      #expect(try build(["text"]) == "no")
      #expect(sentence { _ = try build(["page", "x"]) }.contains("expected a field \"page.x\", found none"))
      #expect(sentence { _ = try build(["text", "x"]) }.contains("expected an object"))
    }
  }

  static let cuts: [(CorpusInput.Documents, String, [String])] = [
    (.line, "a\n\nb\r\nc d\r\n\n\ne", ["a", "b", "c d", "e"]),
    (.line, "\n\n", []),
    (.paragraph, "\na\nb\n\n\nc\r\n\r\nd\r\ne\n", ["a\nb", "c", "d\r\ne"]),
    (
      .separator(Array("<|end|>".utf8)), "x\n<|end|>\ny<|end|>z<|en\n<|end|>\r\n<|end|>",
      ["x\n", "y", "z<|en\n"]
    ),
    (.separator(Array("\n%\n".utf8)), "100 %\nof\n%\nb\n%\n", ["100 %\nof", "b"]),
    (.separator(Array("aab".utf8)), "aaabaab\n\naaaab", ["a", "\naa"]),
    (.file, "a\nb", ["a\nb"]),
  ]

  @Test("documents of a text end where they are said to, however the stream is cut", arguments: cuts)
  func cutting(_ cut: (documents: CorpusInput.Documents, text: String, expected: [String])) throws {
    var input = try CorpusInput("a.txt")
    input.documents = cut.documents
    let bytes = Array(cut.text.utf8)
    for size in 1...bytes.count {
      var cutter = DocumentCutter(input)
      var found: [[UInt8]] = []
      func take(_ event: DocumentEvent) {
        switch event {
        case .start: found.append([])
        case .bytes(let bytes): found[found.count - 1] += bytes
        case .end: break
        }
      }
      for start in stride(from: 0, to: bytes.count, by: size) {
        try bytes.withUnsafeBytes {
          try cutter.take(UnsafeRawBufferPointer(rebasing: $0[start..<min(bytes.count, start + size)]), take)
        }
      }
      try cutter.finish(take)
      #expect(found.map { String(decoding: $0, as: UTF8.self) } == cut.expected, "pieces of \(size)")
    }
  }

  @Test("a folder stands for the files below it, in the order of their paths")
  func folders() throws {
    try withFolder { folder in
      let manager = FileManager.default
      for name in ["t/b", "t/a", "t/.git"] {
        try manager.createDirectory(atPath: folder + "/" + name, withIntermediateDirectories: true)
      }
      let names = ["t/z.txt", "t/b/1.jsonl", "t/a/2.txt", "t/a.txt", "t/n.md", "t/.git/x.txt", "t/a/.y.txt"]
      for name in names { try write("{\"text\":\"\(name)\"}".utf8, to: folder + "/" + name) }
      try manager.createSymbolicLink(atPath: folder + "/t/loop", withDestinationPath: folder + "/t")
      #expect(
        try CorpusInput.all([folder + "/t"]).map(\.name) == ["a.txt", "a/2.txt", "b/1.jsonl", "z.txt"])
      let all = try CorpusInput.all([folder + "/t"], .init(format: .text))
      #expect(all.map(\.name) == ["a.txt", "a/2.txt", "b/1.jsonl", "n.md", "z.txt"])
      #expect(all.allSatisfy { $0.format == .text })
      #expect(sentence { _ = try CorpusInput.all(["-", "-"]) }.contains("name it once"))
      #expect(sentence { _ = try CorpusInput("a.txt.gz") }.contains("zcat"))
    }
  }

  @Test("the tokenizer's file is kept in the corpus")
  func keptTokenizer() throws {
    try withFolder { folder in
      try write("text".utf8, to: folder + "/a.txt")
      let file = TokenizerFile(
        name: "pairs.json", bytes: (0..<100_000).map { UInt8(truncatingIfNeeded: $0 / 9) })
      let header = try CorpusBuilder(tokenizer: Pairs(file: file)).build(
        [folder + "/a.txt"], to: folder + "/c")
      let corpus = try Corpus(path: folder + "/c")
      #expect(try corpus.tokenizerFile() == file && header.tokenizer.sha256 == file.sha256)
      #expect(corpus.fileBytes < 20_000)
      #expect(sentence { _ = try corpus.tokenizer() }.contains("pairs.json"))
      try CorpusBuilder().build([folder + "/a.txt"], to: folder + "/d")
      #expect(try Corpus(path: folder + "/d").tokenizer() is ByteTokenizer)
      #expect(try Corpus(path: folder + "/d").tokenizerFile() == nil)
      // Damage in its block is found when the corpus is opened.
      var damaged = try bytes(of: folder + "/c")
      damaged[80] ^= 1
      try write(damaged, to: folder + "/e")
      #expect(sentence { _ = try Corpus(path: folder + "/e") }.contains("frame 1 at byte 36"))
    }
  }

  @Test("hostile blocks of a tokenizer are refused")
  func hostileTokenizer() throws {
    let frame = try MetadataBlock.tokenizerFrame(
      TokenizerFile(name: "t", bytes: Array("hello".utf8)), for: "x")
    let body = Array(frame[16..<frame.count - 8])
    for (at, value) in [(0, UInt8(0)), (0, 200), (3, 1), (4, 6), (9, 255), (12, UInt8(ascii: "/")), (14, 0)] {
      var bad = body
      bad[at] = value
      #expect(throws: CorpusProblem.self) {
        try MetadataBlock.tokenizer(inFrame: MetadataBlock.frame(tag: "RNLT", body: bad))
      }
    }
    #expect(throws: CorpusProblem.self) {
      try MetadataBlock.tokenizer(inFrame: MetadataBlock.frame(tag: "RNLT", body: Array(body.prefix(11))))
    }
  }
}

@Suite("Splits by document, merging and appending") struct MergeTests {
  private func build(_ lines: [String], _ folder: String, _ name: String, _ builder: CorpusBuilder) throws {
    try write(jsonLines(lines).utf8, to: folder + "/\(name).jsonl")
    try builder.build([folder + "/\(name).jsonl"], to: folder + "/\(name)")
  }

  @Test("a document's split does not depend on order or company; equal ones share it; the fraction is near")
  func splitByDocument() throws {
    try withFolder { folder in
      let all = texts(4000, seed: 7, longest: 200).enumerated().map { "\($0) \($1)" }
      let builder = CorpusBuilder(validation: .byDocument(0.2))
      try build(all + all.prefix(50), folder, "a", builder)
      try build(all.reversed(), folder, "b", builder)
      try build(Array(all.prefix(1000)), folder, "c", builder)
      let (a, b, c) = (try contents(folder + "/a"), try contents(folder + "/b"), try contents(folder + "/c"))
      #expect(Set(a.train).isDisjoint(with: a.validation))
      #expect(Set(a.train) == Set(b.train) && Set(a.validation) == Set(b.validation))
      #expect(b.validation == b.validation.filter { Set(a.validation).contains($0) })
      #expect(Set(c.validation).isSubset(of: a.validation) && Set(c.train).isSubset(of: a.train))
      #expect((720..<880).contains(b.validation.count))
      #expect(a.train.count + a.validation.count == 4050)
      let header = try Corpus(path: folder + "/a").header
      #expect(header.validationBy == "document" && header.validationFraction == 0.2)
    }
  }

  @Test("duplicates are left out, the first one stays")
  func duplicates() throws {
    try withFolder { folder in
      var builder = CorpusBuilder()
      builder.removesDuplicates = true
      try build(["a", "b", "a", "", "c", "b", "", "a "], folder, "a", builder)
      let found = try contents(folder + "/a").train.map {
        String(decoding: $0.map { UInt8($0) }, as: UTF8.self)
      }
      #expect(found == ["a", "b", "", "c", "a "])
      #expect(try Corpus(path: folder + "/a").header.duplicatesRemoved == 3)
    }
  }

  @Test("appending is building from the whole, split by document")
  func appending() throws {
    try withFolder { folder in
      let (a, b) = (texts(600, seed: 8), texts(300, seed: 9))
      var builder = CorpusBuilder(validation: .byDocument(0.3), level: 1)
      builder.frameBytes = 40_000
      try build(a, folder, "a", builder)
      try build(a + b, folder, "whole", builder)
      try write(jsonLines(b).utf8, to: folder + "/b.jsonl")
      let header = try CorpusMerger.append(CorpusInput.all([folder + "/b.jsonl"]), to: folder + "/a")
      let (appended, whole) = (try contents(folder + "/a"), try contents(folder + "/whole"))
      #expect(appended.train == whole.train && appended.validation == whole.validation)
      #expect(header.validationBy == "document" && header.level == 1 && header.frameBytes == 40_000)
      #expect(header.sources.map(\.name) == ["a.jsonl", "b.jsonl"])
      let left = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix(".") }
      #expect(left.isEmpty)
    }
  }

  @Test(
    "a corpus that another writer is about to replace is waited for by appends, and by nobody else replaced")
  func locked() throws {
    try withFolder { folder in
      try build(["a"], folder, "a", CorpusBuilder())
      try build(["b"], folder, "b", CorpusBuilder())
      let before = try bytes(of: folder + "/a")
      let damaged = try Corpus(path: folder + "/b")
      struct Enough: Error {}
      let lock = try FileLock(folder + "/a")
      withExtendedLifetime(lock) {
        #expect(throws: Enough.self) {
          try CorpusMerger.append(
            CorpusInput.all([folder + "/b.jsonl"]), to: folder + "/a", progress: { _ in throw Enough() })
        }
        #expect(throws: Enough.self) {
          try CorpusMerger.merge(
            [folder + "/a", folder + "/b"], into: folder + "/a", progress: { _ in throw Enough() })
        }
        for work in [
          { try CorpusBuilder().build([folder + "/b.jsonl"], to: folder + "/a") },
          { try damaged.repair(to: folder + "/a").header },
          { try Stories.write(to: folder + "/a", bytes: 100, seed: 1) },
        ] as [() throws -> CorpusHeader] {
          #expect(
            sentence { _ = try work() }.contains("another process that writes it; wait for that process"))
        }
      }
      #expect(try bytes(of: folder + "/a") == before)
      // What was replaced since it was read is not put back.
      try build(["new"], folder, "b", CorpusBuilder())
      #expect(
        sentence { _ = try damaged.repair(to: folder + "/b") }.contains("replaced it after it was read"))
      #expect(try contents(folder + "/b").train == [[110, 101, 119]])
    }
  }

  @Test("appending to a split by tail never moves validation into training")
  func appendingToTail() throws {
    try withFolder { folder in
      try write(String(repeating: "old ", count: 5000).utf8, to: folder + "/a.txt")
      try write(String(repeating: "new ", count: 2500).utf8, to: folder + "/b.txt")
      try CorpusBuilder(validation: .tail(0.1)).build([folder + "/a.txt"], to: folder + "/c")
      let before = try Corpus(path: folder + "/c")
      let kept = try before.read(before.range(of: .validation))
      let header = try CorpusMerger.append(CorpusInput.all([folder + "/b.txt"]), to: folder + "/c")
      let after = try Corpus(path: folder + "/c")
      #expect(header.tokens == 30_000 && header.validationStart == 27_000 && after.verify().isEmpty)
      #expect(try after.read(27_000..<29_000) == kept)
      // The old and the new text are each cut in two by their boundaries.
      #expect(after.documentStarts == [0, 18_000, 27_000, 29_000])
    }
  }

  @Test("merging keeps documents and splits, copies sound frames as they are, and refuses strangers by name")
  func merging() throws {
    try withFolder { folder in
      let (a, b) = (
        documents([300, 0, 500, 41], vocabulary: 300), documents([77, 1000, 0], vocabulary: 300, seed: 2)
      )
      try makeCorpus(folder + "/a", a, vocabulary: 300, validation: .none)
      try makeCorpus(folder + "/b", b, vocabulary: 300, validation: .tailOfDocuments(0.5))
      let header = try CorpusMerger.merge([folder + "/a", folder + "/b"], into: folder + "/m")
      let merged = try contents(folder + "/m")
      let (first, second) = (try contents(folder + "/a"), try contents(folder + "/b"))
      #expect(merged.train == first.train + second.train)
      #expect(merged.validation == first.validation + second.validation)
      #expect(header.validationBy == nil && header.vocabularySize == 300)
      // Into one of its own inputs.
      try CorpusMerger.merge([folder + "/a", folder + "/b"], into: folder + "/a")
      #expect(try bytes(of: folder + "/a") == bytes(of: folder + "/m"))

      try makeCorpus(folder + "/c", b, vocabulary: 301)
      #expect(
        sentence { try CorpusMerger.merge([folder + "/b", folder + "/c"], into: folder + "/x") }
          == "\(folder)/c: its vocabulary has 301 tokens, that of \(folder)/b has 300")
      try write("text".utf8, to: folder + "/a.txt")
      try CorpusBuilder(tokenizer: Pairs()).build([folder + "/a.txt"], to: folder + "/d")
      #expect(
        sentence { try CorpusMerger.merge([folder + "/b", folder + "/d"], into: folder + "/x") }
          .contains("its tokenizer is \"pairs\", that of \(folder)/b is \"bytes\""))
      #expect(
        sentence { try CorpusMerger.append(CorpusInput.all([folder + "/a.txt"]), to: folder + "/d") }
          .contains("does not hold the tokenizer \"pairs\""))
      var damaged = try bytes(of: folder + "/b")
      damaged[60] ^= 4
      try write(damaged, to: folder + "/e")
      #expect(
        sentence { try CorpusMerger.merge([folder + "/e"], into: folder + "/x") }.contains(
          "frame 1 at byte 36"))
      #expect(!FileManager.default.fileExists(atPath: folder + "/x"))
    }
  }
}
