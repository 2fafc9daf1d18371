// Damage: finding all of it, and reading around it.

extension Corpus {
  /// Decodes and checks every frame.
  ///
  /// - Parameter progress: called after each frame with the share done, 0 ... 1.
  /// - Returns: every damaged place, in file order; empty for a sound corpus.
  public func verify(progress: (Double) -> Void = { _ in }) -> [CorpusFinding] {
    var found = findings
    for (i, frame) in frames.enumerated() {
      if let finding = damage(of: frame, { _ in }) { found.append(finding) }
      progress(Double(i + 1) / Double(frames.count))
    }
    return found
  }

  /// Checks the corpus at `path` whole, however damaged.
  ///
  /// - Returns: every damaged place; empty for a sound corpus.
  /// - Throws: `CorpusError` when the file cannot be read or is no corpus at all.
  public static func verify(
    path: String, progress: (Double) -> Void = { _ in }
  ) throws -> [CorpusFinding] {
    try Corpus(path: path, salvage: true).verify(progress: progress)
  }

  /// Passes on the tokens of `range` piece by piece, leaving out frames that are damaged.
  ///
  /// - Parameter body: receives each piece's token range and ids.
  /// - Returns: the damage passed over.
  /// - Throws: `CorpusError` for a range outside the corpus, and what `body` throws.
  public func salvage(
    _ range: Range<Int>, _ body: (Range<Int>, [Int32]) throws -> Void
  ) throws -> [CorpusFinding] {
    try check(range)
    var found = findings
    for frame in frames[frameIndices(of: range)] {
      var decoded: [UInt8] = []
      if let finding = damage(of: frame, { decoded = $0 }) {
        found.append(finding)
      } else {
        let part = range.clamped(to: frame.tokens)
        try body(part, ids(in: decoded, of: frame, part))
      }
    }
    return found
  }

  private func damage(of frame: DataFrame, _ use: ([UInt8]) -> Void) -> CorpusFinding? {
    do {
      use(try decode(frame))
      return nil
    } catch {
      let message = (error as? CorpusError)?.message ?? "\(error)"
      return CorpusFinding(
        message, frame: frame.number, offset: frame.entry.offset, tokens: frame.tokens)
    }
  }
}
