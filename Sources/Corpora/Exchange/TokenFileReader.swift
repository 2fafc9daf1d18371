// Reads token ids from another trainer's file, in constant memory.

import RunnelFiles

/// A file of token ids, open for one reading after the other.
struct TokenFileReader {
  let path: String
  let format: TokenFileFormat
  let element: TokenFileElement
  /// Ids that it holds.
  let count: Int
  private let file: InputFile
  private let vocabularySize: Int
  /// Where the ids lie, in bytes: one run, or one for every sequence.
  private let index: SequenceIndex?
  private let start: Int

  /// Opens a file, telling its format by its beginning unless that is given.
  ///
  /// - Parameters:
  ///   - element: of the ids of a bare file; the others say. Nil for the 2 bytes of nanoGPT, where nothing speaks against it.
  ///   - vocabularySize: ids must be below it.
  /// - Throws: `CorpusError` or `FileError` where the file is not what it should be.
  init(
    path: String, format: TokenFileFormat?, element: TokenFileElement?, vocabularySize: Int
  ) throws {
    self.vocabularySize = vocabularySize
    let isIndex = path.hasSuffix(".idx")
    let data = isIndex ? String(path.dropLast(4)) + ".bin" : path
    let beside = MegatronIndex.path(beside: data)
    let file = try InputFile(data)
    let head = try file.bytes(at: 0, count: min(LLMCHeader.size, file.size))
    let isLLMC =
      head.count == LLMCHeader.size
      && LLMCHeader.kinds.contains { $0.magic == head.integer(at: 0, as: UInt32.self) }
    if format == nil, !isLLMC, !isIndex, !fileExists(beside) {
      try Self.refuseOthers(data, beginning: head, width: element?.width ?? 2)
    }
    let format =
      format ?? (isIndex || fileExists(beside) ? .megatron : isLLMC ? .llmc : .nanogpt)
    (self.path, self.file, self.format) = (data, file, format)
    switch format {
    case .nanogpt:
      let element = try element ?? Self.guess(file, vocabularySize)
      guard file.size % element.width == 0 else {
        throw CorpusError(
          data, "\(file.size) bytes are no whole number of \(element.width)-byte ids; is --dtype right?")
      }
      (self.element, count, start, index) = (element, file.size / element.width, 0, nil)
    case .llmc:
      guard isLLMC else {
        throw CorpusError(
          data, "does not begin with the magic number of llm.c (20240520 or 20240801); is --format right?",
          offset: 0)
      }
      let (magic, version) = (head.integer(at: 0, as: UInt32.self), head.integer(at: 4, as: UInt32.self))
      guard let kind = LLMCHeader.kinds.first(where: { $0.magic == magic && $0.version == version }) else {
        throw CorpusError(data, "version \(version) of llm.c's file is not known", offset: 4)
      }
      let count = Int(head.integer(at: 8, as: UInt32.self))
      guard count * kind.element.width == file.size - LLMCHeader.size else {
        throw CorpusError(
          data,
          "the header counts \(counted(count, "id")), the file has room for "
            + "\((file.size - LLMCHeader.size) / kind.element.width); it was cut short or damaged", offset: 8)
      }
      (self.element, self.count, start, index) = (kind.element, count, LLMCHeader.size, nil)
    case .megatron:
      let index = try SequenceIndex(path: beside, of: data, dataSize: file.size)
      (self.element, count, start) = (index.element, try index.count(), 0)
      self.index = index
    }
  }

  /// Bare ids have no mark of their own: what begins as another kind of file, or as text, is taken for them only when asked.
  private static func refuseOthers(_ path: String, beginning head: [UInt8], width: Int) throws {
    let anyway = "; --format nanogpt takes its bytes for ids"
    if let other = ([.zstd] + Signature.all).first(where: { !$0.magic.isEmpty && $0.compare(head) == .agrees }
    ) {
      throw CorpusError(path, "\(other.what), no bare ids; \(other.adviceForIds)" + anyway, offset: 0)
    }
    // Ids of one byte may well be text; in wider ones no text comes about by chance. The last character may be cut.
    guard width > 1, head.count >= 32, !head.contains(where: { $0 < 9 || 14..<32 ~= $0 || $0 == 127 }),
      (0..<4).contains(where: { String(validating: head.dropLast($0), as: UTF8.self) != nil })
    else { return }
    throw CorpusError(path, "text, no bare ids; `runnel corpus build` reads text" + anyway, offset: 0)
  }

