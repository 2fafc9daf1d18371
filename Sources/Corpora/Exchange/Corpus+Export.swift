// From a corpus to the token files of other trainers.

import RunnelFiles

extension Corpus {
  /// Writes tokens as another trainer reads them, in constant memory but for the places of the documents: 8 bytes for each,
  /// and with Megatron's 12 more for its index.
  ///
  /// - Parameters:
  ///   - path: of the ids; Megatron's index goes beside it, as `.idx` in the place of `.bin`.
  ///   - element: the type of ids of a nanoGPT file; nil for the 2 bytes that nanoGPT itself reads. The other formats say
  ///     theirs, and take 2 bytes where the vocabulary fits them, else 4.
  ///   - documentEnd: an id put after every document, empty ones too.
  ///   - insideEnds: told how often the id that ends documents stands inside them as well, where it does and the format
  ///     has nothing else to tell documents by.
  ///   - progress: called with the share that is done.
  /// - Returns: how many ids were written.
  /// - Throws: `CorpusError` or `FileError`; what stood at `path` is then still there. Of Megatron's two files, the index may
  ///   be an old one where the system fails between them; its reader compares the two.
  @discardableResult
  public func export(
    _ split: Split = .all, to path: String, as format: TokenFileFormat, element: TokenFileElement? = nil,
    documentEnd: Int32? = nil, insideEnds: (Int) -> Void = { _ in },
    progress: (Double) -> Void = { _ in }
  ) throws -> Int {
    if let documentEnd, documentEnd < 0 || Int(documentEnd) >= header.vocabularySize {
      throw CorpusError(
        self.path, "the end of documents \(documentEnd) is outside the vocabulary of \(header.vocabularySize)"
      )
    }
    if let documentEnd, documentEnd == header.endOfDocument {
      throw CorpusError(
        self.path, "its documents end with \(documentEnd) already; leave --document-end out")
    }
    let element = try self.element(of: format, element)
    let range = range(of: split)
    let documents = Documents(of: self, in: range)
    let count = range.count + (documentEnd == nil ? 0 : documents.count)
    var output = try OutputFile(path)
    if format == .llmc { try output.write(llmcHead(count, element, path)) }
    let end = format == .megatron ? nil : documentEnd ?? header.endOfDocument
    var inside = 0
    var lengths: [Int32] = []
    var buffer: [UInt8] = []
    func put(_ ids: ArraySlice<Int32>, _ isFirst: Bool, _ isLast: Bool) throws {
      if format == .megatron {
        if isFirst { lengths.append(0) }
        let more = ids.count + (isLast && documentEnd != nil ? 1 : 0)
        guard more <= Int(Int32.max - lengths[lengths.count - 1]) else {
          throw CorpusError(
            self.path, "document \(lengths.count - 1) has 2^31 tokens or more, which Megatron cannot hold")
        }
        lengths[lengths.count - 1] += Int32(more)
      }
      if let end {
        // The corpus's own last id of a document is its end.
        inside += (documentEnd == nil && isLast ? ids.dropLast() : ids).count { $0 == end }
      }
      element.append(ids, to: &buffer)
      if isLast, let documentEnd { element.append([documentEnd], to: &buffer) }
      guard buffer.count >= 1 << 18 else { return }
      try output.write(buffer)
      buffer.removeAll(keepingCapacity: true)
      progress(Double(output.count) / Double(max(1, count * element.width)))
    }
    try documents.forEachPiece(put)
    try output.write(buffer)
    if format == .megatron {
      var index = try index(of: lengths, element, beside: path)
      try output.commit()
      try index.commit()
    } else {
      try output.commit()
    }
    if inside > 0 { insideEnds(inside) }
    return count
  }

