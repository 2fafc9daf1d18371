// Writes a corpus in one pass and constant memory; the file appears whole or not at all.

import RunnelFiles

/// Where the validation split begins.
public enum ValidationSplit: Sendable, Equatable {
  /// Everything is for training.
  case none
  /// The last `fraction` of the tokens: training is ⌊count · (1 − fraction)⌋ tokens.
  case tail(Double)
  /// As `tail`, moved to the nearest start of a document so that none is cut.
  case documents(Double)
  /// From this token on.
  case token(Int)
}

/// Appends documents to a new corpus file.
///
///     var writer = try CorpusWriter(path: "tales.tokens.zst")
///     writer.beginDocument()
///     try writer.append([72, 105])
///     let header = try writer.finish(validation: .tail(0.1))
///
/// Nothing stands at `path` before `finish`; a writer dropped earlier removes its temporary file.
/// Memory: two frames, and one to three bytes per document.
public struct CorpusWriter: ~Copyable {
  /// Tokens so far.
  public private(set) var count = 0
  /// Documents begun so far.
  public var documentCount: Int { documents.count }

  private var file: OutputFile
  private let tokenizer: CorpusHeader.Tokenizer
  private let vocabularySize: Int
  private let dtype: CorpusHeader.TokenType
  private let level: Int
  private let frameBytes: Int
  private let compressor: ZstdCompressor
  private var table = SeekTable()
  private var documents = DocumentBlocks()
  private var pending: [UInt8] = []  // token ids of the frame being filled, at most frameBytes

  /// Starts a corpus of token ids below `vocabularySize`.
  ///
  /// - Parameters:
  ///   - path: where the corpus appears when finished; customarily `NAME.tokens.zst`.
  ///   - level: zstd's level, 1 to 22 (negative ones are faster still).
  ///   - frameBytes: bytes of token ids per frame, the unit of random access; a multiple of 4,
  ///     at most 16 MiB.
  /// - Throws: `CorpusError` when the folder cannot be written.
  public init(
    path: String, tokenizer: CorpusHeader.Tokenizer = .bytes, vocabularySize: Int = 256,
    level: Int = 3, frameBytes: Int = 256 << 10
  ) throws {
    precondition(
      (1...Limits.vocabulary).contains(vocabularySize),
      "a corpus has 1 to \(Limits.vocabulary) token ids, not \(vocabularySize)")
    precondition(
      frameBytes > 0 && frameBytes % 4 == 0 && frameBytes <= Limits.frameBytes,
      "frameBytes is \(frameBytes), expected a multiple of 4 up to \(Limits.frameBytes)")
    let dtype = CorpusHeader.TokenType(vocabularySize: vocabularySize)
    let preamble = MetadataBlock.preambleFrame(width: dtype.width, vocabularySize: vocabularySize)
    let compressor = try ZstdCompressor(level: level)
    var file = try OutputFile(path)
    try preamble.withUnsafeBytes { try file.write($0) }
    self.file = file
    self.compressor = compressor
    self.tokenizer = tokenizer
    self.vocabularySize = vocabularySize
    self.dtype = dtype
    self.level = level
    self.frameBytes = frameBytes
    pending.reserveCapacity(frameBytes)
    table.append(size: preamble.count, contentSize: 0)
  }

  /// Begins the next document; the one before ends here. Tokens appended before the first call
  /// begin a document by themselves.
  public mutating func beginDocument() { documents.append(count) }

  /// Appends ids to the current document.
  ///
  /// - Throws: `CorpusError` when an id is outside the vocabulary or the disk is full.
  public mutating func append(_ tokens: [Int32]) throws {
    try tokens.withUnsafeBufferPointer { try append($0) }
  }

  /// Appends ids to the current document.
  package mutating func append(_ tokens: UnsafeBufferPointer<Int32>) throws {
    if let bad = tokens.firstIndex(where: { $0 < 0 || Int($0) >= vocabularySize }) {
      throw CorpusError(
        file.path,
        "token id \(tokens[bad]) at token \(count + bad) is outside the vocabulary of "
          + "\(vocabularySize) (tokenizer \(tokenizer.name))")
    }
    switch dtype {
    case .u8: try append(tokens, as: UInt8.self)
    case .u16: try append(tokens, as: UInt16.self)
    case .u32: try append(tokens, as: UInt32.self)
    }
  }

