// The file of a corpus put together: frames as they come, then what describes them.

import Foundation
import RunnelFiles
import RunnelText

/// What is known of a corpus before its first token.
struct CorpusPlan: Sendable {
  var tokenizer: CorpusHeader.Tokenizer
  /// The tokenizer's file, kept in the corpus.
  var tokenizerFile: TokenizerFile?
  var vocabularySize: Int
  var level: Int
  var frameBytes: Int

  var dtype: CorpusHeader.TokenType { .init(vocabularySize: vocabularySize) }
}

/// The parts of a corpus in the order in which its file holds them.
enum CorpusPart: Int, Sendable, CaseIterable { case training, validation }

/// A corpus file being written, frame by frame. Frames for validation wait in a file of their own,
/// without a name, until the training ones are all there.
struct CorpusAssembly: ~Copyable {
  let plan: CorpusPlan
  var path: String { file.path }
  /// Bytes of token ids written to each part.
  private(set) var contentBytes = [0, 0]
  /// The documents of each part, counted from its first token.
  var documents = [DocumentBlocks(), DocumentBlocks()]

  private var file: OutputFile
  /// On the corpus that is to be replaced, where there is one.
  private let lock: FileLock?
  private var table = SeekTable()
  private var spool: SpoolFile?
  private var spooled: [FrameEntry] = []  // where they lie is not known yet

  /// - Parameter isLocked: the caller holds the lock on what stands at `path`; else it is taken, or the work refused while
  ///   another process reads that to replace it.
  init(path: String, plan: CorpusPlan, isLocked: Bool = false) throws {
    var status = stat()
    let isRegular = stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    let lock = isRegular && !isLocked ? try FileLock(path) : nil
    var blocks = [
      MetadataBlock.preambleFrame(width: plan.dtype.width, vocabularySize: plan.vocabularySize)
    ]
    if let kept = plan.tokenizerFile {
      blocks.append(try MetadataBlock.tokenizerFrame(kept, for: path))
    }
    var file = try OutputFile(path)
    for block in blocks { try block.withUnsafeBytes { try file.write($0) } }
    self.plan = plan
    self.file = file
    self.lock = lock
    spool = nil
    for block in blocks { table.append(size: block.count, contentSize: 0) }
  }

  /// Tokens written to a part.
  func tokens(in part: CorpusPart) -> Int { contentBytes[part.rawValue] / plan.dtype.width }

  /// Appends a frame to a part.
  mutating func append(_ frame: CompressedFrame, to part: CorpusPart = .training) throws {
    guard table.entries.count + spooled.count < Limits.frames - 1024 else {
      throw CorpusError(path, "too many frames; use larger ones")
    }
    contentBytes[part.rawValue] += frame.contentSize
    switch part {
    case .training:
      try frame.bytes.withUnsafeBytes { try file.write($0) }
      table.append(
        size: frame.bytes.count, contentSize: frame.contentSize, checksum: frame.checksum)
    case .validation:
      if spool == nil { spool = try SpoolFile(beside: path) }
      try frame.bytes.withUnsafeBytes { try spool?.write($0) }
      spooled.append(
        FrameEntry(
          offset: 0, size: frame.bytes.count, contentSize: frame.contentSize,
          checksum: frame.checksum))
    }
  }

  private mutating func write(_ block: [UInt8]) throws {
    try block.withUnsafeBytes { try file.write($0) }
    table.append(size: block.count, contentSize: 0)
  }

  /// Writes the validation part, the metadata and the seek table, syncs, and puts the file in its
  /// place.
  ///
  /// - Parameter complete: fills in what the caller knows; counts and hashes are there.
  consuming func finish(_ complete: (inout CorpusHeader) throws -> Void) throws -> CorpusHeader {
    let training = tokens(in: .training)
    if let spool = spool.take() {
      try spool.read { try file.write($0) }
      for entry in spooled {
        table.append(size: entry.size, contentSize: entry.contentSize, checksum: entry.checksum)
      }
    }
    var all = documents[CorpusPart.training.rawValue]
    documents[CorpusPart.validation.rawValue].close()
    try all.append(documents[CorpusPart.validation.rawValue], shiftedBy: training)
    all.close()
    for frame in all.frames { try write(frame) }
    let total = training + tokens(in: .validation)
    var header = CorpusHeader(
      tokenizer: plan.tokenizer, vocabularySize: plan.vocabularySize, dtype: plan.dtype,
      tokens: total, documents: all.count, validationStart: training, sources: [],
      level: plan.level, frameBytes: plan.frameBytes, frameTable: table.dataHash())
    try complete(&header)
    let json = try header.json()
    guard json.count <= Limits.blockBytes - 16 else {
      throw CorpusError(
        path,
        "the header needs \(json.count) bytes for \(header.sources.count) sources, the limit is "
          + "\(Limits.blockBytes); join inputs, or give them through a pipe")
    }
    try write(MetadataBlock.frame(tag: "RNLH", body: json))
    try table.frame().withUnsafeBytes { try file.write($0) }
    try file.commit()
    return header
  }
}

/// Bytes put aside on the disk, in a file that has no name and goes with its owner.
struct SpoolFile: ~Copyable {
  private let descriptor: Int32
  private let path: String

  init(beside path: String) throws {
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "./"
    let name = TemporaryName.random(in: folder)
    let descriptor = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw CorpusError(path, "cannot make a temporary file beside it: \(systemMessage())")
    }
    unlink(name)
    (self.descriptor, self.path) = (descriptor, path)
  }

  deinit { close(descriptor) }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    try writeAll(bytes, to: descriptor, named: path)
  }

  /// Reads everything from the start, piece by piece.
  func read(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var offset = 0
    while true {
      let n = buffer.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, off_t(offset)) }
      if n < 0 && errno == EINTR { continue }
      guard n >= 0 else { throw CorpusError(path, "its temporary file: \(systemMessage())") }
      guard n > 0 else { return }
      try buffer.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[..<n])) }
      offset += n
    }
  }
}
