// From texts to a corpus file: read, cut, encode, append, finish.

import RunnelText

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
    inputs: [String], output: String, tokenizer: some Tokenizer = ByteTokenizer(),
    validation: ValidationSplit = .none, level: Int = 3, progress: (Int) -> Void = { _ in }
  ) throws -> CorpusHeader {
    try build(
      inputs: inputs.map { try CorpusInput($0) }, output: output, tokenizer: tokenizer,
      validation: validation, level: level, progress: progress)
  }

  /// Builds the corpus `output` out of `inputs` whose formats are known.
  @discardableResult
  public static func build(
    inputs: [CorpusInput], output: String, tokenizer: some Tokenizer = ByteTokenizer(),
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

/// Encodes documents as they are read.
private struct DocumentEncoder<Source: Tokenizer> {
  private let isBytes: Bool
  private var encoder: Source.Encoder
  private var tokens: [Int32] = []

  init(tokenizer: Source) {
    isBytes = tokenizer is ByteTokenizer
    encoder = tokenizer.encoder()
  }

  mutating func take(_ bytes: UnsafeRawBufferPointer, _ writer: inout CorpusWriter) throws {
    if isBytes { return try writer.append(bytes: bytes) }
    bytes.withMemoryRebound(to: UInt8.self) { encoder.feed($0, into: &tokens) }
    try writer.append(tokens)
    tokens.removeAll(keepingCapacity: true)
  }

  mutating func finish(_ writer: inout CorpusWriter) throws {
    encoder.finish(into: &tokens)
    try writer.append(tokens)
    tokens.removeAll(keepingCapacity: true)
  }
}
