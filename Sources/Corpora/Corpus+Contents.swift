// Splits, documents and the summary: what is where in a corpus.

extension Corpus {
  /// The parts of a corpus by purpose.
  public enum Split: String, Sendable, CaseIterable, Codable {
    case train, validation, all
  }

  /// The tokens of a split.
  public func range(of split: Split) -> Range<Int> {
    switch split {
    case .train: 0..<header.validationStart
    case .validation: header.validationStart..<count
    case .all: 0..<count
    }
  }

  /// The number of documents, empty ones included.
  public var documentCount: Int { documentStarts.count }

  /// The tokens of the document number `index`, counting from 0.
  ///
  /// - Throws: `CorpusError` where there is no such document.
  public func documentRange(_ index: Int) throws -> Range<Int> {
    guard documentStarts.indices.contains(index) else {
      throw CorpusError(path, "document \(index) asked for, it holds 0..<\(documentCount)")
    }
    let next = index + 1 < documentStarts.count ? documentStarts[index + 1] : count
    return documentStarts[index]..<next
  }

  /// The number of the document that holds the token at `index`.
  ///
  /// - Throws: `CorpusError` where there is no such token.
  public func document(containing index: Int) throws -> Int {
    try check(index..<index + 1)
    return partition(documentStarts.count) { documentStarts[$0] > index } - 1
  }

  /// The document starts in `range`, ascending; empty documents repeat theirs.
  public func documentStarts(in range: Range<Int>) -> ArraySlice<Int> {
    let first = partition(documentStarts.count) { documentStarts[$0] >= range.lowerBound }
    let end = partition(documentStarts.count) { documentStarts[$0] >= range.upperBound }
    return documentStarts[first..<max(first, end)]
  }

  /// The documents that start in `range`, and where it holds the last tokens the empty ones behind them.
  public func documents(startingIn range: Range<Int>) -> ArraySlice<Int> {
    let isLast = range.upperBound == count && (!range.isEmpty || count == 0)
    return documentStarts(in: range.lowerBound..<range.upperBound + (isLast ? 1 : 0))
  }

  /// What `runnel corpus info` prints.
  public struct Info: Encodable, Sendable {
    /// The path under which the corpus was opened.
    public let path: String
    /// Size of the file.
    public let fileBytes: Int
    /// Bytes of bare token ids per byte of file.
    public let ratio: Double
    /// Data frames: those that hold token ids.
    public let frames: Int
    /// First token and end of each split.
    public let splits: [String: Range<Int>]
    /// Mean tokens per document.
    public let tokensPerDocument: Double
    /// Whether the tokenizer's file is in the corpus.
    public let keepsTokenizer: Bool
    /// What the corpus says about itself.
    public let header: CorpusHeader

    enum CodingKeys: String, CodingKey {
      case path, ratio, frames, splits, header
      case fileBytes = "file_bytes"
      case tokensPerDocument = "tokens_per_document"
      case keepsTokenizer = "keeps_tokenizer"
    }
  }

  /// A summary of the corpus.
  public var info: Info {
    Info(
      path: path, fileBytes: fileBytes,
      ratio: Double(count * header.dtype.width) / Double(max(1, fileBytes)), frames: frames.count,
      splits: [
        "train": range(of: .train), "validation": range(of: .validation),
      ],
      tokensPerDocument: Double(count) / Double(max(1, documentCount)),
      keepsTokenizer: tokenizerFrame != nil, header: header)
  }
}
