/// The file of a SentencePiece model, `tokenizer.model`: its pieces and the settings that encoding needs.
///
/// The file is the protobuf message `ModelProto` of sentencepiece_model.proto: pieces (field 1), trainer_spec
/// (2), normalizer_spec (3), denormalizer_spec (5).

import RunnelFiles

struct SentencePieceModel: Sendable {
  enum Kind: UInt64, Sendable {
    case normal = 1
    case unknown, control, userDefined, unused, byte
    /// Whether text can be written with it, as opposed to what only its id stands for.
    var isText: Bool { self == .normal || self == .userDefined || self == .unused }
  }
  struct Piece: Sendable {
    var text: ArraySlice<UInt8> = []
    var score: Float = 0
    var kind = Kind.normal
  }

  private(set) var pieces: [Piece] = []
  private(set) var unknownID = -1
  /// The id of each byte, or empty without byte fallback.
  private(set) var byteIDs: [Int32] = []
  /// What the unknown piece is decoded to.
  private(set) var unknownSurface = Array(" \u{2047} ".utf8)
  private(set) var whitespaceIsSuffix = false
  private(set) var addsDummyPrefix = true
  private(set) var removesExtraWhitespace = true
  private(set) var escapesWhitespace = true
  /// The replacements before encoding; empty if there are none.
  private(set) var characterMap: ArraySlice<UInt8> = []

  private var hasByteFallback = false
  private var algorithm: UInt64 = 1
  private var denormalizer: ArraySlice<UInt8> = []

  /// Bounds memory by what any real model stays under.
  private static let maximumPieces = 1 << 22
  /// Longer pieces are refused by the original too.
  private static let maximumLength = 8000

  /// Whether bytes look like the beginning of such a file: a piece.
  static func recognizes(_ bytes: [UInt8]) -> Bool { bytes.first == 0x0A && bytes.count > 2 }

  init(_ file: [UInt8], path: String) throws(FileError) {
    var reader = ProtobufReader(file, path: path)
    while let (number, value) = try reader.next() {
      switch number {
      case 1: try pieces.append(Self.piece(reader.message(value, of: "pieces")))
      case 2: try readTrainer(reader.message(value, of: "trainer_spec"))
      case 3: try readNormalizer(reader.message(value, of: "normalizer_spec"))
      case 5: try readDenormalizer(reader.message(value, of: "denormalizer_spec"))
      default: break
      }
      guard pieces.count <= Self.maximumPieces else {
        throw reader.failure("at most \(Self.maximumPieces) pieces", found: "more")
      }
    }
    try check(path: path)
  }

  private static func piece(_ message: ProtobufReader) throws(FileError) -> Piece {
    var reader = message, piece = Piece()
    while let (number, value) = try reader.next() {
      switch number {
      case 1: piece.text = try reader.bytes(value, of: "piece")
      case 2: piece.score = try reader.float(value, of: "score")
      case 3:
        let number = try reader.integer(value, of: "type")
        guard let kind = Kind(rawValue: number) else {
          throw reader.failure("a type of piece from 1 to 6", found: "\(number)")
        }
        piece.kind = kind
      default: break
      }
    }
    guard !piece.text.isEmpty, piece.text.count < maximumLength, !piece.text.contains(0) else {
      throw reader.failure(
        "a piece of 1 to \(maximumLength - 1) bytes without a zero byte",
        found: piece.text.contains(0) ? "a zero byte" : "\(piece.text.count) bytes")
    }
    guard !piece.score.isNaN else { throw reader.failure("a number as score", found: "NaN") }
    return piece
  }

  private mutating func readTrainer(_ message: ProtobufReader) throws(FileError) {
    var reader = message
    while let (number, value) = try reader.next() {
      switch number {
      case 3: algorithm = try reader.integer(value, of: "model_type")
      case 24: whitespaceIsSuffix = try reader.integer(value, of: "treat_whitespace_as_suffix") != 0
      case 35: hasByteFallback = try reader.integer(value, of: "byte_fallback") != 0
      case 44: unknownSurface = Array(try reader.bytes(value, of: "unk_surface").prefix { $0 != 0 })
      default: break
      }
    }
  }

  private mutating func readNormalizer(_ message: ProtobufReader) throws(FileError) {
    var reader = message
    while let (number, value) = try reader.next() {
      switch number {
      case 2: characterMap = try reader.bytes(value, of: "precompiled_charsmap")
      case 3: addsDummyPrefix = try reader.integer(value, of: "add_dummy_prefix") != 0
      case 4: removesExtraWhitespace = try reader.integer(value, of: "remove_extra_whitespaces") != 0
      case 5: escapesWhitespace = try reader.integer(value, of: "escape_whitespaces") != 0
      default: break
      }
    }
  }

  private mutating func readDenormalizer(_ message: ProtobufReader) throws(FileError) {
    var reader = message
    while let (number, value) = try reader.next() {
      guard number == 2 else { continue }
      denormalizer = try reader.bytes(value, of: "precompiled_charsmap of denormalizer_spec")
    }
  }

  private mutating func check(path: String) throws(FileError) {
    func refuse(_ place: String, expected: String, found: String, _ remedy: String = FileError.damaged)
      -> FileError
    { FileError(path, at: place, expected: expected, found: found, remedy: remedy) }

    guard algorithm == 2 else {
      let names: [UInt64: String] = [1: "unigram", 3: "word", 4: "char"]
      throw refuse(
        "trainer_spec.model_type", expected: "BPE (2)",
        found: names[algorithm].map { "\($0) (\(algorithm))" } ?? "\(algorithm)",
        "use a tokenizer trained with --model_type=bpe")
    }
    guard denormalizer.isEmpty else {
      throw refuse(
        "denormalizer_spec", expected: "no replacements after decoding", found: "a precompiled_charsmap",
        "train the tokenizer without denormalisation rules")
    }
    if hasByteFallback { byteIDs = Array(repeating: -1, count: 256) }
    for (id, piece) in pieces.enumerated() {
      switch piece.kind {
      case .unknown:
        guard unknownID < 0 else {
          throw refuse("piece \(id)", expected: "one unknown piece", found: "piece \(unknownID) as well")
        }
        unknownID = id
      case .byte:
        guard hasByteFallback, let byte = ByteTokenizer().id(of: String(decoding: piece.text, as: UTF8.self))
        else {
          throw refuse(
            "piece \(id)",
            expected: hasByteFallback ? "a byte such as <0x0A>" : "no byte without byte_fallback",
            found: quoted(String(decoding: piece.text, as: UTF8.self)))
        }
        byteIDs[Int(byte)] = Int32(id)
      default: break
      }
    }
    guard unknownID >= 0 else { throw refuse("pieces", expected: "an unknown piece", found: "none") }
    if let missing = byteIDs.firstIndex(of: -1) {
      throw refuse("pieces", expected: "all 256 bytes for byte_fallback", found: "none for byte \(missing)")
    }
  }
}