  /// Appends bytes that are token ids; the vocabulary must have all 256 and no more.
  package mutating func append(bytes: UnsafeRawBufferPointer) throws {
    precondition(vocabularySize == 256, "bytes are token ids only in a vocabulary of 256")
    try fill(bytes.count) { pending, range in
      pending.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[range]))
    }
  }

  private mutating func append<T: FixedWidthInteger>(
    _ tokens: UnsafeBufferPointer<Int32>, as type: T.Type
  ) throws {
    try fill(tokens.count) { pending, range in
      let piece = tokens[range].map { T(truncatingIfNeeded: $0).littleEndian }
      piece.withUnsafeBytes { pending.append(contentsOf: $0) }
    }
  }

  /// Fills frames with `total` tokens, `take` appending a range of them that fits.
  private mutating func fill(
    _ total: Int, _ take: (inout [UInt8], Range<Int>) -> Void
  ) throws {
    guard total > 0 else { return }
    if documents.count == 0 { beginDocument() }
    var done = 0
    while done < total {
      let n = min(total - done, (frameBytes - pending.count) / dtype.width)
      take(&pending, done..<done + n)
      (done, count) = (done + n, count + n)
      if pending.count == frameBytes { try flush() }
    }
  }

  /// Compresses and writes the pending frame.
  private mutating func flush() throws {
    guard !pending.isEmpty else { return }
    do {
      try pending.withUnsafeBytes { bytes in
        try compressor.withFrame(of: bytes) { frame in
          try file.write(frame)
          // zstd ends a frame with the checksum that the seek table repeats.
          let checksum = UInt32(
            littleEndian: frame.loadUnaligned(fromByteOffset: frame.count - 4, as: UInt32.self))
          table.append(size: frame.count, contentSize: bytes.count, checksum: checksum)
        }
      }
    } catch let failure as ZstdFailure {
      throw CorpusError(file.path, "cannot be compressed: \(failure.message)")
    }
    pending.removeAll(keepingCapacity: true)
    guard table.entries.count < Limits.frames - 1024 else {
      throw CorpusError(file.path, "too many frames; use larger ones")
    }
  }

  private mutating func write(_ block: [UInt8]) throws {
    try block.withUnsafeBytes { try file.write($0) }
    table.append(size: block.count, contentSize: 0)
  }

  /// Writes the metadata and the seek table, syncs, and puts the file in its place.
  ///
  /// - Returns: the header as written.
  /// - Throws: `CorpusError` when the disk is full or the split cannot be made.
  @discardableResult
  public consuming func finish(
    validation: ValidationSplit = .none, sources: [CorpusHeader.Source] = [],
    task: CorpusHeader.Task? = nil
  ) throws -> CorpusHeader {
    try flush()
    documents.close()
    for frame in documents.frames { try write(frame) }
    let header = CorpusHeader(
      tokenizer: tokenizer, vocabularySize: vocabularySize, dtype: dtype, tokens: count,
      documents: documents.count, validationStart: try start(of: validation), sources: sources,
      task: task, level: level, frameBytes: frameBytes, frameTable: table.dataHash())
    try write(MetadataBlock.frame(tag: "RNLH", body: header.json()))
    try table.frame().withUnsafeBytes { try file.write($0) }
    try file.commit()
    return header
  }

  /// The first token of the validation split.
  private func start(of validation: ValidationSplit) throws -> Int {
    switch validation {
    case .none: return count
    case .token(let start):
      precondition((0...count).contains(start), "a split at token \(start) of \(count)")
      return start
    case .tail(let fraction): return try tail(fraction)
    case .documents(let fraction):
      let goal = try tail(fraction)
      guard let start = try documents.start(nearest: goal, below: count) else {
        throw CorpusError(
          file.path, "holds no document boundary to split at; split by tokens instead")
      }
      return start
    }
  }

  /// ⌊count · (1 − fraction)⌋, with fractions such as 0.1 taken for the decimals they stand for.
  private func tail(_ fraction: Double) throws -> Int {
    guard (0..<1).contains(fraction) else {
      throw CorpusError(file.path, "a validation fraction of \(fraction) is not in 0 ..< 1")
    }
    let tokens = Double(count) * fraction
    return count - Int((tokens - 2 * tokens.ulp).rounded(.up))
  }
}
