// What bytes are taken for: text, text in another encoding, packed text, or no text at all.

import Foundation
import RunnelFiles
import Testing

@testable import RunnelCorpora

@Suite("What an input is") struct InputTests {
  static let text = Array("Hé 🦊 said\nhello".utf8)

  static func wide<T: FixedWidthInteger>(_ units: [T], isBigEndian: Bool) -> [UInt8] {
    ([0xFEFF] + units).flatMap { unit in
      withUnsafeBytes(of: isBigEndian ? unit.bigEndian : unit.littleEndian) { Array($0) }
    }
  }

  static func packed(_ bytes: [UInt8]) throws -> [UInt8] {
    try bytes.withUnsafeBytes { try ZstdCompressor(level: 3).withFrame(of: $0) { Array($0) } }
  }

  /// A zstd frame of one raw block, with what stands in its head behind the magic number.
  static func frame(_ head: [UInt8], _ content: [UInt8]) -> [UInt8] {
    let size = UInt32(content.count) << 3 | 1
    return [0x28, 0xB5, 0x2F, 0xFD] + head + (0..<3).map { UInt8(truncatingIfNeeded: size >> (8 * $0)) }
      + content
  }

  /// All of a stream that comes in pieces of `size` bytes.
  static func read(_ bytes: [UInt8], inPiecesOf size: Int, comesLive: Bool) throws -> [UInt8] {
    var stream = TextStream("x", reader: "runnel corpus build OUT -", comesLive: comesLive)
    var rest = bytes[...]
    var text: [UInt8] = []
    while let piece = try stream.next({
      defer { rest = rest.dropFirst(size) }
      return rest.isEmpty ? nil : Array(rest.prefix(size))
    }) { text += piece }
    return text
  }

  static let skippable: [UInt8] = [0x5A, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3]

  static func texts() throws -> [(String, [UInt8])] {
    let string = String(decoding: text, as: UTF8.self)
    let scalars = string.unicodeScalars.map(\.value)
    return [
      ("as it is", text),
      ("behind a byte order mark", [0xEF, 0xBB, 0xBF] + text),
      ("UTF-16LE", wide(Array(string.utf16), isBigEndian: false)),
      ("UTF-16BE", wide(Array(string.utf16), isBigEndian: true)),
      ("UTF-32LE", wide(scalars, isBigEndian: false)),
      ("UTF-32BE", wide(scalars, isBigEndian: true)),
      ("zstd", try packed(text)),
      ("two frames of zstd", try packed(Array(text[..<5])) + packed(Array(text[5...]))),
      ("a skippable frame and zstd", try skippable + packed(text)),
      ("UTF-16 in zstd", try packed(wide(Array(string.utf16), isBigEndian: false))),
      ("a window of 256 MiB", frame([0, 0x90], text)),
    ]
  }

  @Test("text is found in whatever holds it, however the stream is cut, live or not")
  func found() throws {
    for (name, bytes) in try Self.texts() {
      for size in [1, 2, 3, 5, 1000] {
        for live in [false, true] {
          let found = try Self.read(bytes, inPiecesOf: size, comesLive: live)
          #expect(found == Self.text, "\(name), pieces of \(size): \(found)")
        }
      }
    }
    // What is not UTF-8, or begins as something else does, is text all the same.
    for bytes in [
      [], [0xFF], [0xFE], [0xEF, 0xBB], Array("P".utf8), Array("PK is a name".utf8), [0, 1, 2, 0xFF, 0],
    ] {
      #expect(try Self.read(bytes, inPiecesOf: 1, comesLive: true) == bytes)
    }
  }

  @Test("live text is given out as it comes, but for what may yet be the beginning of something else")
  func live() throws {
    var stream = TextStream("x", reader: "", comesLive: true)
    var pieces = ["P", "a", "r"].map { Array($0.utf8) }[...]
    var taken = 0
    func next() throws -> [UInt8]? {
      try stream.next {
        taken += 1
        return pieces.popFirst()
      }
    }
    #expect(try next() == Array("Pa".utf8) && taken == 2)
    #expect(try next() == Array("r".utf8) && taken == 3)
    #expect(try next() == nil)
  }

