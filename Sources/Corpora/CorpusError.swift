// What can be wrong with a corpus or its inputs, as one sentence that says what and where.

/// A failure while reading, writing or building a corpus.
///
/// Its description is one line: the file, the place, what was found or expected, what to do.
public struct CorpusError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The file (or `-` for standard input).
  public let path: String
  /// The number of the frame in the seek table, where one is concerned.
  public let frame: Int?
  /// The byte offset in the file, where one is known.
  public let offset: Int?
  /// What was wrong, what was expected, what to do.
  public let message: String

  package init(_ path: String, _ message: String, frame: Int? = nil, offset: Int? = nil) {
    (self.path, self.message, self.frame, self.offset) = (path, message, frame, offset)
  }

  init(_ path: String, _ finding: CorpusFinding) {
    self.init(path, finding.message, frame: finding.frame, offset: finding.offset)
  }

  public var description: String {
    "\(path): \(place(frame: frame, offset: offset))\(message)"
  }
}

/// One damaged or inconsistent place in a corpus, as `verify` and salvage report it.
public struct CorpusFinding: Sendable, Equatable, Encodable, CustomStringConvertible {
  /// The number of the frame in the file, counting every frame but the seek table from 0.
  public let frame: Int?
  /// Where the damaged frame or structure begins, in bytes from the start of the file.
  public let offset: Int?
  /// The tokens that cannot be read because of it; nil where none, or not known.
  public let tokens: Range<Int>?
  /// What was wrong.
  public let message: String

  init(_ message: String, frame: Int? = nil, offset: Int? = nil, tokens: Range<Int>? = nil) {
    (self.message, self.frame, self.offset, self.tokens) = (message, frame, offset, tokens)
  }

  public var description: String {
    let lost = tokens.map { " (tokens \($0.lowerBound)..<\($0.upperBound))" } ?? ""
    return place(frame: frame, offset: offset) + message + lost
  }
}

private func place(frame: Int?, offset: Int?) -> String {
  switch (frame, offset) {
  case (let frame?, let offset?): "frame \(frame) at byte \(offset): "
  case (let frame?, nil): "frame \(frame): "
  case (nil, let offset?): "byte \(offset): "
  case (nil, nil): ""
  }
}
