// From a corpus to the token files of other trainers.

import RunnelFiles

extension Corpus {
  /// Writes tokens as another trainer reads them, in constant memory but for 12 bytes per document with Megatron's.
  ///
  /// Ids take 2 bytes where the vocabulary fits them, else 4. nanoGPT itself reads only 2.
  ///
  /// - Parameters:
  ///   - path: of the ids; Megatron's index goes beside it, as `.idx` in the place of `.bin`.
  ///   - documentEnd: an id put after every document.
  ///   - progress: called with the share that is done.
  /// - Returns: how many ids were written.
  /// - Throws: `CorpusError` or `FileError`; what stood at `path` is then still there.
  @discardableResult
  public func export(
    _ split: Split = .all, to path: String, as format: TokenFileFormat, documentEnd: Int32? = nil,
    progress: (Double) -> Void = { _ in }
  ) throws -> Int {
    if let documentEnd, documentEnd < 0 || Int(documentEnd) >= header.vocabularySize {
      throw CorpusError(
        self.path, "the end of documents \(documentEnd) is outside the vocabulary of \(header.vocabularySize)"
      )
    }
    let range = range(of: split)
    let count = range.count + (documentEnd == nil ? 0 : documents(in: range))
    // Megatron's readers know ids of 2 bytes without sign, and of 4 with one.
    let isNarrow = header.vocabularySize <= 1 << 16
    let element: TokenFileElement = isNarrow ? .u16 : format == .megatron ? .i32 : .u32
    var output = try OutputFile(path)
    if format == .llmc { try output.write(llmcHead(count, element, path)) }
    var lengths: [Int32] = []
    var buffer: [UInt8] = []
    try forEachDocumentPiece(of: range) { ids, isFirst, isLast in
      if format == .megatron {
        if isFirst { lengths.append(0) }
        let more = ids.count + (isLast && documentEnd != nil ? 1 : 0)
        guard more <= Int(Int32.max - lengths[lengths.count - 1]) else {
          throw CorpusError(
            self.path, "document \(lengths.count - 1) has 2^31 tokens or more, which Megatron cannot hold")
        }
        lengths[lengths.count - 1] += Int32(more)
      }
      element.append(ids, to: &buffer)
      if isLast, let documentEnd { element.append([documentEnd], to: &buffer) }
      guard buffer.count >= 1 << 18 else { return }
      try output.write(buffer)
      buffer.removeAll(keepingCapacity: true)
      progress(Double(output.count) / Double(max(1, count * element.width)))
    }
    try output.write(buffer)
    try output.commit()
    if format == .megatron { try writeIndex(of: lengths, element, beside: path) }
    return count
  }

  /// Documents that have tokens in a range; empty ones in it count too.
  private func documents(in range: Range<Int>) -> Int {
    guard !range.isEmpty else { return 0 }
    let starts = documentStarts(in: range)
    return starts.count + (starts.first == range.lowerBound ? 0 : 1)
  }

  /// Passes the tokens of a range on, cut at documents and frames: ids, and whether they begin and end a document.
  private func forEachDocumentPiece(
    of range: Range<Int>, _ body: (ArraySlice<Int32>, Bool, Bool) throws -> Void
  ) throws {
    var starts = documentStarts(in: range)[...]
    if starts.first == range.lowerBound { starts = starts.dropFirst() }
    var position = range.lowerBound
    var isFirst = true
    try forEachPiece(of: range) { ids in
      var rest = ids[...]
      while !rest.isEmpty {
        let end = min(position + rest.count, starts.first ?? range.upperBound)
        let isLast = end == starts.first ?? range.upperBound
        try body(rest.prefix(end - position), isFirst, isLast)
        rest = rest.dropFirst(end - position)
        (position, isFirst) = (end, isLast)
        if isLast { starts = starts.dropFirst() }
        while isLast, starts.first == position {
          try body([], true, true)
          starts = starts.dropFirst()
        }
      }
    }
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

  private func writeIndex(of lengths: [Int32], _ element: TokenFileElement, beside path: String) throws {
    var output = try OutputFile((path.hasSuffix(".bin") ? String(path.dropLast(4)) : path) + ".idx")
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
    try output.commit()
  }
}