  static func refused() throws -> [([UInt8], String)] {
    let tar = Array("name".utf8) + [UInt8](repeating: 0, count: 253) + Array("ustar".utf8)
    let corpus = MetadataBlock.preambleFrame(width: 1, vocabularySize: 256)
    return [
      (
        [0x1F, 0x8B, 8, 0],
        "is gzip data, not text; print its text into a pipe: zcat < FILE | runnel corpus build OUT -"
      ),
      ([0xFD] + Array("7zXZ\0".utf8), "xz -dc"), (Array("BZh91AY&SY".utf8), "bzip2 -dc"),
      ([0x04, 0x22, 0x4D, 0x18], "lz4 -dc"), (Array("PK\u{3}\u{4}".utf8), "is a zip archive"),
      (tar, "is a tar archive"), (Array("%PDF-1.7".utf8), "pdftotext"),
      (Array("PAR1".utf8), "is a Parquet file"),
      (Array("SQLite format 3\0".utf8), "SQLite"), (corpus, "is a corpus, not text; `runnel corpus merge`"),
      (try packed(tar), "holds a tar archive"), (try packed([0x1F, 0x8B]), "holds gzip data"),
      (try packed(packed(text)), "zstd data within zstd data"),
      (wide(Array("abcdef".utf16), isBigEndian: false).suffix(12), "iconv -f UTF-16LE -t UTF-8"),
      (wide(Array("abcdef".utf16), isBigEndian: true).suffix(12), "iconv -f UTF-16BE"),
      (wide(Array("abcdef".utf16).map { UInt32($0) }, isBigEndian: false).suffix(24), "iconv -f UTF-32LE"),
      (
        wide([0x61, 0xD800, 0x62] as [UInt16], isBigEndian: false),
        "x: byte 4: is not sound UTF-16LE: expected a character"
      ),
      (wide([0x61] as [UInt16], isBigEndian: true) + [0], "byte 4: is not sound UTF-16BE"),
      (wide([0x61, 0x11_0000] as [UInt32], isBigEndian: false), "byte 8: is not sound UTF-32LE"),
      (try packed(text).dropLast(3), "ends inside a zstd frame"),
      (try packed(text) + [1, 2, 3, 4], "is not sound zstd data"),
      (frame([1, 0x50, 7], text), "needs the dictionary it was packed with"),
      (frame([0, 0xB0], text), "needs a window above 2 GiB"),
    ]
  }

  @Test("what is no text is refused by what it is, with the way to its text")
  func refusals() throws {
    for (bytes, complaint) in try Self.refused() {
      for size in [1, 7, 1000] {
        let message = sentence { _ = try Self.read(bytes, inPiecesOf: size, comesLive: false) }
        #expect(message.contains(complaint) && message.hasPrefix("x: "), "\(message)")
      }
    }
  }

