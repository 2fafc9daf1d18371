// From another trainer's token files to a corpus.

/// `runnel corpus import`.
public enum CorpusImporter {
  /// How documents are told apart in files that do not say.
  public enum Boundary: Sendable, Equatable {
    /// Each file is one document.
    case file
    /// A document ends with every such id, as in nanoGPT's data.
    case end(Int32)
    /// A document begins with every such id, as in llm.c's data.
    case start(Int32)
  }

  /// Makes the corpus `writer` stands for out of `inputs`, in their order.
  ///
  /// - Parameters:
  ///   - writer: knows the tokenizer and the vocabulary.
  ///   - format: of all inputs; nil tells it by their beginnings.
  ///   - element: the type of ids in nanoGPT's files; nil for 2 bytes, where the vocabulary fits them.
  ///   - validationInputs: files whose tokens are the validation split; `validation` counts if there are none.
  ///   - progress: called with the share that is done.
  /// - Throws: `CorpusError` or `FileError`, naming the file and the place.
  public static func build(
    _ writer: consuming CorpusWriter, inputs: [String], validationInputs: [String] = [],
    format: TokenFileFormat? = nil, element: TokenFileElement? = nil, boundary: Boundary = .file,
    validation: ValidationSplit = .none, progress: (Double) -> Void = { _ in }
  ) throws -> CorpusHeader {
    let vocabularySize = writer.vocabularySize
    let readers = try (inputs + validationInputs).map {
      try TokenFileReader(path: $0, format: format, element: element, vocabularySize: vocabularySize)
    }
    if let element, let other = readers.first(where: { $0.element != element }),
      !readers.contains(where: { $0.format == .nanogpt })
    {
      throw CorpusError(
        other.path,
        "\(other.format)'s files say the type of their ids, here \(other.element); leave --dtype out")
    }
    let total = max(1, readers.reduce(0) { $0 + $1.count })
    var split = validation
    var end: Int32?
    for (number, reader) in readers.enumerated() {
      if number == inputs.count { split = .token(writer.count) }
      var divider = Divider(boundary: boundary)
      try reader.forEachPiece {
        writer.beginDocument()
        divider.begin()
      } _: { ids in
        // Where it never stands, nothing ends with it.
        if end == nil, case .end(let id) = boundary, ids.contains(id) { end = id }
        try divider.append(ids, to: &writer)
        progress(Double(writer.count) / Double(total))
      }
    }
    guard writer.count > 0 else {
      throw CorpusError(inputs.joined(separator: ", "), "not imported: there are no ids in it")
    }
    return try writer.finish(
      validation: split, sources: readers.map { try $0.source() }, endOfDocument: end)
  }

  /// Begins documents where the boundary says.
  private struct Divider {
    let boundary: Boundary
    /// The next id is the first of a document.
    private var needsDocument = true
    /// The file has begun a document that has no id yet: where its first one begins documents, it begins this one.
    private var isAtBeginning = false

    init(boundary: Boundary) { self.boundary = boundary }

    /// The file itself has begun a document.
    mutating func begin() { (needsDocument, isAtBeginning) = (false, true) }

    mutating func append(_ ids: [Int32], to writer: inout CorpusWriter) throws {
      var first = 0
      for (i, id) in ids.enumerated() {
        switch boundary {
        case .end(id):
          try put(ids[first...i], to: &writer)
          (first, needsDocument) = (i + 1, true)
        case .start(id):
          try put(ids[first..<i], to: &writer)
          (first, needsDocument) = (i, !isAtBeginning)
        default: break
        }
      }
      try put(ids[first...], to: &writer)
    }

    private mutating func put(_ ids: ArraySlice<Int32>, to writer: inout CorpusWriter) throws {
      guard !ids.isEmpty else { return }
      if needsDocument { writer.beginDocument() }
      (needsDocument, isAtBeginning) = (false, false)
      try ids.withUnsafeBufferPointer { try writer.append($0) }
    }
  }
}
