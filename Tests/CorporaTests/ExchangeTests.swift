// Other trainers' token files become corpora and corpora become them.

import Foundation
import RunnelFiles
import Testing

@testable import RunnelCorpora

@Suite("Exchange with other trainers") struct ExchangeTests {
  private func importing(
    _ inputs: [String], to path: String, vocabulary: Int = 50_257, validationInputs: [String] = [],
    format: TokenFileFormat? = nil, element: TokenFileElement? = nil,
    boundary: CorpusImporter.Boundary = .file, validation: ValidationSplit = .none
  ) throws -> Corpus {
    _ = try CorpusImporter.build(
      CorpusWriter(path: path, tokenizer: .init(name: "ids"), vocabularySize: vocabulary), inputs: inputs,
      validationInputs: validationInputs, format: format, element: element, boundary: boundary,
      validation: validation)
    return try Corpus(path: path)
  }

  private func little<T: FixedWidthInteger>(_ values: [T]) -> [UInt8] {
    var bytes: [UInt8] = []
    for value in values { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
    return bytes
  }

  private func contents(_ corpus: Corpus) throws -> [[Int32]] {
    try (0..<corpus.documentCount).map { try corpus.read(corpus.documentRange($0)) }
  }

  @Test("nanoGPT's files: bare ids, documents ended by a token, val.bin as the validation split")
  func nanogpt() throws {
    try withFolder { folder in
      try write(little([5, 6, 50256, 7, 50256, 8] as [UInt16]), to: folder + "/train.bin")
      try write(little([9, 50256, 50256] as [UInt16]), to: folder + "/val.bin")
      let corpus = try importing(
        [folder + "/train.bin"], to: folder + "/c", validationInputs: [folder + "/val.bin"],
        boundary: .end(50256))
      #expect(try contents(corpus) == [[5, 6, 50256], [7, 50256], [8], [9, 50256], [50256]])
      #expect(corpus.range(of: .validation) == 6..<9)
      #expect(corpus.header.sources.map(\.name) == ["train.bin", "val.bin"])
      #expect(corpus.header.sources[0].sha256 == SHA256.hex(of: try bytes(of: folder + "/train.bin")))
      let whole = try importing([folder + "/train.bin"], to: folder + "/d", validation: .tail(0.5))
      #expect(try contents(whole) == [[5, 6, 50256, 7, 50256, 8]] && whole.range(of: .validation) == 3..<6)
    }
  }

  @Test("llm.c's files, of both widths, documents begun by a token")
  func llmc() throws {
    try withFolder { folder in
      func head(_ magic: Int32, _ version: Int32, _ count: Int32) -> [UInt8] {
        little([magic, version, count] + [Int32](repeating: 0, count: 253))
      }
      let gpt2 = folder + "/gpt2.bin", llama = folder + "/llama.bin"
      try write(head(20_240_520, 1, 5) + little([50256, 1, 2, 50256, 3] as [UInt16]), to: gpt2)
      try write(head(20_240_801, 7, 3) + little([128_000, 4, 128_000] as [UInt32]), to: llama)
      #expect(
        try contents(importing([gpt2], to: folder + "/a", boundary: .start(50256)))
          == [[50256, 1, 2], [50256, 3]])
      let wide = try importing([llama], to: folder + "/b", vocabulary: 128_256, boundary: .start(128_000))
      #expect(try contents(wide) == [[128_000, 4], [128_000]])

      try write(head(20_240_520, 1, 6) + little([1, 2] as [UInt16]), to: gpt2)
      #expect(
        sentence { _ = try importing([gpt2], to: folder + "/e") }
          .contains("the header counts 6 ids, the file has room for 2"))
      try write(head(20_240_520, 9, 2) + little([1, 2] as [UInt16]), to: gpt2)
      #expect(sentence { _ = try importing([gpt2], to: folder + "/e") }.contains("version 9 of llm.c's"))
    }
  }

  /// An index as Megatron writes it.
  private func index(
    code: UInt8, lengths: [Int32], places: [Int64], documents: [Int64], modes: [UInt8] = [],
    count: UInt64? = nil
  ) -> [UInt8] {
    Array("MMIDIDX\0\0".utf8) + little([UInt64(1)]) + [code] + little([count ?? UInt64(lengths.count)])
      + little([UInt64(documents.count)]) + little(lengths) + little(places) + little(documents) + modes
  }

  @Test("Megatron's pairs: several sequences to a document, documents without any, with and without modes")
  func megatron() throws {
    try withFolder { folder in
      let data = folder + "/web.bin"
      try write(little([1, 2, 3, 4, 5, 6] as [Int32]), to: data)
      let sequences = index(
        code: 4, lengths: [2, 1, 0, 3], places: [0, 8, 12, 12], documents: [0, 2, 3, 4])
      for modes in [[], [0, 0, 0, 0]] as [[UInt8]] {
        try write(sequences + modes, to: folder + "/web.idx")
        #expect(try contents(importing([data], to: folder + "/c")) == [[1, 2, 3], [], [4, 5, 6]])
      }
      // An id that tells documents divides those of the file, and begins or ends no second one where they do.
      for (boundary, documents) in [
        (.start(4), [[1, 2, 3], [], [4, 5, 6]]), (.start(5), [[1, 2, 3], [], [4], [5, 6]]),
        (.start(1), [[1, 2, 3], [], [4, 5, 6]]), (.end(3), [[1, 2, 3], [], [4, 5, 6]]),
        (.end(1), [[1], [2, 3], [], [4, 5, 6]]),
      ] as [(CorpusImporter.Boundary, [[Int32]])] {
        let divided = try contents(importing([data], to: folder + "/c", boundary: boundary))
        #expect(divided == documents, "\(boundary)")
      }
      // The file says the type of its ids.
      #expect(try contents(importing([data], to: folder + "/c", element: .i32)).count == 3)
      #expect(
        sentence { _ = try importing([data], to: folder + "/c", element: .u16) }
          .contains("here i32; leave --dtype out"))
      // Boundaries without a sequence between them are empty documents.
      try write(
        index(code: 4, lengths: [2, 4], places: [0, 8], documents: [0, 0, 1, 1, 2, 2]),
        to: folder + "/web.idx")
      #expect(
        try contents(importing([folder + "/web.idx"], to: folder + "/c")) == [
          [], [1, 2], [], [3, 4, 5, 6], [],
        ])

      // What is said twice is compared: places with lengths, the end with the file of ids, boundaries with sequences.
      let whole = [6] as [Int32]
      let wrong: [(bytes: [UInt8], complaint: String)] = [
        (index(code: 6, lengths: [1], places: [0], documents: [0, 1]), "type code 6 are not whole numbers"),
        (index(code: 4, lengths: [7], places: [0], documents: [0, 1]), "sequence 0 has 7 ids at byte 0"),
        (index(code: 4, lengths: [-1], places: [0], documents: [0, 1]), "sequence 0 has -1 ids"),
        (index(code: 4, lengths: [6], places: [-8], documents: [0, 1]), "sequence 0 lies at byte 1844"),
        (
          index(code: 4, lengths: [2, 2], places: [0, 8], documents: [0, 1, 2]),
          "end at byte 16, web.bin has 24"
        ),
        (index(code: 4, lengths: [], places: [], documents: [0]), "end at byte 0, web.bin has 24"),
        (
          index(code: 4, lengths: [2, 4], places: [0, 12], documents: [0, 1, 2]),
          "lies at byte 12, the one before ends at 8"
        ),
        (
          index(code: 4, lengths: [2, 4], places: [16, 0], documents: [0, 1, 2]),
          "lies at byte 16, the one before ends at 0"
        ),
        (
          index(code: 4, lengths: [4, 4], places: [0, 8], documents: [0, 1, 2]),
          "sequence 1 has 4 ids at byte 16"
        ),
        (index(code: 4, lengths: [2, 4], places: [0, 7], documents: [0, 1, 2]), "lies at byte 7"),
        (
          index(code: 4, lengths: [2, 4], places: [0, 8], documents: [0, 1]),
          "ends with sequence 1, expected 2"
        ),
        (index(code: 4, lengths: [2, 4], places: [0, 8], documents: []), "does not begin with sequence 0"),
        (
          index(code: 4, lengths: [2, 4], places: [0, 8], documents: [1, 2]), "does not begin with sequence 0"
        ),
        (index(code: 4, lengths: [2, 4], places: [0, 8], documents: [0, 2, 1]), "begins with sequence 1"),
        (
          index(code: 4, lengths: [2, 4], places: [0, 8], documents: [0, 2, 3]),
          "ends with sequence 3, there are 2"
        ),
        (
          index(code: 4, lengths: whole, places: [0], documents: [0, 1], modes: [1]),
          "sequence 0 has the mode 1"
        ),
        (index(code: 4, lengths: [1], places: [0], documents: [0], count: 1 << 62), "do not fit a file of"),
        (Array("MMIDIDX".utf8), "too few"),
        ([UInt8](repeating: 7, count: 99), "does not begin with MMIDIDX"),
      ]
      for (bytes, complaint) in wrong {
        try write(bytes, to: folder + "/web.idx")
        let message = sentence { _ = try importing([data], to: folder + "/e") }
        #expect(message.contains(complaint), "\(message)")
        #expect(message.hasPrefix(folder + "/web.idx: "))
      }
    }
  }

  @Test("every type of id, and ids that no vocabulary has")
  func elements() throws {
    try withFolder { folder in
      let files: [(TokenFileElement, [UInt8])] = [
        (.u8, [1, 200]), (.i8, [1, 2]), (.i16, little([1, 300] as [Int16])),
        (.u16, little([1, 40_000] as [UInt16])),
        (.i32, little([1, 40_000] as [Int32])), (.u32, little([1, 40_000] as [UInt32])),
        (.i64, little([1, 40_000] as [Int64])),
      ]
      for (element, bytes) in files {
        try write(bytes, to: folder + "/a.bin")
        let corpus = try importing([folder + "/a.bin"], to: folder + "/c", element: element)
        #expect(try corpus.read(0..<2) == element.ids(in: bytes) && corpus.count == 2)
      }
      try write(little([1, 1 << 40] as [Int64]), to: folder + "/a.bin")
      #expect(
        sentence { _ = try importing([folder + "/a.bin"], to: folder + "/c", element: .i64) }
          == "\(folder)/a.bin: byte 8: expected ids of i64 below 50257, found one that is negative or does not fit "
          + "31 bits; is the vocabulary right?")
      try write(little([1, 50_257] as [UInt16]), to: folder + "/a.bin")
      #expect(
        sentence { _ = try importing([folder + "/a.bin"], to: folder + "/c") }
          .contains("/a.bin: byte 2: expected ids of u16 below 50257, found 50257"))
      try write([1, 2, 3], to: folder + "/a.bin")
      #expect(
        sentence { _ = try importing([folder + "/a.bin"], to: folder + "/c") }
          .contains("3 bytes are no whole number of 2-byte ids"))
    }
  }

  @Test(
    "a type of ids that does not fit nanoGPT's file is refused in both directions, and so is a file of the other type"
  )
  func widths() throws {
    try withFolder { folder in
      let original = documents([100], vocabulary: 70_000)
      try makeCorpus(folder + "/c", original, vocabulary: 70_000, validation: .none)
      let corpus = try Corpus(path: folder + "/c")
      for element in [nil, .u16] as [TokenFileElement?] {
        #expect(
          sentence { try corpus.export(to: folder + "/x", as: .nanogpt, element: element) }
            .contains("ids below 70000 do not fit nanoGPT's file of u16; --dtype u32"))
      }
      #expect(
        sentence { try corpus.export(to: folder + "/x", as: .llmc, element: .u16) }.contains(
          "leave --dtype out"))
      #expect(!FileManager.default.fileExists(atPath: folder + "/x"))
      try corpus.export(to: folder + "/wide", as: .nanogpt, element: .u32)
      #expect(
        sentence { _ = try importing([folder + "/wide"], to: folder + "/d", vocabulary: 70_000) }
          .contains("say --dtype u16 or u32"))
      let back = try importing([folder + "/wide"], to: folder + "/d", vocabulary: 70_000, element: .u32)
      #expect(try contents(back) == original)
      try write(little((0..<100).map { UInt32($0) }), to: folder + "/wide")
      #expect(
        sentence { _ = try importing([folder + "/wide"], to: folder + "/d") }
          .contains("every other id of 2 bytes is 0, as in a file of 4 bytes each; say --dtype"))
      #expect(try importing([folder + "/wide"], to: folder + "/d", element: .u16).count == 200)
    }
  }

  /// How files of other kinds begin, and words of what is said of them.
  private static let others: [(beginning: [UInt8], words: [String])] = [
    ([0x93] + Array("NUMPY\u{1}\0v\0{'descr': '<u2'".utf8), ["a NumPy array", "tofile()"]),
    (Array("PK\u{3}\u{4}".utf8), ["a zip archive", "unzip -p FILE > ids.bin"]),
    ([0x1F, 0x8B, 8, 0], ["gzip data", "zcat < FILE > ids.bin"]),
    ([0x28, 0xB5, 0x2F, 0xFD], ["zstd data", "zstd -dc FILE > ids.bin"]),
    (Array("PAR1".utf8), ["a Parquet file"]),
    ([0x40, 4, 0, 0, 0, 0, 0, 0] + Array("{\"a\":{".utf8), ["a model"]),
    ([0x52, 0x2A, 0x4D, 0x18, 2, 0, 0, 0] + Array("RNLB".utf8), ["a corpus", "runnel corpus merge"]),
    ([0x88, 0xD8, 0x34, 0x01, 1, 0, 0, 0], ["llm.c"]),
    (Array("Once upon a time there was a naïve fox, and it ran.\n".utf8), ["text", "runnel corpus build"]),
  ]

  @Test(
    "what is no file of bare ids is not taken for one, unless that is asked for", arguments: others.indices)
  func otherKinds(index: Int) throws {
    let (beginning, words) = Self.others[index]
    try withFolder { folder in
      let data = folder + "/data"
      // A whole number of ids, and a safetensors file that has room for its header.
      let ids =
        beginning + [UInt8](repeating: 32, count: beginning.count % 2 + (words == ["a model"] ? 64 : 0))
      try write(ids, to: data)
      let error = #expect(throws: CorpusError.self) {
        try importing([data], to: folder + "/c", vocabulary: 1 << 16)
      }
      for word in words + ["no bare ids", "--format nanogpt"] {
        #expect(error?.description.contains(word) == true, "\(String(describing: error))")
      }
      #expect(!FileManager.default.fileExists(atPath: folder + "/c"))
      let corpus = try importing([data], to: folder + "/d", vocabulary: 1 << 16, format: .nanogpt)
      #expect(corpus.count == ids.count / 2)
    }
  }

  @Test("bytes of text in one byte each are ids, and short or small ids are no text")
  func textBytes() throws {
    try withFolder { folder in
      let text = Array("Once upon a time there was a fox, and it ran.".utf8), data = folder + "/data"
      try write(text, to: data)
      #expect(try contents(importing([data], to: folder + "/a", element: .u8)) == [text.map(Int32.init)])
      try write(little(text.map(UInt16.init)), to: data)
      #expect(try contents(importing([data], to: folder + "/b")) == [text.map(Int32.init)])
    }
  }

  @Test("the id that ends documents is recorded where it ends one, in any format")
  func recordedEnd() throws {
    try withFolder { folder in
      let cases: [(ids: [UInt16], boundary: CorpusImporter.Boundary, end: Int32?)] = [
        ([5, 6, 0, 7, 0], .end(0), 0),
        // A file that was cut ends without it.
        ([5, 6, 0, 7], .end(0), 0), ([5, 6, 7], .end(0), nil), ([0, 5, 6, 0, 7], .start(0), nil),
        ([0, 5, 6, 0, 7], .file, nil),
      ]
      for (ids, boundary, end) in cases {
        try write(little(ids), to: folder + "/ids")
        let corpus = try importing([folder + "/ids"], to: folder + "/c", boundary: boundary)
        #expect(corpus.header.endOfDocument == end, "\(ids), \(boundary)")
      }
    }
  }

  @Test("an export says how often the id that ends documents stands inside them")
  func insideEnds() throws {
    try withFolder { folder in
      try makeCorpus(folder + "/plain", [[1, 2, 1], [], [3], [1]], vocabulary: 9)
      var writer = try CorpusWriter(path: folder + "/ended", vocabularySize: 9)
      for document: [Int32] in [[1, 2, 1], [3, 1], [1, 1, 1]] {
        writer.beginDocument()
        try writer.append(document)
      }
      try writer.finish(endOfDocument: 1)
      func inside(_ name: String, _ format: TokenFileFormat, _ end: Int32?) throws -> [Int] {
        var told: [Int] = []
        try Corpus(path: folder + "/" + name).export(
          to: folder + "/out.bin", as: format, documentEnd: end, insideEnds: { told.append($0) })
        return told
      }
      for format in [TokenFileFormat.nanogpt, .llmc] {
        #expect(try inside("plain", format, 1) == [3])
        #expect(try inside("plain", format, 8) == [])
        #expect(try inside("plain", format, nil) == [])
        #expect(try inside("ended", format, nil) == [3])
        #expect(try inside("ended", format, 3) == [1])
      }
      // It says its documents itself.
      #expect(try inside("plain", .megatron, 1) == [])
    }
  }

  @Test("import(export(corpus)) = corpus, documents too", arguments: TokenFileFormat.allCases, [200, 70_000])
  func roundTrip(format: TokenFileFormat, vocabulary: Int) throws {
    try withFolder { folder in
      let original = documents([0, 40, 1, 0, 0, 300, 7, 0, 0], vocabulary: vocabulary - 1)
      try makeCorpus(folder + "/c", original, vocabulary: vocabulary, validation: .tailOfDocuments(0.3))
      let corpus = try Corpus(path: folder + "/c")
      let end = Int32(vocabulary - 1)
      for split in Corpus.Split.allCases {
        let out = folder + "/\(split).bin"
        let element: TokenFileElement = vocabulary > 1 << 16 ? .u32 : .u16
        let count = try corpus.export(
          split, to: out, as: format, element: format == .nanogpt ? element : nil, documentEnd: end)
        let back = try importing(
          [out], to: folder + "/back", vocabulary: vocabulary, element: format == .nanogpt ? element : nil,
          boundary: .end(end))
        let range = corpus.range(of: split)
        let expected = (0..<corpus.documentCount)
          .filter { index in
            let start = corpus.documentStarts[index]
            // Empty documents behind the last token are of the split that ends there.
            return range.contains(start) || start == corpus.count && range.upperBound == start
          }
          .map { original[$0] + [end] }
        #expect(try contents(back) == expected)
        #expect(back.count == count)
      }
      let element: TokenFileElement = vocabulary > 1 << 16 ? .u32 : .u16
      try corpus.export(to: folder + "/bare.bin", as: .nanogpt, element: element)
      let bare = try bytes(of: folder + "/bare.bin")
      #expect(element.ids(in: bare) == original.flatMap { $0 })
      #expect(
        sentence { try corpus.export(to: folder + "/x", as: format, documentEnd: Int32(vocabulary)) }
          .contains("is outside the vocabulary"))
    }
  }
}
