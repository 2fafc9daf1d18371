// From texts to a corpus file: read, cut, encode, append, finish.

/// `runnel corpus build`.
public enum CorpusBuilder {
  /// Builds the corpus `output` out of `inputs`, in their order.
  ///
  /// - Parameters:
  ///   - inputs: names such as `tales.txt`, `web.jsonl.zst` or `-`.
  ///   - level: zstd's level.
  ///   - progress: called with the bytes read so far, about four times per MiB.
  /// - Returns: the header as written.
  /// - Throws: `CorpusError`; nothing stands at `output` then that did not before.
  @discardableResult
  public static func build(
    inputs: [String], output: String, tokenizer: some CorpusTokenizer = ByteTokens(),
    validation: ValidationSplit = .none, level: Int = 3, progress: (Int) -> Void = { _ in }
  ) throws -> CorpusHeader {
    try build(
      inputs: inputs.map { try CorpusInput($0) }, output: output, tokenizer: tokenizer,
      validation: validation, level: level, progress: progress)
  }

  /// Builds the corpus `output` out of `inputs` whose formats are known.
  @discardableResult
  public static func build(
    inputs: [CorpusInput], output: String, tokenizer: some CorpusTokenizer = ByteTokens(),
    validation: ValidationSplit = .none, level: Int = 3, progress: (Int) -> Void = { _ in }
  ) throws -> CorpusHeader {
    var writer = try CorpusWriter(
      path: output, tokenizer: .init(name: tokenizer.name, sha256: tokenizer.sha256),
      vocabularySize: tokenizer.vocabularySize, level: level)
    var encoder = DocumentEncoder(tokenizer: tokenizer)
    var sources: [CorpusHeader.Source] = []
    var done = 0
    for input in inputs {
      let source = try input.read { n in
        done += n
        progress(done)
      } _: { event in
        switch event {
        case .start: writer.beginDocument()
        case .bytes(let bytes): try encoder.take(bytes, &writer)
        case .end: try encoder.finish(&writer)
        }
      }
      sources.append(source)
    }
    guard writer.count > 0 else {
      let names = inputs.isEmpty ? "no input" : inputs.map(\.path).joined(separator: ", ")
      throw CorpusError(output, "not written: there is no text in \(names)")
    }
    return try writer.finish(validation: validation, sources: sources)
  }
}

/// Encodes documents in pieces that do not depend on each other.
private struct DocumentEncoder<Tokenizer: CorpusTokenizer> {
  let tokenizer: Tokenizer
  private var pending: [UInt8] = []
  private var tokens: [UInt32] = []

  /// Text without a boundary is cut after this many bytes all the same, between characters.
  private let maximumPiece = 16 << 20

  init(tokenizer: Tokenizer) { self.tokenizer = tokenizer }

  mutating func take(_ bytes: UnsafeRawBufferPointer, _ writer: inout CorpusWriter) throws {
    if tokenizer is ByteTokens { return try writer.append(bytes: bytes) }
    pending.append(contentsOf: bytes)
    guard pending.count >= 1 << 20 else { return }
    var cut = tokenizer.boundary(in: pending)
    if cut == 0 && pending.count >= maximumPiece {
      cut = pending.lastIndex { $0 & 0xC0 != 0x80 } ?? pending.count
    }
    try encode(cut, &writer)
  }

  mutating func finish(_ writer: inout CorpusWriter) throws {
    try encode(pending.count, &writer)
    if let end = tokenizer.endOfDocument { try writer.append([end]) }
  }

  private mutating func encode(_ count: Int, _ writer: inout CorpusWriter) throws {
    guard count > 0 else { return }
    tokens.removeAll(keepingCapacity: true)
    try tokenizer.encode(Array(pending.prefix(count)), into: &tokens)
    try writer.append(tokens)
    pending.removeFirst(count)
  }
}