  /// The type of ids in a file of `format`, which must hold every id.
  private func element(of format: TokenFileFormat, _ given: TokenFileElement?) throws -> TokenFileElement {
    let isNarrow = header.vocabularySize <= 1 << 16
    // Megatron's readers know ids of 2 bytes without sign, and of 4 with one.
    let own: TokenFileElement = isNarrow ? .u16 : format == .megatron ? .i32 : .u32
    guard format == .nanogpt else {
      guard given == nil || given == own else {
        throw CorpusError(path, "\(format)'s files say the type of their ids, here \(own); leave --dtype out")
      }
      return own
    }
    let element = given ?? .u16
    guard header.vocabularySize <= element.idCount else {
      throw CorpusError(
        path,
        "ids below \(header.vocabularySize) do not fit nanoGPT's file of \(element); --dtype u32 writes 4 bytes each, for "
          + "readers that are told so, and --format llmc and megatron say the type in the file")
    }
    return element
  }

  private func llmcHead(_ count: Int, _ element: TokenFileElement, _ path: String) throws -> [UInt8] {
    guard count <= Int(Int32.max) else {
      throw CorpusError(
        self.path, "\(count) ids are more than the 2^31 − 1 of a file of llm.c; export the splits one by one")
    }
    var head: [UInt8] = []
    for kind in LLMCHeader.kinds where kind.element == element {
      head.append(littleEndian: kind.magic)
      head.append(littleEndian: kind.version)
      head.append(littleEndian: UInt32(count))
    }
    return head + [UInt8](repeating: 0, count: LLMCHeader.size - head.count)
  }

  private func index(
    of lengths: [Int32], _ element: TokenFileElement, beside path: String
  ) throws -> OutputFile {
    var output = try OutputFile(MegatronIndex.path(beside: path))
    var head = MegatronIndex.magic
    head.append(littleEndian: UInt64(1))
    head += MegatronIndex.elements.filter { $0.value == element }.map(\.key)
    head.append(littleEndian: UInt64(lengths.count))
    head.append(littleEndian: UInt64(lengths.count + 1))
    try output.write(head)
    var part: [UInt8] = []
    for length in lengths { part.append(littleEndian: UInt32(bitPattern: length)) }
    try output.write(part)
    part = []
    var place: UInt64 = 0
    for length in lengths {
      part.append(littleEndian: place)
      place += UInt64(length) * UInt64(element.width)
    }
    try output.write(part)
    part = []
    for document in 0...lengths.count { part.append(littleEndian: UInt64(document)) }
    try output.write(part)
    return output
  }
}

/// The documents that have tokens in a range of a corpus, and the empty ones in it and behind the last token.
private struct Documents {
  private let corpus: Corpus
  private let range: Range<Int>
  private let starts: [Int]

  init(of corpus: Corpus, in range: Range<Int>) {
    let starts = corpus.documents(startingIn: range)
    let isCut = !range.isEmpty && starts.first != range.lowerBound
    (self.corpus, self.range) = (corpus, range)
    self.starts = (isCut ? [range.lowerBound] : []) + starts
  }

  var count: Int { starts.count }

  private func end(of document: Int) -> Int {
    document + 1 < starts.count ? starts[document + 1] : range.upperBound
  }

  /// Passes the tokens on, cut at documents and frames: ids, and whether they begin and end a document.
  func forEachPiece(_ body: (ArraySlice<Int32>, Bool, Bool) throws -> Void) throws {
    var (document, position) = (0, range.lowerBound)
    func passEmpty() throws {
      while document < starts.count, starts[document] == end(of: document) {
        try body([], true, true)
        document += 1
      }
    }
    try passEmpty()
    try corpus.forEachPiece(of: range) { ids in
      var rest = ids[...]
      while !rest.isEmpty {
        let end = end(of: document), isFirst = position == starts[document]
        let part = rest.prefix(end - position)
        position += part.count
        rest = rest.dropFirst(part.count)
        try body(part, isFirst, position == end)
        guard position == end else { continue }
        document += 1
        try passEmpty()
      }
    }
  }
}