  @Test(
    "a file is judged by its bytes, stdin and names of either case alike, unless it is to be taken as bytes")
  func files() throws {
    try withFolder { folder in
      for name in ["a.txt", "a.TXT", "a.txt.zst", "a.Txt.ZST"] {
        try write(try Self.packed(Self.text), to: folder + "/" + name)
        try CorpusBuilder().build([folder + "/" + name], to: folder + "/c")
        #expect(try Corpus(path: folder + "/c").count == Self.text.count)
      }
      for bytes in [[], Self.text, [0x1F, 0x8B]] {
        try write(bytes, to: folder + "/b.txt.zst")
        #expect(
          sentence { try CorpusBuilder().build([folder + "/b.txt.zst"], to: folder + "/x") }.contains(
            "b.txt.zst: "))
      }
      let gzip: [UInt8] = [0x1F, 0x8B, 8, 0, 0]
      try write(gzip, to: folder + "/g.txt")
      #expect(
        sentence { try CorpusBuilder().build([folder + "/g.txt"], to: folder + "/x") }.contains(
          "--format bytes"))
      #expect(
        sentence { _ = try CorpusInput.all([folder + "/g.txt"], .init(format: .text)) } == "no error",
        "told when it is read")
      let raw = try CorpusInput.all([folder + "/g.txt"], .init(format: .bytes))
      try CorpusBuilder().build(raw, to: folder + "/c")
      #expect(try Corpus(path: folder + "/c").count == gzip.count)
      #expect(!FileManager.default.fileExists(atPath: folder + "/x"))
      for (name, word) in [
        ("a.txt.gz", "zcat"), ("a.jsonl.XZ", "xz -dc < FILE | runnel corpus build OUT - --format jsonl"),
      ] {
        #expect(sentence { _ = try CorpusInput(name) }.contains(word))
      }
      #expect(sentence { _ = try CorpusInput("a.parquet") }.contains("to_json"))
    }
  }

  @Test("what a folder holds and is no text to read is passed over with a word for each reason")
  func folders() throws {
    try withFolder { folder in
      let manager = FileManager.default
      try manager.createDirectory(atPath: folder + "/t/u", withIntermediateDirectories: true)
      try write("upper".utf8, to: folder + "/t/A.TXT")
      for i in 1...5 { try write("x".utf8, to: folder + "/t/\(i).md") }
      try write([0x89] + Array("PNG\r\n".utf8), to: folder + "/t/u/i.png")
      #expect(mkfifo(folder + "/t/pipe.txt", 0o600) == 0)
      try manager.createSymbolicLink(atPath: folder + "/t/gone.txt", withDestinationPath: "nowhere")
      try manager.createSymbolicLink(atPath: folder + "/t/u/up", withDestinationPath: "..")
      try manager.createSymbolicLink(atPath: folder + "/t/self.txt", withDestinationPath: "self.txt")
      // A name in Latin-1, which is not UTF-8: it is shown with its byte in hexadecimal.
      let latin = Array((folder + "/t/caf").utf8) + [0xE9] + Array(".txt".utf8)
      let descriptor = latin.withPath { open($0, O_WRONLY | O_CREAT, 0o600) }
      #expect(descriptor >= 0 && Foundation.write(descriptor, "café", 5) == 5 && close(descriptor) == 0)

      var notes: [String] = []
      let found = try CorpusInput.all([folder + "/t"]) { notes.append($0) }
      #expect(found.map(\.name) == ["A.TXT", #"caf\xe9.txt"#])
      #expect(notes.count == 5, "\(notes)")
      for words in [
        ["1.md, 2.md, 3.md and 2 more", "of another name"], ["u/i.png: a PNG image by its name"],
        ["pipe.txt: a pipe"],
        ["gone.txt, self.txt: a link to nothing"], ["u/up: a link to a folder"],
      ] {
        #expect(notes.contains { note in words.allSatisfy { note.contains($0) } }, "\(words) \(notes)")
      }
      try CorpusBuilder().build(found, to: folder + "/c")
      let corpus = try Corpus(path: folder + "/c")
      #expect(corpus.documentCount == 2 && corpus.count == 10)
      #expect(corpus.header.sources.map(\.name) == found.map(\.name))

      notes = []
      let all = try CorpusInput.all([folder + "/t"], .init(format: .text)) { notes.append($0) }
      #expect(all.count == 7 && notes.contains { $0.contains("u/i.png: it is a PNG image, not text") })
    }
  }

  @Test("bad lines end the work, or are left out and counted with the first one's fault")
  func badLines() throws {
    try withFolder { folder in
      let lines = #"""
        {"text": "a", "score": NaN, "deep": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}
        {"text": 3}
        not json
        {"bytes": "62ff"}

        {"text": "c"
        {"text": "d", "bytes": "no"}
        """#
      try write(lines.utf8, to: folder + "/a.jsonl")
      #expect(
        sentence { try CorpusBuilder().build([folder + "/a.jsonl"], to: folder + "/c") }.contains("line 2 at")
      )
      let inputs = try CorpusInput.all([folder + "/a.jsonl"], .init(skipsBadLines: true))
      var bad: [BadLines] = []
      try CorpusBuilder().build(inputs, to: folder + "/c", badLines: { bad.append($0) })
      let corpus = try Corpus(path: folder + "/c")
      #expect(try (0..<3).map { try corpus.read(corpus.documentRange($0)) } == [[97], [98, 255], [100]])
      #expect(corpus.documentCount == 3 && bad.map(\.count) == [3])
      #expect(bad.first?.first?.place == "line 2 at byte 9")
      var documents = 0
      let skipped = try CorpusInput.readDocuments(of: inputs, progress: { _ in }) { event in
        if case .end = event { documents += 1 }
      }
      #expect(skipped == bad.first && documents == 3)
    }
  }

  @Test("blank lines between documents of one line are counted, however the text is cut")
  func blankLines() throws {
    let cases: [(text: String, documents: Int, blank: Int)] = [
      ("Hi\nyo", 2, 0), ("Hi\nyo\n", 2, 0), ("Hi\r\nyo\r\n", 2, 0), ("Hi\n\nyo\n", 2, 1),
      ("\n\nHi\n\n\nyo\n \n\n", 3, 5), ("Hi\r\n\r\nyo", 2, 1), ("\n", 0, 1), ("", 0, 0),
      ("a" + String(repeating: "\n", count: 1000) + "b", 2, 999),
    ]
    try withFolder { folder in
      for (text, documents, blank) in cases {
        try write(text.utf8, to: folder + "/a.txt")
        for (cut, expected) in [(CorpusInput.Documents.line, blank), (.paragraph, 0), (.file, 0)] {
          let inputs = try CorpusInput.all([folder + "/a.txt"], .init(documents: cut))
          var starts = 0
          let left = try CorpusInput.readDocuments(of: inputs, progress: { _ in }) { event in
            if case .start = event { starts += 1 }
          }
          #expect(left.blank == expected && left.count == 0, "\(text.debugDescription), \(cut)")
          guard cut == .line else { continue }
          #expect(starts == documents)
          var told = BadLines()
          if documents > 0 {
            try CorpusBuilder().build(inputs, to: folder + "/c", badLines: { told = $0 })
            #expect(told == left)
          }
        }
        for size in 1...3 {
          var cutter = DocumentCutter(
            try CorpusInput.all([folder + "/a.txt"], .init(documents: .line))[0])
          let bytes = Array(text.utf8)
          for first in stride(from: 0, to: bytes.count, by: size) {
            try Array(bytes[first..<min(first + size, bytes.count)]).withUnsafeBytes {
              try cutter.take($0) { _ in }
            }
          }
          try cutter.finish { _ in }
          #expect(cutter.blankLines == blank, "\(text.debugDescription) in pieces of \(size)")
        }
      }
    }
  }

  @Test("a line of JSON too long to be held is told with its number, or left out and counted")
  func longLines() throws {
    try withFolder { folder in
      let long = String(repeating: "x", count: 600_000)
      let lines =
        #"{"text": "a"}"# + "\nno json\n" + #"{"text": "\#(long)"}"# + "\n" + #"{"text": "b"}"# + "\n" + long
      try write(lines.utf8, to: folder + "/a.jsonl")
      func inputs(skipping: Bool) throws -> [CorpusInput] {
        var inputs = try CorpusInput.all([folder + "/a.jsonl"], .init(skipsBadLines: skipping))
        inputs[0].longestLine = 300_000
        return inputs
      }
      let strict = try inputs(skipping: false).map { input in
        var input = input
        input.path = folder + "/b.jsonl"
        return input
      }
      try write("\n\(long)\n".utf8, to: folder + "/b.jsonl")
      let complaint = "b.jsonl: line 2: expected at most 300000 bytes, found more"
      #expect(sentence { try CorpusBuilder().build(strict, to: folder + "/c") }.contains(complaint))
      #expect(
        sentence { _ = try CorpusInput.readDocuments(of: strict, progress: { _ in }) { _ in } }.contains(
          complaint))

      var bad: [BadLines] = []
      try CorpusBuilder().build(inputs(skipping: true), to: folder + "/c", badLines: { bad.append($0) })
      let corpus = try Corpus(path: folder + "/c")
      #expect(try (0..<2).map { try corpus.read(corpus.documentRange($0)) } == [[97], [98]])
      #expect(corpus.documentCount == 2 && bad.map(\.count) == [3])
      #expect(bad.first?.first?.place.hasPrefix("line 2") == true)
      var text: [UInt8] = []
      let skipped = try CorpusInput.readDocuments(of: inputs(skipping: true), progress: { _ in }) { event in
        if case .bytes(let bytes) = event { text += bytes }
      }
      #expect(skipped == bad.first && text == [97, 98])
    }
  }

  static let scripts = [
    "Съешь же ещё этих мягких французских булок — да выпей чаю.\n",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.\n", "Zażółć gęślą jaźń — „tak”, rzekł.\n",
    "דג סקרן שט בים מאוכזב ולפתע מצא חברה.\n", "نص حكيم له سر قاطع وذو شأن عظيم.\n",
    "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का।\n", "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า\n",
    "키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다.\n",
    "いろはにほへと ちりぬるを 我が世誰ぞ常ならむ。有為の奥山\n",
    "天地玄黃，宇宙洪荒。日月盈昃，辰宿列張。寒來暑往，秋收冬藏。閏餘成歲，律呂調陽。雲騰致雨，露結為霜。\n",
    "🦊🐻 emoji are pairs 🎉 of units; ŵords too 🌍\n",
  ]

  @Test("wide text of any script is known without a mark, in either order", arguments: scripts)
  func unmarked(text: String) {
    for copies in [1, 20] {
      let text = String(repeating: text, count: copies)
      for big in [false, true] {
        let order = big ? "BE" : "LE"
        let narrow = Array(Self.wide(Array(text.utf16), isBigEndian: big).dropFirst(2))
        #expect(
          sentence { _ = try Self.read(narrow, inPiecesOf: 1000, comesLive: false) }.contains(
            "iconv -f UTF-16\(order)"))
        let wide = Array(Self.wide(text.unicodeScalars.map(\.value), isBigEndian: big).dropFirst(4))
        #expect(
          sentence { _ = try Self.read(wide, inPiecesOf: 1000, comesLive: false) }.contains(
            "iconv -f UTF-32\(order)"))
      }
    }
  }

  @Test(
    "text in bytes is never taken for wide text: UTF-8 of every script, with a stray control, and older encodings"
  )
  func neverWide() throws {
    var random = SplitMix64(seed: 7)
    var cases = Self.scripts.flatMap { text in [text, text + "\0", "\u{1}" + text].map { Array($0.utf8) } }
    cases += ["a\tb\tc\td\te\tf\tg\th\ti\tj\n", "\u{1B}[1mbold\u{1B}[0m and not", "one\u{C}two\u{C}three"].map
    {
      Array($0.utf8)
    }
    // Random characters of one block, and of all.
    for _ in 0..<300 {
      let (start, size) = random.next(below: 2) == 0 ? (0x20, 0xD7E0) : (random.next(below: 0xD700), 0x100)
      let scalars = (0..<1 + random.next(below: 300)).compactMap { _ in
        Unicode.Scalar(UInt32(max(0x20, start + random.next(below: size))))
      }
      cases.append(scalars.reduce(into: []) { $0 += Array(String($1).utf8) })
    }
    let encodings: [String.Encoding] = [
      .windowsCP1251, .windowsCP1253, .isoLatin2, .japaneseEUC, .shiftJIS,
    ]
    for text in Self.scripts {
      for encoding in encodings {
        text.data(using: encoding, allowLossyConversion: true).map { cases.append(Array($0)) }
      }
    }
    // GBK, EUC-KR and Big5 have pairs of such bytes.
    for (first, second) in [
      (0xB0...0xF7, 0xA1...0xFE), (0xB0...0xC8, 0xA1...0xFE), (0xA4...0xC6, 0x40...0x7E),
    ] {
      cases.append(
        (0..<200).flatMap { i in
          i % 17 == 16 ? [0x0A] : [first, second].map { UInt8($0.lowerBound + random.next(below: $0.count)) }
        })
    }
    for bytes in cases {
      for copies in [1, 9] {
        let bytes = Array(repeatElement(bytes, count: copies).joined())
        #expect(
          FirstBytes(bytes, isAll: true) == .text(mark: 0),
          "\(String(decoding: bytes, as: UTF8.self).prefix(40))")
      }
    }
  }
}
