// From documents as they were read to token ids as they are stored; one encoder for each thread.

import RunnelFiles
import RunnelText

/// The documents of a unit, encoded.
struct EncodedUnit: Sendable {
  struct Document: Sendable {
    /// Where it ends in `tokens`.
    var end: Int
    /// Decides its split.
    var splitHash: UInt64 = 0
    /// Tells equal ones; nil for a document too long to be held, or if duplicates are kept.
    var content: DocumentHash.Content?
  }
  /// Ids as they are stored.
  var tokens: [UInt8] = []
  /// The documents in it; one for the stretch of a long one.
  var documents: [Document] = []
  /// Whether the first document begins here.
  var isBeginning = true
  var badLines = BadLines()
}

/// Lines that were left out because they hold no text where it should be.
public struct BadLines: Sendable, Equatable {
  /// How many lines of JSON were left out.
  public internal(set) var count = 0
  /// Lines of text without a byte, where every other line is a document.
  public internal(set) var blank = 0
  /// What is wrong with the first of them.
  public internal(set) var first: FileError?

  mutating func add(_ error: FileError) { (count, first) = (count + 1, first ?? error) }
  mutating func add(_ other: BadLines) {
    (count, blank, first) = (count + other.count, blank + other.blank, first ?? other.first)
  }
}

/// What all encoders of a build agree on.
struct EncodingPlan: Sendable {
  var vocabularySize: Int
  var dtype: CorpusHeader.TokenType
  /// Appended to every document.
  var endOfDocument: Int32?
  var hashesForSplit: Bool
  var hashesContent: Bool
}

/// Encodes units, one after the other.
struct UnitEncoder<Source: Tokenizer> {
  private let plan: EncodingPlan
  private let tokenizer: Source
  private let isBytes: Bool
  private var encoder: Source.Encoder
  private var ids: [Int32] = []
  private var text: [UInt8] = []

  init(_ tokenizer: Source, _ plan: EncodingPlan) {
    self.plan = plan
    self.tokenizer = tokenizer
    isBytes = tokenizer is ByteTokenizer
    encoder = tokenizer.encoder()
  }

  /// Encodes whole documents.
  mutating func encode(_ unit: DocumentUnit) throws -> EncodedUnit {
    var result = EncodedUnit()
    result.documents.reserveCapacity(unit.ends.count)
    result.tokens.reserveCapacity(isBytes ? unit.bytes.count : unit.bytes.count / 4 * plan.dtype.width)
    var start = 0
    for (index, end) in unit.ends.enumerated() {
      defer { start = end }
      switch unit.kind {
      case .lines(let first, let input):
        if unit.tooLong.contains(index) {
          result.badLines.add(input.isTooLong(line: first + index))
          continue
        }
        let line = unit.bytes[start..<end]
        guard line.contains(where: { $0 > 0x20 }) else { continue }
        text.removeAll(keepingCapacity: true)
        do throws(FileError) {
          try TextField.extract(
            input.field, from: Array(line), number: first + index, of: unit.path, into: &text)
        } catch {
          guard input.skipsBadLines else { throw error }
          result.badLines.add(error)
          continue
        }
        let whole = text
        try whole.withUnsafeBytes { try append($0, to: &result, for: unit.path) }
        if text.capacity > 16 << 20 { text = [] }
      case .texts, .stretch:
        try unit.bytes.withUnsafeBytes {
          try append(UnsafeRawBufferPointer(rebasing: $0[start..<end]), to: &result, for: unit.path)
        }
      }
    }
    return result
  }

  /// Encodes a stretch of a long document, whose encoder goes from stretch to stretch.
  mutating func encode(
    stretch unit: DocumentUnit, by encoder: inout Source.Encoder?, isFirst: Bool, isLast: Bool
  ) throws -> EncodedUnit {
    var result = EncodedUnit(isBeginning: isFirst)
    swap(&self.encoder, &encoder, orMake: tokenizer.encoder)
    defer { swap(&self.encoder, &encoder, orMake: tokenizer.encoder) }
    try unit.bytes.withUnsafeBytes { bytes in
      try feed(bytes, into: &result.tokens, for: unit.path)
      if isLast { try finish(into: &result.tokens, for: unit.path) }
      var document = EncodedUnit.Document(end: result.tokens.count)
      if isFirst, plan.hashesForSplit { document.splitHash = DocumentHash.split(bytes) }
      result.documents = [document]
    }
    return result
  }

  private func swap(
    _ a: inout Source.Encoder, _ b: inout Source.Encoder?, orMake make: () -> Source.Encoder
  ) {
    let new = b ?? make()
    b = a
    a = new
  }

  private mutating func append(
    _ text: UnsafeRawBufferPointer, to result: inout EncodedUnit, for path: String
  ) throws {
    try feed(text, into: &result.tokens, for: path)
    try finish(into: &result.tokens, for: path)
    result.documents.append(
      EncodedUnit.Document(
        end: result.tokens.count, splitHash: plan.hashesForSplit ? DocumentHash.split(text) : 0,
        content: plan.hashesContent ? DocumentHash.Content(text) : nil))
  }

  private mutating func feed(
    _ text: UnsafeRawBufferPointer, into tokens: inout [UInt8], for path: String
  ) throws {
    if isBytes { return tokens.append(contentsOf: text) }
    var rest = text
    while !rest.isEmpty {
      let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(256 << 10))
      piece.withMemoryRebound(to: UInt8.self) { encoder.feed($0, into: &ids) }
      try pack(into: &tokens, for: path)
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(piece.count))
    }
  }

  private mutating func finish(into tokens: inout [UInt8], for path: String) throws {
    encoder.finish(into: &ids)
    if let end = plan.endOfDocument { ids.append(end) }
    try pack(into: &tokens, for: path)
  }

  private mutating func pack(into tokens: inout [UInt8], for path: String) throws {
    let bad = ids.withUnsafeBufferPointer {
      plan.dtype.pack($0, below: plan.vocabularySize, into: &tokens)
    }
    if let bad {
      throw CorpusError(
        path,
        "the tokenizer \(tokenizer.name) gave the id \(ids[bad]), outside its vocabulary of "
          + "\(plan.vocabularySize)")
    }
    ids.removeAll(keepingCapacity: true)
  }
}