  /// The type of a bare file's ids, where nobody says it.
  private static func guess(_ file: InputFile, _ vocabularySize: Int) throws -> TokenFileElement {
    let says = "; say --dtype u16 or u32"
    guard vocabularySize <= 1 << 16 else {
      throw CorpusError(
        file.path,
        "ids below \(vocabularySize) do not fit the 2 bytes that nanoGPT's files have, and bare ids do not say their type"
          + says)
    }
    let head = TokenFileElement.u16.ids(in: try file.bytes(at: 0, count: min(file.size & ~3, 1 << 16)))
    let upper = stride(from: 1, to: head.count, by: 2)
    if head.count >= 64, upper.allSatisfy({ head[$0] == 0 }), head.contains(where: { $0 != 0 }) {
      throw CorpusError(file.path, "every other id of 2 bytes is 0, as in a file of 4 bytes each" + says)
    }
    return .u16
  }

  /// The file of ids as the header of a corpus names it.
  func source() throws -> CorpusHeader.Source {
    var hash = SHA256()
    for offset in stride(from: 0, to: file.size, by: 1 << 20) {
      try file.bytes(at: offset, count: min(1 << 20, file.size - offset)).withUnsafeBytes { hash.update($0) }
    }
    return CorpusHeader.Source(
      name: fileName(of: path), bytes: file.size, sha256: hash.digest())
  }

  /// Passes the ids on in pieces of at most 1 MiB. In a file that knows its documents, `begin` comes before each.
  func forEachPiece(begin: () throws -> Void, _ body: ([Int32]) throws -> Void) throws {
    guard let index else { return try pieces(start, count, body) }
    try index.forEachSequence(beginning: begin) { try pieces($0.offset, $0.count, body) }
  }

  private func pieces(_ offset: Int, _ count: Int, _ body: ([Int32]) throws -> Void) throws {
    let most = (1 << 20) / element.width
    for first in stride(from: 0, to: count, by: most) {
      let n = min(most, count - first)
      let place = offset + first * element.width
      let ids = element.ids(in: try file.bytes(at: place, count: n * element.width))
      if let bad = ids.firstIndex(where: { $0 < 0 || $0 >= vocabularySize }) {
        let found = ids[bad] < 0 ? "one that is negative or does not fit 31 bits" : "\(ids[bad])"
        throw CorpusError(
          path,
          "expected ids of \(element) below \(vocabularySize), found \(found); is the vocabulary right?",
          offset: place + bad * element.width)
      }
      try body(ids)
    }
  }
}

/// Megatron's `.idx`, read a block at a time. Everything that it says twice, or that the file of ids says too, is compared.
private struct SequenceIndex {
  struct Sequence {
    var offset, count: Int
  }

  let element: TokenFileElement
  private let file: InputFile
  private let data: String
  private let dataSize: Int
  private let sequences: Int
  private let documents: Int
  private let hasModes: Bool

  init(path: String, of data: String, dataSize: Int) throws {
    file = try InputFile(path)
    (self.data, self.dataSize) = (data, dataSize)
    guard file.size >= MegatronIndex.headSize else {
      throw CorpusError(path, "\(file.size) bytes are too few for Megatron's index", offset: 0)
    }
    let head = try file.bytes(at: 0, count: MegatronIndex.headSize)
    guard head.starts(with: MegatronIndex.magic) else {
      throw CorpusError(path, "does not begin with MMIDIDX, as Megatron's index does", offset: 0)
    }
    let version = head.integer(at: 9, as: UInt64.self)
    guard version == 1 else { throw CorpusError(path, "version \(version), expected 1", offset: 9) }
    guard let element = MegatronIndex.elements[head[17]] else {
      throw CorpusError(path, "ids of type code \(head[17]) are not whole numbers", offset: 17)
    }
    let n = head.integer(at: 18, as: UInt64.self), m = head.integer(at: 26, as: UInt64.self)
    let room = UInt64(file.size - MegatronIndex.headSize)
    guard n <= room / 12, m <= room / 8, 12 * n + 8 * m <= room,
      [0, n].contains(room - 12 * n - 8 * m)
    else {
      throw CorpusError(
        path, "\(n) sequences and \(m) documents do not fit a file of \(file.size) bytes", offset: 18)
    }
    hasModes = room > 12 * n + 8 * m
    (self.element, sequences, documents) = (element, Int(n), Int(m))
  }

  private func failure(_ message: String, at offset: Int) -> CorpusError {
    CorpusError(
      file.path,
      message + "; it is damaged or not the index of \(fileName(of: data)), which --format nanogpt reads "
        + "without it", offset: offset)
  }

