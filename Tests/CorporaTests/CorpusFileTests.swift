// What is written is what is read, by us and by the stock tool.

import Foundation
import RunnelFiles
import Testing

@testable import RunnelCorpora

@Suite("The corpus file") struct CorpusFileTests {
  static let shapes: [(vocabulary: Int, type: CorpusHeader.TokenType)] = [
    (256, .u8), (200, .u8), (257, .u16), (65536, .u16), (65537, .u32), (1 << 31, .u32),
  ]

  @Test("gives back every document, whatever the width of its ids", arguments: shapes)
  func roundTrip(_ shape: (vocabulary: Int, type: CorpusHeader.TokenType)) throws {
    try withFolder { folder in
      let path = folder + "/a.tokens.zst"
      let texts = documents([5, 0, 300, 1, 0, 0, 64, 700, 0], vocabulary: shape.vocabulary)
      let header = try makeCorpus(path, texts, vocabulary: shape.vocabulary)
      let corpus = try Corpus(path: path)
      #expect(corpus.header == header)
      #expect(header.dtype == shape.type)
      #expect(corpus.documentCount == texts.count)
      #expect(corpus.frames.count > 10)
      for (i, text) in texts.enumerated() {
        #expect(try corpus.read(corpus.documentRange(i)) == text)
      }
      #expect(try corpus.read(0..<corpus.count) == texts.flatMap(\.self))
      #expect(corpus.verify().isEmpty)
      #expect(corpus.range(of: .train) == 0..<802 && corpus.range(of: .validation).count == 268)
    }
  }

  @Test("decodes with zstd -dc to the bare little-endian ids", arguments: shapes)
  func stockTool(_ shape: (vocabulary: Int, type: CorpusHeader.TokenType)) throws {
    try withFolder { folder in
      let path = folder + "/a.tokens.zst"
      let texts = documents([500, 0, 33], vocabulary: shape.vocabulary)
      try makeCorpus(path, texts, vocabulary: shape.vocabulary)
      guard let decoded = try zstd(["-dqc", path]) else { return }
      var expected: [UInt8] = []
      for id in texts.joined() {
        for byte in 0..<shape.type.width { expected.append(UInt8(id >> Int32(8 * byte) & 0xFF)) }
      }
      #expect(decoded == expected)
    }
  }

  @Test("reads random ranges as slices of the whole, from many threads")
  func randomAccess() async throws {
    let folder = NSTemporaryDirectory() + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = folder + "/a.tokens.zst"
    let all = documents([9000], vocabulary: 300)[0]
    try makeCorpus(path, [all], vocabulary: 300, frameBytes: 256)
    let corpus = try Corpus(path: path, cacheBytes: 1024)  // four frames: most reads miss
    try await withThrowingTaskGroup(of: Void.self) { group in
      for seed in 0..<4 {
        group.addTask {
          var random = SplitMix64(seed: UInt64(seed))
          var ids: [Int32] = []
          for _ in 0..<500 {
            let first = random.next(below: 9001)
            let range = first..<first + random.next(below: min(600, 9001 - first))
            try corpus.read(range, into: &ids)
            #expect(ids == all[range].map { Int32($0) })
          }
        }
      }
      try await group.waitForAll()
    }
  }

  @Test("knows which document holds a token and which start in a range")
  func documentLookup() throws {
    try withFolder { folder in
      let path = folder + "/a.tokens.zst"
      try makeCorpus(path, documents([3, 0, 4, 5], vocabulary: 256))
      let corpus = try Corpus(path: path)
      #expect(corpus.documentStarts == [0, 3, 3, 7])
      #expect(try (0..<12).map(corpus.document) == [0, 0, 0, 2, 2, 2, 2, 3, 3, 3, 3, 3])
      #expect(Array(corpus.documentStarts(in: 1..<7)) == [3, 3])
      #expect(Array(corpus.documentStarts(in: 0..<8)) == [0, 3, 3, 7])
      #expect(sentence { _ = try corpus.documentRange(4) }.hasSuffix("it holds 0..<4"))
      #expect(sentence { _ = try corpus.read(3..<13) }.hasSuffix("asked for, it holds 0..<12"))
    }
  }

