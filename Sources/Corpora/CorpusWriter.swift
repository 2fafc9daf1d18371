// Writes a corpus in one pass and constant memory; the file appears whole or not at all.

import RunnelFiles
import RunnelText

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
  public var documentCount: Int { assembly.documents.reduce(0) { $0 + $1.count } }

  /// Ids are below it.
  var vocabularySize: Int { assembly.plan.vocabularySize }

  private var assembly: CorpusAssembly
  private let compressor: ZstdCompressor
  private var fillers: [FrameFiller]
  private var counts = [0, 0]
  private var part = CorpusPart.training
  private var packed: [UInt8] = []

  /// Starts a corpus of token ids below `vocabularySize`.
  ///
  /// - Parameters:
  ///   - path: where the corpus appears when finished; customarily `NAME.tokens.zst`.
  ///   - tokenizerFile: the tokenizer itself, kept in the corpus.
  ///   - level: zstd's level, 1 to 22 (negative ones are faster still).
  ///   - frameBytes: bytes of token ids per frame, the unit of random access; a multiple of 4,
  ///     at most 16 MiB.
  /// - Throws: a sentence when the folder cannot be written.
  public init(
    path: String, tokenizer: CorpusHeader.Tokenizer = .bytes, tokenizerFile: TokenizerFile? = nil,
    vocabularySize: Int = 256, level: Int = 3, frameBytes: Int = 256 << 10
  ) throws {
    precondition(
      (1...Limits.vocabulary).contains(vocabularySize),
      "a corpus has 1 to \(Limits.vocabulary) token ids, not \(vocabularySize)")
    precondition(
      frameBytes > 0 && frameBytes % 4 == 0 && frameBytes <= Limits.frameBytes,
      "frameBytes is \(frameBytes), expected a multiple of 4 up to \(Limits.frameBytes)")
    let compressor = try ZstdCompressor(level: level)
    let assembly = try CorpusAssembly(
      path: path,
      plan: CorpusPlan(
        tokenizer: tokenizer, tokenizerFile: tokenizerFile, vocabularySize: vocabularySize,
        level: level, frameBytes: frameBytes))
    self.compressor = compressor
    self.assembly = assembly
    fillers = CorpusPart.allCases.map { _ in FrameFiller(frameBytes: frameBytes) }
  }

  /// Begins the next document; the one before ends here. Tokens appended before the first call
  /// begin a document by themselves.
  ///
  /// - Parameter isValidation: it belongs to the validation split, which the file holds after all
  ///   others; finish with `.byDocument` then.
  public mutating func beginDocument(isValidation: Bool = false) {
    part = isValidation ? .validation : .training
    assembly.documents[part.rawValue].append(counts[part.rawValue])
  }

  /// Appends ids to the current document.
  ///
  /// - Throws: `CorpusError` when an id is outside the vocabulary; a sentence when the disk is full.
  public mutating func append(_ tokens: [Int32]) throws {
    try tokens.withUnsafeBufferPointer { try append($0) }
  }

  /// Appends ids to the current document.
  package mutating func append(_ tokens: UnsafeBufferPointer<Int32>) throws {
    guard !tokens.isEmpty else { return }
    if documentCount == 0 { beginDocument() }
    packed.removeAll(keepingCapacity: true)
    let plan = assembly.plan
    if let bad = plan.dtype.pack(tokens, below: plan.vocabularySize, into: &packed) {
      throw CorpusError(
        assembly.path,
        "token id \(tokens[bad]) at token \(count + bad) is outside the vocabulary of "
          + "\(plan.vocabularySize) (tokenizer \(plan.tokenizer.name))")
    }
    count += tokens.count
    counts[part.rawValue] += tokens.count
    try packed.withUnsafeBytes { try fill($0) }
  }

  /// Appends bytes that are token ids; the vocabulary must have all 256 and no more.
  package mutating func append(bytes: UnsafeRawBufferPointer) throws {
    precondition(
      assembly.plan.vocabularySize == 256, "bytes are token ids only in a vocabulary of 256")
    guard !bytes.isEmpty else { return }
    if documentCount == 0 { beginDocument() }
    count += bytes.count
    counts[part.rawValue] += bytes.count
    try fill(bytes)
  }

  private mutating func fill(_ bytes: UnsafeRawBufferPointer) throws {
    try write(fillers[part.rawValue].take(bytes), to: part)
  }

  private mutating func write(_ frames: [[UInt8]], to part: CorpusPart) throws {
    for frame in frames {
      try assembly.append(
        CompressedFrame(of: frame, by: compressor, for: assembly.path), to: part)
    }
  }

  /// Writes the metadata and the seek table, syncs, and puts the file in its place.
  ///
  /// - Parameter endOfDocument: the id with which documents end, where there is one.
  /// - Returns: the header as written.
  /// - Throws: a sentence when the disk is full or the split cannot be made.
  @discardableResult
  public consuming func finish(
    validation: ValidationSplit = .none, sources: [CorpusHeader.Source] = [],
    task: CorpusHeader.Task? = nil, endOfDocument: Int32? = nil
  ) throws -> CorpusHeader {
    precondition(
      assembly.documents[CorpusPart.validation.rawValue].count == 0 || validation.isByDocument,
      "documents were begun for validation; finish with .byDocument, not \(validation)")
    for part in CorpusPart.allCases {
      try write(fillers[part.rawValue].flush(), to: part)
    }
    let start = try validation.start(in: &assembly)
    return try assembly.finish { header in
      header.validationStart = start
      header.record(validation)
      header.sources = sources
      header.task = task
      header.endOfDocument = endOfDocument
    }
  }
}
