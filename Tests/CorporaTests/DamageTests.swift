// Every damage is found or harmless; none yields a wrong token or a crash.

import Foundation
import Testing

@testable import RunnelCorpora

@Suite("Damage") struct DamageTests {
  private static let texts = documents([400, 0, 40, 300], vocabulary: 300)
  private static let all = texts.flatMap(\.self)
  /// What whole frames of 64 tokens hold.
  private static let pieces = Set(
    stride(from: 0, to: all.count, by: 64).map { Array(all[$0..<min($0 + 64, all.count)]) })

  /// Reads a damaged corpus in every way.
  private func judge(_ damaged: [UInt8], at path: String, _ what: String) throws {
    try write(damaged, to: path)
    // Strictly: an error, or the right tokens.
    var strict: [Int32]?
    if let corpus = try? Corpus(path: path) {
      strict = try? corpus.read(0..<corpus.count)
      if let strict { #expect(strict == Self.all, "\(what): wrong tokens") }
    }
    // Every damage that keeps a reader from the tokens is a finding; what salvage returns is right.
    guard let corpus = try? Corpus(path: path, salvage: true) else {
      #expect(strict == nil, "\(what)")
      return
    }
    let findings = corpus.verify()
    #expect(strict != nil || !findings.isEmpty, "\(what): not reported")
    _ = try corpus.salvage(0..<corpus.count) { _, ids in
      #expect(Self.pieces.contains(ids), "\(what): salvage returned tokens that never were")
    }
  }

  @Test("of any single byte is found or harmless")
  func flips() throws {
    try withFolder { folder in
      let path = folder + "/a.tokens.zst"
      try makeCorpus(path, Self.texts, vocabulary: 300, frameBytes: 128)
      let sound = try bytes(of: path)
      var random = SplitMix64(seed: 5)
      for place in stride(from: 0, to: sound.count, by: 2) {
        var damaged = sound
        damaged[place] ^= UInt8(1 << random.next(below: 8))
        try judge(damaged, at: path, "bit flip at byte \(place)")
        guard place % 12 == 0 else { continue }
        damaged[place] = UInt8(random.next(below: 256))
        try judge(damaged, at: path, "other byte at byte \(place)")
      }
    }
  }

  @Test("by truncation is found, and whole frames before the cut survive")
  func truncations() throws {
    try withFolder { folder in
      let path = folder + "/a.tokens.zst"
      try makeCorpus(path, Self.texts, vocabulary: 300, frameBytes: 128)
      let sound = try bytes(of: path)
      let frames = try Corpus(path: path).frames
      for length in stride(from: 0, to: sound.count, by: 5) {
        try judge(Array(sound[..<length]), at: path, "cut to \(length) bytes")
        #expect((try? Corpus(path: path)) == nil)
        let whole = frames.filter { $0.entry.offset + $0.entry.size <= length }
        guard !whole.isEmpty else { continue }
        let corpus = try Corpus(path: path, salvage: true)
        #expect(corpus.count == whole.last?.tokens.upperBound)
      }
    }
  }

  @Test("to a frame is named by frame and offset, and salvage skips just that frame")
  func salvage() throws {
    try withFolder { folder in
      let path = folder + "/a.tokens.zst"
      try makeCorpus(path, Self.texts, vocabulary: 300, frameBytes: 128)
      var damaged = try bytes(of: path)
      let frame = try Corpus(path: path).frames[5]
      damaged[frame.entry.offset + frame.entry.size / 2] ^= 0x10
      try write(damaged, to: path)

      let corpus = try Corpus(path: path)
      let message = sentence { _ = try corpus.read(0..<corpus.count) }
      #expect(message.hasPrefix("\(path): frame 6 at byte \(frame.entry.offset): damaged: "))
      #expect(try corpus.read(0..<320) == Array(Self.all[..<320]))

      let findings = try Corpus.verify(path: path)
      #expect(findings.map(\.frame) == [6] && findings[0].tokens == frame.tokens)
      var read: [Int] = []
      let passed = try corpus.salvage(0..<corpus.count) { range, _ in read += Array(range) }
      #expect(passed == findings)
      #expect(read == (0..<corpus.count).filter { !frame.tokens.contains($0) })
    }
  }

  @Test("to the seek table leaves every frame readable")
  func withoutSeekTable() throws {
    try withFolder { folder in
      let path = folder + "/a.tokens.zst"
      try makeCorpus(path, Self.texts, vocabulary: 300, frameBytes: 128)
      var damaged = try bytes(of: path)
      damaged[damaged.count - 20] ^= 1
      try write(damaged, to: path)
      #expect(sentence { _ = try Corpus(path: path) }.contains("seek table"))
      let corpus = try Corpus(path: path, salvage: true)
      #expect(try corpus.read(0..<corpus.count) == Self.all)
      #expect(corpus.documentCount == Self.texts.count && corpus.findings.count == 1)
    }
  }

  @Test("made on purpose is refused: ids beyond the vocabulary, impossible counts, other files")
  func hostile() throws {
    try withFolder { folder in
      let path = folder + "/a.tokens.zst"
      // A header that promises a smaller vocabulary than the frames hold.
      let id: [UInt8] = [0x10, 0x27]  // 10,000
      var table = SeekTable()
      var file = MetadataBlock.preambleFrame(width: 2, vocabularySize: 300)
      table.append(size: file.count, contentSize: 0)
      try id.withUnsafeBytes { id in
        try ZstdCompressor(level: 1).withFrame(of: id) { frame in
          file += frame
          let checksum = Array(frame).integer(at: frame.count - 4, as: UInt32.self)
          table.append(size: frame.count, contentSize: 2, checksum: checksum)
        }
      }
      func finish(documents: Int, nesting: Int = 0) throws {
        let header = CorpusHeader(
          tokenizer: .bytes, vocabularySize: 300, dtype: .u16, tokens: 1, documents: documents,
          validationStart: 1, sources: [], task: nil, level: 1, frameBytes: 2,
          frameTable: table.dataHash())
        var json = try header.json()
        json.removeLast()
        json += Array((",\"x\":" + String(repeating: "[", count: nesting)).utf8)
        json += Array((nesting == 0 ? "1}" : String(repeating: "]", count: nesting) + "}").utf8)
        var blocks = DocumentBlocks()
        blocks.append(0)
        blocks.close()
        var (bytes, entries) = (file, table)
        for frame in blocks.frames + [MetadataBlock.frame(tag: "RNLH", body: json)] {
          bytes += frame
          entries.append(size: frame.count, contentSize: 0)
        }
        try write(bytes + entries.frame(), to: path)
      }
      try finish(documents: 1)
      let corpus = try Corpus(path: path)
      #expect(
        sentence { _ = try corpus.read(0..<1) }
          .hasSuffix("holds token id 10000, the vocabulary has 300"))
      try finish(documents: 1 << 40)
      #expect(sentence { _ = try Corpus(path: path) }.contains("1 are listed"))
      try finish(documents: 1, nesting: 100_000)
      #expect(sentence { _ = try Corpus(path: path) }.contains("the header is nested too deep"))

      try write("just some text, long enough".utf8, to: path)
      #expect(sentence { _ = try Corpus(path: path) }.contains("not a corpus, or cut short"))
      #expect(sentence { _ = try Corpus(path: folder) }.contains("expected a regular file, found a folder"))
      #expect(
        sentence { _ = try Corpus(path: folder + "/none") }
          .contains("expected a readable file, found \"No such file or directory\""))
    }
  }
}
