import Foundation
import RunnelFiles
import RunnelText
import Testing

@Suite("SentencePiece models with byte-pair encoding")
struct SentencePieceTests {
  static func tokenizer(_ file: [UInt8]) throws -> SentencePieceTokenizer {
    try SentencePieceTokenizer(TokenizerFile(name: "tokenizer.model", bytes: file), path: "tokenizer.model")
  }
  static func bytes(_ base64: String) throws -> [UInt8] { try Array(#require(Data(base64Encoded: base64))) }

  @Test("ids and texts are those of the original", arguments: SentencePieceGolden.all)
  func golden(_ golden: SentencePieceGolden) throws {
    let tokenizer = try Self.tokenizer(Self.bytes(golden.model))
    for (text, ids, decoded) in golden.texts {
      let text = try Self.bytes(text)
      #expect(tokenizer.encode(text) == ids, "\(String(decoding: text, as: UTF8.self))")
      #expect(try tokenizer.decode(ids) == Self.bytes(decoded), "\(String(decoding: text, as: UTF8.self))")
    }
  }

  @Test("cutting the input elsewhere does not change the ids", arguments: SentencePieceGolden.all)
  func cutting(_ golden: SentencePieceGolden) throws {
    let tokenizer = try Self.tokenizer(Self.bytes(golden.model))
    let pieces = (0..<Int32(tokenizer.vocabularySize)).compactMap { tokenizer.token(of: $0) }
    var generator = Generator(state: 4)
    var early = 0
    for _ in 0..<400 {
      let text = randomText(
        using: &generator,
        alphabet: pieces + ["a", "ab", "dd", "da", "b b", "<a", "a\u{308}", "\u{301}", "\u{A0}"])
      let whole = tokenizer.encode(text)
      let cut = tokenizer.encode(text, cutUsing: &generator)
      #expect(cut.ids == whole, "\(text)")
      early += cut.early
    }
    #expect(early > 2000, "ids come before the end")
  }

  @Test("a decoder that goes on within a text keeps the space in front")
  func continuing() throws {
    let tokenizer = try Self.tokenizer(Self.bytes(SentencePieceGolden.all[1].model))
    let ids = tokenizer.encode("a a")
    var bytes: [UInt8] = []
    var decoder = tokenizer.decoder(continuing: true)
    for id in ids { decoder.feed(id, into: &bytes) }
    decoder.finish(into: &bytes)
    #expect(bytes == Array(" a a".utf8) && tokenizer.decode(ids) == Array("a a".utf8))
    #expect(tokenizer.decode([-1, 1, .max]) == [])
    #expect(tokenizer.id(of: "<s>") == 1 && tokenizer.token(of: 2) == "</s>" && tokenizer.id(of: "?") == nil)
    #expect(tokenizer.token(of: -1) == nil && tokenizer.token(of: Int32(tokenizer.vocabularySize)) == nil)
  }

  @Test("a million characters without a boundary are merged in reasonable time")
  func longStretch() throws {
    let tokenizer = try Self.tokenizer(Self.bytes(SentencePieceGolden.all[1].model))
    let text = [UInt8](repeating: UInt8(ascii: "d"), count: 1_000_000)
    let ids = tokenizer.encode(text)
    #expect(ids.count == 250_001 && tokenizer.decode(ids) == text)
  }

  // MARK: Files made here

  /// A field of protobuf.
  enum Field {
    case number(Int, UInt64)
    case float(Int, Float)
    case bytes(Int, [UInt8])
    var wire: [UInt8] {
      switch self {
      case .number(let field, let value): varint(UInt64(field) << 3) + varint(value)
      case .float(let field, let value):
        varint(UInt64(field) << 3 | 5)
          + (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
      case .bytes(let field, let bytes): varint(UInt64(field) << 3 | 2) + varint(UInt64(bytes.count)) + bytes
      }
    }
    private func varint(_ value: UInt64) -> [UInt8] {
      value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7F) | 0x80] + varint(value >> 7)
    }
  }
  static func message(_ fields: [Field]) -> [UInt8] { fields.flatMap(\.wire) }
  static func piece(_ text: String, _ score: Float = 0, type: UInt64 = 1) -> Field {
    .bytes(1, message([.bytes(1, Array(text.utf8)), .float(2, score), .number(3, type)]))
  }
  static let good = [piece("<unk>", type: 2), piece("a", -1), piece("b", -2), piece("ab", -3)]
  static let merging = Field.bytes(2, message([.number(3, 2)]))

  @Test("fields that it does not know and packed settings that come late make no difference")
  func unknownFields() throws {
    let strange: [Field] = [.number(99, .max), .float(98, 1), .bytes(97, [1, 2, 3])]
    let tokenizer = try Self.tokenizer(Self.message(Self.good + strange + [Self.merging] + strange))
    #expect(tokenizer.encode("aab") == [0, 1, 3])
  }

  @Test("what is not supported is refused by name")
  func unsupported() throws {
    func refusal(_ fields: [Field]) throws -> String {
      try #require(throws: FileError.self) { try Self.tokenizer(Self.message(fields)) }.description
    }
    func trainer(_ fields: [Field]) -> Field { .bytes(2, Self.message(fields)) }
    #expect(try refusal(Self.good).contains("unigram"))
    for (type, name) in [(1, "unigram"), (3, "word"), (4, "char"), (5, "5")] as [(UInt64, String)] {
      #expect(try refusal(Self.good + [trainer([.number(3, type)])]).contains(name))
    }
    let merging = [Self.merging]
    #expect(try refusal(Self.good + [Self.piece("ab")] + merging).contains("piece 4"))
    #expect(try refusal(Self.good + [Self.piece("c", type: 9)] + merging).contains("type of piece"))
    #expect(try refusal(Self.good + [Self.piece("c", .nan)] + merging).contains("NaN"))
    #expect(try refusal(Self.good + [Self.piece("")] + merging).contains("0 bytes"))
    #expect(try refusal(Self.good + [Self.piece("\0")] + merging).contains("zero byte"))
    #expect(try refusal(Self.good + [Self.piece("<u>", type: 2)] + merging).contains("one unknown piece"))
    #expect(try refusal(Array(Self.good.dropFirst()) + merging).contains("an unknown piece"))
    #expect(try refusal(Self.good + [Self.piece("<0x00>", type: 6)] + merging).contains("byte_fallback"))
    #expect(try refusal(Self.good + [trainer([.number(3, 2), .number(35, 1)])]).contains("256 bytes"))
    #expect(
      try refusal(Self.good + merging + [.bytes(3, Self.message([.bytes(2, [1, 2, 3])]))]).contains(
        "charsmap"))
    #expect(
      try refusal(Self.good + merging + [.bytes(5, Self.message([.bytes(2, [1])]))]).contains("denormalizer"))
    #expect(
      try refusal(Self.good + merging + [.bytes(1, Self.message([.bytes(1, [0xFF])]))]).contains("UTF-8"))
    #expect(try refusal([]).contains("model_type"))
  }

  @Test("pieces whose divisions would take minutes are refused")
  func longPieces() throws {
    let many = (0..<1200).map { Self.piece(String(repeating: "a", count: 2000 + $0)) }
    let error = try #require(throws: FileError.self) {
      try Self.tokenizer(Self.message(Self.good + many + [Self.merging]))
    }
    #expect(error.description.contains("as short as"))
  }

  @Test("damage to the file is an error or leaves a tokenizer that works", arguments: SentencePieceGolden.all)
  func damage(_ golden: SentencePieceGolden) throws {
    let original = try Self.bytes(golden.model)
    let texts = try golden.texts.map { try Self.bytes($0.0) }
    var generator = Generator(state: 5)
    var refused = 0
    for _ in 0..<150 {
      do {
        let tokenizer = try Self.tokenizer(damaged(original, using: &generator))
        for text in texts {
          let ids = tokenizer.encode(text)
          #expect(tokenizer.encode(text, cutUsing: &generator).ids == ids)
          #expect(ids.allSatisfy { $0 >= 0 && $0 < tokenizer.vocabularySize })
          _ = tokenizer.decode(ids)
        }
      } catch is FileError {
        refused += 1
      }
    }
    #expect(refused > 20)
  }

  @Test("the ids are those of sentencepiece on the shared strings")
  func vectors() throws {
    guard let vectors = TokenizerVectors() else { return }
    let tokenizer = try #require(Tokenizers.load(vectors.folder + "/mistral-v1") as? SentencePieceTokenizer)
    #expect(tokenizer.vocabularySize == 32000 && tokenizer.id(of: "</s>") == 2)
    var generator = Generator(state: 6)
    var compared = 0
    for line in vectors.lines {
      let text = Array(try #require(line["text"] as? String).utf8)
      let expected = try #require(line["mistral_v1"] as? [Int]).map { Int32($0) }
      let decoded = try #require(line["mistral_v1_decoded"] as? String)
      #expect(tokenizer.encode(text) == expected)
      #expect(tokenizer.encode(text, cutUsing: &generator).ids == expected)
      #expect(tokenizer.decode(expected).elementsEqual(decoded.utf8))
      compared += 1
    }
    #expect(compared == 45)
  }
}
