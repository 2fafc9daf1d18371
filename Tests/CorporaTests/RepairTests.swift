// What is left of a damaged corpus becomes a sound one.

import Foundation
import RunnelText
import Testing

@testable import RunnelCorpora

@Suite("Repair") struct RepairTests {
  private static let texts = documents([100, 0, 28, 300, 0, 50, 122, 0], vocabulary: 300)
  private static let all = texts.flatMap(\.self)

  private func make(_ path: String, keeping file: TokenizerFile? = nil) throws {
    var writer = try CorpusWriter(
      path: path, tokenizer: .init(name: "t.json", sha256: file?.sha256), tokenizerFile: file,
      vocabularySize: 300, frameBytes: 128)  // 64 tokens
    for text in Self.texts {
      writer.beginDocument()
      try writer.append(text)
    }
    try writer.finish(validation: .tailOfDocuments(0.25))
  }

  private func contents(_ path: String) throws -> [[Int32]] {
    let corpus = try Corpus(path: path)
    #expect(corpus.verify().isEmpty)
    return try (0..<corpus.documentCount).map { try corpus.read(corpus.documentRange($0)) }
  }

  private func repair(_ path: String) throws -> CorpusRepair {
    try Corpus(path: path, salvage: true).repair(to: path + ".whole")
  }

  @Test("of a sound corpus is the same bytes")
  func sound() throws {
    try withFolder { folder in
      let path = folder + "/a"
      try make(path, keeping: TokenizerFile(name: "t.json", bytes: Array("{}".utf8)))
      let repair = try repair(path)
      #expect(try bytes(of: path + ".whole") == bytes(of: path))
      #expect(repair.findings.isEmpty && repair.tokensLost == 0 && repair.documentsCut == 0)
    }
  }

  @Test("cuts a document at the gap, drops what is wholly lost, and keeps empty ones and the split")
  func gaps() throws {
    try withFolder { folder in
      let path = folder + "/a"
      try make(path)
      let corpus = try Corpus(path: path)
      // Tokens 64..<128 (the end of document 0 and all of 2), 256..<320 (the middle of 3).
      var damaged = try bytes(of: path)
      for index in [1, 4] {
        let entry = corpus.frames[index].entry
        damaged[entry.offset + entry.size / 2] ^= 0x40
      }
      try write(damaged, to: path)
      let repair = try repair(path)
      let all = Self.all
      let expected = [
        Array(all[0..<64]), [], Array(all[128..<256]), Array(all[320..<428]), [], Self.texts[5],
        Self.texts[6], [],
      ]
      #expect(try contents(path + ".whole") == expected)
      #expect(repair.findings.map(\.frame) == [2, 5] && repair.framesLost == 2)
      #expect(repair.tokensLost == 128 && repair.documentsLost == 1 && repair.documentsCut == 2)
      let whole = try Corpus(path: path + ".whole")
      let validation = try whole.read(whole.range(of: .validation))
      #expect(validation == Array(all[corpus.range(of: .validation)]))
      #expect(repair.header == whole.header && whole.header.validationBy == "tail-of-documents")
    }
  }

  @Test("of a cut file keeps whole frames and the tokenizer; of nothing, it says so")
  func truncated() throws {
    try withFolder { folder in
      let path = folder + "/a"
      let file = TokenizerFile(name: "t.json", bytes: Array("{\"of\": \"some kind\"}".utf8))
      try make(path, keeping: file)
      let sound = try bytes(of: path)
      let third = try Corpus(path: path).frames[3].entry
      try write(sound[..<(third.offset + 5)], to: path)
      let repair = try repair(path)
      #expect(try contents(path + ".whole") == [Array(Self.all[..<192])])
      #expect(repair.tokensLost == nil && !repair.findings.isEmpty)
      let whole = try Corpus(path: path + ".whole")
      #expect(try whole.tokenizerFile() == file)
      #expect(whole.header.tokenizer == .init(name: "t.json", sha256: file.sha256))

      // A hole in a file without header and table: one document on either side.
      let second = try Corpus(path: path, salvage: true).frames[1].entry
      var holed = Array(sound[..<third.offset])
      holed[second.offset] ^= 1
      try write(holed, to: path)
      _ = try self.repair(path)
      #expect(try contents(path + ".whole") == [Array(Self.all[..<64]), Array(Self.all[128..<192])])

      try write(sound[..<second.offset].prefix(150), to: path)
      #expect(sentence { _ = try self.repair(path) }.contains("none of its frames is sound"))
    }
  }

  @Test("never moves a token of the validation split into training")
  func split() throws {
    try withFolder { folder in
      let path = folder + "/a"
      let ids = (0..<1000).map { Int32($0) }
      try makeCorpus(path, [ids], vocabulary: 1000, frameBytes: 64, validation: .tail(0.3))
      let sound = try bytes(of: path)
      let frames = try Corpus(path: path).frames
      var random = SplitMix64(seed: 3)
      for round in 0..<24 {
        var damaged = sound
        for _ in 0..<1 + random.next(below: 6) {
          let entry = frames[random.next(below: frames.count)].entry
          damaged[entry.offset + random.next(below: entry.size)] ^= 0x11
        }
        // Every other time, the seek table too.
        if round % 2 == 1 { damaged[damaged.count - 12] ^= 0xFF }
        try write(damaged, to: path)
        _ = try repair(path)
        let whole = try Corpus(path: path + ".whole")
        #expect(try whole.read(whole.range(of: .train)).allSatisfy { $0 < 700 })
      }
    }
  }
}
