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
  /// Where the ids lie, in bytes: one run, or one for every sequence.
  private let index: SequenceIndex?
  private let start: Int

  /// Opens a file, telling its format by its beginning unless that is given.
  ///
  /// - Parameter element: of the ids of a bare file; the others say.
  /// - Throws: `CorpusError` or `FileError` where the file is not what it should be.
  init(path: String, format: TokenFileFormat?, element: TokenFileElement) throws {
    let isIndex = path.hasSuffix(".idx")
    let data = isIndex ? String(path.dropLast(4)) + ".bin" : path
    let beside = (data.hasSuffix(".bin") ? String(data.dropLast(4)) : data) + ".idx"
    let file = try InputFile(data)
    let head = try file.bytes(at: 0, count: min(LLMCHeader.size, file.size))
    let isLLMC =
      head.count == LLMCHeader.size
      && LLMCHeader.kinds.contains { $0.magic == head.integer(at: 0, as: UInt32.self) }
    let format =
      format ?? (isIndex || fileExists(beside) ? .megatron : isLLMC ? .llmc : .nanogpt)
    (self.path, self.file, self.format) = (data, file, format)
    switch format {
    case .nanogpt:
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
          "the header counts \(count) ids, the file has room for "
            + "\((file.size - LLMCHeader.size) / kind.element.width); it was cut short or damaged", offset: 8)
      }
      (self.element, self.count, start, index) = (kind.element, count, LLMCHeader.size, nil)
    case .megatron:
      let index = try SequenceIndex(path: beside, dataSize: file.size)
      (self.element, count, start) = (index.element, try index.count(), 0)
      self.index = index
    }
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
    try index.forEachSequence { sequence in
      if sequence.beginsDocument { try begin() }
      try pieces(sequence.offset, sequence.count, body)
    }
  }

  private func pieces(_ offset: Int, _ count: Int, _ body: ([Int32]) throws -> Void) throws {
    let most = (1 << 20) / element.width
    for first in stride(from: 0, to: count, by: most) {
      let n = min(most, count - first)
      try body(
        element.ids(in: file.bytes(at: offset + first * element.width, count: n * element.width)))
    }
  }
}

/// Megatron's `.idx`, read a block at a time.
private struct SequenceIndex {
  struct Sequence {
    var offset, count: Int
    var beginsDocument: Bool
  }

  let element: TokenFileElement
  private let file: InputFile
  private let dataSize: Int
  private let sequences: Int
  private let documents: Int

  init(path: String, dataSize: Int) throws {
    file = try InputFile(path)
    self.dataSize = dataSize
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
    (self.element, sequences, documents) = (element, Int(n), Int(m))
  }

  /// Ids in all sequences.
  func count() throws -> Int {
    var count = 0
    try forEachSequence { count += $0.count }
    guard count <= dataSize / element.width else {
      throw CorpusError(
        file.path,
        "its sequences overlap: they have \(count) ids, the file of ids has \(dataSize / element.width)")
    }
    return count
  }

  /// Walks the sequences in order, checking that each lies in the file of ids.
  func forEachSequence(_ body: (Sequence) throws -> Void) throws {
    let lengths = MegatronIndex.headSize, places = lengths + 4 * sequences
    var starts = Starts(file: file, offset: places + 8 * sequences, count: documents)
    let block = 1 << 15
    for first in stride(from: 0, to: sequences, by: block) {
      let n = min(block, sequences - first)
      let counts = try file.bytes(at: lengths + 4 * first, count: 4 * n)
      let offsets = try file.bytes(at: places + 8 * first, count: 8 * n)
      for i in 0..<n {
        let count = Int(Int32(bitPattern: counts.integer(at: 4 * i, as: UInt32.self)))
        let offset = offsets.integer(at: 8 * i, as: UInt64.self)
        guard count >= 0, offset <= UInt64(dataSize), count * element.width <= dataSize - Int(offset) else {
          throw CorpusError(
            file.path,
            "sequence \(first + i) has \(count) ids at byte \(offset), the file of ids has \(dataSize) bytes",
            offset: lengths + 4 * (first + i))
        }
        let begins = try starts.reach(first + i)
        try body(Sequence(offset: Int(offset), count: count, beginsDocument: begins || first + i == 0))
      }
    }
  }

  /// The numbers of sequences at which documents begin, walked forward.
  private struct Starts {
    let file: InputFile
    let offset: Int
    let count: Int
    private var next = 0
    private var block: [UInt8] = []
    private var blockStart = 0

    init(file: InputFile, offset: Int, count: Int) {
      (self.file, self.offset, self.count) = (file, offset, count)
    }

    /// Whether a document begins at `sequence`; to be asked in rising order.
    mutating func reach(_ sequence: Int) throws -> Bool {
      while next < count {
        if next >= blockStart + block.count / 8 || block.isEmpty {
          blockStart = next
          block = try file.bytes(at: offset + 8 * next, count: 8 * min(1 << 15, count - next))
        }
        let start = block.integer(at: 8 * (next - blockStart), as: UInt64.self)
        guard start <= UInt64(sequence) else { return false }
        next += 1
        if start == UInt64(sequence) { return true }
      }
      return false
    }
  }
}
