// Inputs of every kind become the documents that they hold.

import Foundation
import RunnelFiles
import RunnelText
import Testing

@testable import RunnelCorpora

@Suite("Building a corpus") struct BuilderTests {
  private func text(of corpus: Corpus, _ document: Int) throws -> String {
    let ids = try corpus.read(corpus.documentRange(document))
    return String(decoding: ids.map { UInt8($0) }, as: UTF8.self)
  }

  @Test("takes .txt as one document, byte for byte, be it UTF-8 or not")
  func plain() throws {
    try withFolder { folder in
      let data: [UInt8] = [0xFF, 0xC3, 0x28, 0, 10, 13] + Array("hé".utf8)
      try write(data, to: folder + "/a.txt")
      try write([], to: folder + "/b.txt")
      let header = try CorpusBuilder().build([folder + "/a.txt", folder + "/b.txt"], to: folder + "/c")
      let corpus = try Corpus(path: folder + "/c")
      #expect(try corpus.read(0..<corpus.count) == data.map { Int32($0) })
      #expect(corpus.documentCount == 2)
      #expect(header.sources.map(\.name) == ["a.txt", "b.txt"])
      #expect(header.sources[0].sha256 == SHA256.hex(of: data) && header.sources[0].bytes == 9)
    }
  }

  @Test("takes each line of .jsonl as a document, escapes and all")
  func jsonLines() throws {
    try withFolder { folder in
      let lines = #"""
        {"text": "one"}

        {"meta": {"a": [1, -2.5e3, true, null, {"text": "no"}]}, "text": "\"two\"\n\u00e9\ud83d\ude00!", "id\ud800": "\udc00"}
        {"text":""}
        """#
      try write(lines.utf8, to: folder + "/a.jsonl")
      try CorpusBuilder().build([folder + "/a.jsonl"], to: folder + "/c")
      let corpus = try Corpus(path: folder + "/c")
      #expect(corpus.documentCount == 3)
      #expect(try text(of: corpus, 0) == "one")
      #expect(try text(of: corpus, 1) == "\"two\"\né😀!")
      #expect(try text(of: corpus, 2) == "")
    }
  }

  @Test("puts long lines together from many reads")
  func longLines() throws {
    try withFolder { folder in
      let words = (0..<300_000).map { "w\($0)" }.joined(separator: " ")
      try write("{\"text\":\"\(words)\"}\r\n{\"text\":\"b\"}".utf8, to: folder + "/a.jsonl")
      try CorpusBuilder().build([folder + "/a.jsonl"], to: folder + "/c")
      let corpus = try Corpus(path: folder + "/c")
      #expect(try text(of: corpus, 0) == words)
      #expect(try text(of: corpus, 1) == "b")
    }
  }

  @Test("reads .zst inputs and notes a cut one")
  func compressed() throws {
    try withFolder { folder in
      let text = Array(String(repeating: "many words of text ", count: 40_000).utf8)
      var frames: [UInt8] = []
      for half in [text[..<400_000], text[400_000...]] {
        try Array(half).withUnsafeBytes { half in
          try ZstdCompressor(level: 1).withFrame(of: half) { frames += $0 }
        }
      }
      try write(frames, to: folder + "/a.txt.zst")
      try CorpusBuilder().build([folder + "/a.txt.zst"], to: folder + "/c")
      let corpus = try Corpus(path: folder + "/c")
      #expect(try corpus.read(0..<corpus.count) == text.map { Int32($0) })
      try write(frames.dropLast(9), to: folder + "/b.txt.zst")
      #expect(
        sentence {
          try CorpusBuilder().build([folder + "/b.txt.zst"], to: folder + "/c")
        }.hasSuffix("ends inside a zstd frame: it was cut short"))
      try write("no zstd at all".utf8, to: folder + "/c.txt.zst")
      #expect(
        sentence {
          try CorpusBuilder().build([folder + "/c.txt.zst"], to: folder + "/c")
        }.contains("does not begin as zstd data does"))
    }
  }

  @Test("encodes long documents in pieces as if whole, and ends each with its token")
  func pieces() throws {
    try withFolder { folder in
      let text = (0..<2_500_001).map { UInt8(truncatingIfNeeded: $0 * 7) }
      try write(text, to: folder + "/a.txt")
      let header = try CorpusBuilder(tokenizer: Pairs()).build([folder + "/a.txt"], to: folder + "/c")
      let corpus = try Corpus(path: folder + "/c")
      #expect(try corpus.read(0..<corpus.count) == Pairs().encode(text))
      #expect(header.dtype == .u32 && header.tokenizer.name == "pairs")
    }
  }

  static let badLines: [(line: String, complaint: String)] = [
    ("{\"text\": 5}", "line 2 at byte 9: expected the text as a string, found '5'"),
    ("{\"txt\": \"a\"}", "line 2 at byte 12: expected a field \"text\", found none"),
    ("[1]", "line 2 at byte 0: expected '{', found '['"),
    ("{\"text\": \"a", "line 2 at byte 11: expected the end of a string, found the end of the document"),
    ("{\"text\": \"a\"} x", "line 2 at byte 14: expected nothing after the document, found 'x'"),
    ("{\"text\": \"\\x\"}", "line 2 at byte 11: expected one of"),
    // Python reads it and cannot encode it as UTF-8, pyarrow and so `datasets` do not read it.
    (
      "{\"text\": \"a\\ud800b\"}",
      "line 2 at byte 17: expected a Unicode character, found half of a surrogate pair"
    ),
    ("{\"text\": \"\\udc00\"}", "found half of a surrogate pair"),
    ("{\"text\": \"\\ud83d\\u0041\"}", "found half of a surrogate pair"),
    ("{\"text\": \"a\", \"b\": 01}", "line 2 at byte 21: expected no 0 before a number"),
    ("{\"b\":" + String(repeating: "[", count: 5000), "expected a value, found the end of the document"),
  ]

  @Test("names the file and the line of bad JSON", arguments: badLines)
  func badJSON(_ bad: (line: String, complaint: String)) throws {
    try withFolder { folder in
      let path = folder + "/a.jsonl"
      try write("{\"text\":\"fine\"}\n\(bad.line)\n".utf8, to: path)
      let message = sentence { try CorpusBuilder().build([path], to: folder + "/c") }
      #expect(message.hasPrefix("\(path): line 2") && message.contains(bad.complaint), "\(message)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a.jsonl"])
    }
  }

  @Test("refuses nothing, folders, strangers and what is not there, in one sentence each")
  func badInputs() throws {
    try withFolder { folder in
      func build(_ inputs: String...) -> String {
        sentence { try CorpusBuilder().build(inputs, to: folder + "/c") }
      }
      try write([], to: folder + "/e.txt")
      #expect(
        build(folder + "/e.txt") == "\(folder)/c: not written: there is no text in \(folder)/e.txt")
      #expect(build() == "\(folder)/c: not written: there is no text in no input")
      #expect(build(folder + "/none.txt").hasSuffix("cannot be opened: No such file or directory"))
      try FileManager.default.createDirectory(
        atPath: folder + "/d.txt", withIntermediateDirectories: true)
      #expect(build(folder + "/d.txt").contains("holds no .txt or .jsonl"))
      #expect(build("notes.doc").hasPrefix("notes.doc: unknown kind of input; expected .txt"))
    }
  }
}
