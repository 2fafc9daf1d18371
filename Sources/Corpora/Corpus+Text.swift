// The text that token ids stand for, by the tokenizer that rides in the corpus.

import RunnelText

extension Corpus {
  /// Passes on the text of the tokens in `range`, piece by piece and in constant memory; documents follow each
  /// other with nothing in between.
  ///
  /// - Parameter salvage: leave out frames that are damaged.
  /// - Returns: the damage passed over.
  /// - Throws: a sentence when the range leaves the corpus, a frame is damaged, or the corpus keeps no tokenizer.
  @discardableResult
  public func forEachText(
    of range: Range<Int>, salvage: Bool = false, _ body: ([UInt8]) throws -> Void
  ) throws -> [CorpusFinding] {
    guard let tokenizer = try tokenizer() else {
      throw CorpusError(
        path,
        "does not hold the tokenizer \(header.tokenizer.name) that its ids need; zstd -dc prints the ids")
    }
    func open(_ tokenizer: some Tokenizer) throws -> [CorpusFinding] {
      var text = DocumentText(tokenizer, documentStarts)
      var found: [CorpusFinding] = []
      if salvage {
        found = try self.salvage(range) { part, ids in try body(text.take(ids, at: part.lowerBound)) }
      } else {
        var place = range.lowerBound
        try forEachPiece(of: range) { ids in
          try body(text.take(ids, at: place))
          place += ids.count
        }
      }
      try body(text.finish())
      return found
    }
    return try open(tokenizer)
  }
}

/// Decodes tokens document by document.
private struct DocumentText<Source: Tokenizer> {
  private let tokenizer: Source
  private let starts: [Int]
  private var decoder: Source.Decoder?
  private var place = 0  // the token that the decoder expects next

  init(_ tokenizer: Source, _ starts: [Int]) { (self.tokenizer, self.starts) = (tokenizer, starts) }

  /// The text of tokens that lie at `first`; where a gap precedes them, decoding begins anew.
  mutating func take(_ ids: [Int32], at first: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    if decoder != nil, place != first {
      decoder?.finish(into: &bytes)
      decoder = nil
    }
    var next = partition(starts.count) { starts[$0] >= first }
    for (offset, id) in ids.enumerated() {
      let begins = next < starts.count && starts[next] == first + offset
      while next < starts.count, starts[next] == first + offset { next += 1 }
      if begins { decoder?.finish(into: &bytes) }
      var current = begins ? tokenizer.decoder() : decoder ?? tokenizer.decoder(continuing: true)
      decoder = nil
      current.feed(id, into: &bytes)
      decoder = current
    }
    place = first + ids.count
    return bytes
  }

  mutating func finish() -> [UInt8] {
    var bytes: [UInt8] = []
    decoder?.finish(into: &bytes)
    decoder = nil
    return bytes
  }
}