  @Test("keeps many documents in several blocks")
  func manyDocuments() throws {
    var blocks = DocumentBlocks()
    let count = Limits.documentsPerBlock + 5
    for i in 0..<count { blocks.append(i * 3) }
    blocks.close()
    var starts: [Int] = []
    for frame in blocks.frames {
      guard case .documents(let first, let some) = try MetadataBlock(payload: Array(frame[8...]))
      else { continue }
      #expect(first == starts.count)
      starts += some
    }
    #expect(blocks.frames.count == 2 && starts == (0..<count).map { $0 * 3 })
  }

  @Test("splits exactly: 1,115,394 tokens with 0.1 train on 1,003,854")
  func splits() throws {
    try withFolder { folder in
      func start(_ count: Int, _ split: ValidationSplit) throws -> Int {
        var writer = try CorpusWriter(path: folder + "/a")
        for _ in 0..<count / 1000 { try writer.append([Int32](repeating: 7, count: 1000)) }
        try writer.append([Int32](repeating: 7, count: count % 1000))
        return try writer.finish(validation: split).validationStart
      }
      #expect(try start(1_115_394, .tail(0.1)) == 1_003_854)
      #expect(try start(10, .tail(0.9)) == 1)
      #expect(try start(1000, .tail(0.3)) == 700)
      #expect(try start(10, .none) == 10)
      #expect(try start(10, .tail(0)) == 10)
      #expect(sentence { _ = try start(9, .tail(1)) }.contains("fraction of 1.0 is not in 0 ..< 1"))
      #expect(sentence { _ = try start(9, .tailOfDocuments(0.1)) }.contains("no document boundary"))
      let header = try makeCorpus(
        folder + "/b", documents([50, 30, 20], vocabulary: 256), validation: .tailOfDocuments(0.1))
      #expect(header.validationStart == 80)
    }
  }

  @Test("is the same bytes for the same tokens")
  func deterministic() throws {
    try withFolder { folder in
      for name in ["a", "b"] {
        try makeCorpus(folder + "/" + name, documents([900, 3], vocabulary: 256))
      }
      #expect(try bytes(of: folder + "/a") == bytes(of: folder + "/b"))
    }
  }

  @Test("appears whole or not at all, and leaves nothing behind")
  func atomicity() throws {
    try withFolder { folder in
      let path = folder + "/a.tokens.zst"
      try write("old".utf8, to: path)
      let message = sentence {
        var writer = try CorpusWriter(path: path, vocabularySize: 100)
        try writer.append([1, 2, 100])
      }
      #expect(message.contains("token id 100 at token 2 is outside the vocabulary of 100"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a.tokens.zst"])
      #expect(try bytes(of: path) == Array("old".utf8))
      let nowhere = sentence { _ = try CorpusWriter(path: folder + "/none/a") }
      #expect(nowhere.contains("expected a folder one can write to, found \"No such file or directory\""))
    }
  }

  @Test("sums up as JSON in snake_case")
  func info() throws {
    try withFolder { folder in
      let path = folder + "/a.tokens.zst"
      try makeCorpus(path, documents([40], vocabulary: 256))
      let json = String(
        decoding: try JSONEncoder().encode(Corpus(path: path).info), as: UTF8.self)
      for key in ["\"file_bytes\"", "\"vocabulary_size\":256", "\"validation\":[30,40]"] {
        #expect(json.contains(key))
      }
    }
  }

  @Test("hashes as the standards say")
  func hashes() {
    func xxh(_ text: String) -> String {
      hexadecimal(Array(text.utf8).withUnsafeBytes { xxh64($0) }, digits: 16)
    }
    #expect(xxh("") == "ef46db3751d8e999")
    #expect(xxh("abc") == "44bc2cf5ad770999")
    #expect(
      SHA256.hex(of: "abc".utf8)
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    let long = [UInt8](repeating: UInt8(ascii: "a"), count: 1000)
    let whole = SHA256.hex(of: long)
    for cut in [0, 1, 55, 56, 63, 64, 65, 119, 120, 999] {
      var hash = SHA256()
      long.withUnsafeBytes {
        hash.update(UnsafeRawBufferPointer(rebasing: $0[..<cut]))
        hash.update(UnsafeRawBufferPointer(rebasing: $0[cut...]))
      }
      #expect(hash.digest() == whole)
    }
    #expect(whole == "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3")
  }
}