  /// Ids in all sequences; looks at everything in the file.
  func count() throws -> Int {
    var count = 0
    try forEachSequence(beginning: {}, { count += $0.count })
    guard count * element.width == dataSize else {
      throw failure(
        "its sequences end at byte \(count * element.width), \(fileName(of: data)) has \(dataSize)", at: 18)
    }
    if hasModes {
      let start = MegatronIndex.headSize + 12 * sequences + 8 * documents
      for first in stride(from: 0, to: sequences, by: Self.block) {
        let modes = try file.bytes(at: start + first, count: min(Self.block, sequences - first))
        if let other = modes.firstIndex(where: { $0 != 0 }) {
          throw failure(
            "sequence \(first + other) has the mode \(modes[other]), expected 0 for text",
            at: start + first + other)
        }
      }
    }
    return count
  }

  private static let block = 1 << 15

  /// Walks documents and sequences in order, checking that each sequence lies where the one before ends.
  ///
  /// - Parameter beginning: a document begins; those without a sequence too.
  func forEachSequence(
    beginning begin: () throws -> Void, _ body: (Sequence) throws -> Void
  ) throws {
    let lengths = MegatronIndex.headSize, places = lengths + 4 * sequences
    var starts = Starts(file: file, offset: places + 8 * sequences, count: documents)
    var end = 0
    for first in stride(from: 0, to: sequences, by: Self.block) {
      let n = min(Self.block, sequences - first)
      let counts = try file.bytes(at: lengths + 4 * first, count: 4 * n)
      let offsets = try file.bytes(at: places + 8 * first, count: 8 * n)
      for i in 0..<n {
        let count = Int(Int32(bitPattern: counts.integer(at: 4 * i, as: UInt32.self)))
        let offset = offsets.integer(at: 8 * i, as: UInt64.self)
        guard count >= 0, count * element.width <= dataSize - end else {
          throw failure(
            "sequence \(first + i) has \(counted(count, "id")) at byte \(end), \(fileName(of: data)) has \(dataSize) bytes",
            at: lengths + 4 * (first + i))
        }
        guard offset == UInt64(end) else {
          throw failure(
            "sequence \(first + i) lies at byte \(offset), the one before ends at \(end)",
            at: places + 8 * (first + i))
        }
        try pass(&starts, first + i, begin)
        try body(Sequence(offset: end, count: count))
        end += count * element.width
      }
    }
    try pass(&starts, sequences, begin)
    if let other = try starts.next() {
      throw failure("a document ends with sequence \(other), there are \(sequences)", at: starts.place)
    }
    guard starts.last == sequences else {
      throw failure(
        "the last document ends with sequence \(starts.last.map(String.init) ?? "none"), expected \(sequences)",
        at: starts.place)
    }
  }

  /// Begins the documents at `sequence`: as many as there are boundaries, but for the one that ends the last document.
  private func pass(_ starts: inout Starts, _ sequence: Int, _ begin: () throws -> Void) throws {
    while let start = try starts.next(), start <= UInt64(sequence) {
      guard start == UInt64(sequence) else {
        throw failure(
          "a document begins with sequence \(start), the one before with \(sequence)", at: starts.place)
      }
      starts.take(sequence)
      if starts.index < documents { try begin() }
    }
    guard starts.last != nil || sequence == sequences else {
      throw failure("the first document does not begin with sequence 0", at: starts.place)
    }
  }

  /// The numbers of sequences at which documents begin or end, walked forward.
  private struct Starts {
    private let file: InputFile
    private let offset: Int
    private let count: Int
    /// Boundaries taken, and the last of them.
    private(set) var index = 0
    private(set) var last: Int?
    private var block: [UInt8] = []
    private var blockStart = 0

    init(file: InputFile, offset: Int, count: Int) {
      (self.file, self.offset, self.count) = (file, offset, count)
    }

    /// Where in the file the next boundary lies.
    var place: Int { offset + 8 * min(index, max(0, count - 1)) }

    mutating func take(_ boundary: Int) { (index, last) = (index + 1, boundary) }

    /// The next boundary, which stays; nil at the end.
    mutating func next() throws -> UInt64? {
      guard index < count else { return nil }
      if index >= blockStart + block.count / 8 {
        blockStart = index
        block = try file.bytes(at: offset + 8 * index, count: 8 * min(SequenceIndex.block, count - index))
      }
      return block.integer(at: 8 * (index - blockStart), as: UInt64.self)
    }
  }
}
