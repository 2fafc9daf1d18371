// A corpus open for reading: its header, its documents, and where each token lies.

import RunnelFiles

/// A corpus file, read at random from any number of threads.
///
/// Opening reads the seek table, the header and the document starts, and checks them; token ids
/// are read and checked frame by frame as they are asked for. Memory: 8 bytes per document,
/// 40 per frame, and the cache.
public final class Corpus: Sendable {
  /// The path under which it was opened; errors begin with it.
  public let path: String
  /// What the corpus says about itself. If it was salvaged without a readable header, what could
  /// be made out.
  public let header: CorpusHeader
  /// The number of tokens that frames hold.
  public let count: Int
  /// The token at which each document starts, ascending; empty documents repeat a start.
  public let documentStarts: [Int]
  /// What a salvaging reader had to pass over to open the file; empty when opened strictly.
  public let findings: [CorpusFinding]
  /// The task that made it, where its documents ask for particular tokens.
  public let task: (any SyntheticTask)?
  /// Which tokens are targets for those who train on it.
  public let targetChoice: TargetChoice
  /// The size of the file, in bytes.
  public var fileBytes: Int { file.size }

  let file: InputFile
  let frames: [DataFrame]
  let cache: FrameCache
  /// The frame that holds the tokenizer's file, if one does.
  let tokenizerFrame: FrameEntry?
  /// The tokens that the header counts; nil if it is lost.
  let declaredCount: Int?
  /// Whether documents begin where `documentStarts` says, rather than nobody knows where.
  let knowsDocuments: Bool

  /// A data frame and the tokens it holds.
  struct DataFrame: Sendable {
    /// Its number in the seek table.
    var number: Int
    var entry: FrameEntry
    /// The tokens it holds.
    var tokens: Range<Int>
  }

  /// Opens the corpus at `path`.
  ///
  /// - Parameters:
  ///   - salvage: pass over what is damaged, noting it in `findings`, as long as any frame can be
  ///     found. Without an intact seek table, tokens are numbered as they are found.
  ///   - cacheBytes: room for decoded frames; give a sampler one frame per lane.
  ///   - targets: what samplers mark as targets where the corpus is of a task.
  /// - Throws: `CorpusError` naming the damage.
  public init(
    path: String, salvage: Bool = false, cacheBytes: Int = 32 << 20,
    targets: TargetChoice = .answers
  ) throws {
    let file = try InputFile(path)
    var findings: [CorpusFinding] = []
    func report(_ finding: CorpusFinding) throws {
      guard salvage else { throw CorpusError(path, finding) }
      findings.append(finding)
    }

    var table: SeekTable
    var walked = false
    var skipped = false  // bytes that were no frame, whose tokens nobody has counted
    do {
      table = try SeekTable(of: file)
    } catch let error as CorpusError where salvage {
      try report(CorpusFinding(error.message, frame: error.frame, offset: error.offset))
      table = try SeekTable(walking: file) {
        findings.append($0)
        skipped = true
      }
      walked = true
    }
    var metadata = try Metadata(of: file, table, report: report)
    if salvage, !walked, metadata.header?.frameTable != table.dataHash() {
      // The header vouches for the table. Without that, frames speak for themselves.
      try report(CorpusFinding("the seek table does not match the header's hash of it"))
      table = try SeekTable(walking: file) {
        findings.append($0)
        skipped = true
      }
      metadata = try Metadata(of: file, table) { _ in }
      walked = true
    }
    guard let width = metadata.header?.dtype.width ?? metadata.preamble?.width else {
      throw CorpusError(path, "holds no header of a Runnel corpus; build it with corpus build")
    }
    let (frames, count) = try Self.dataFrames(of: table, width: width, report: report)

    var header: CorpusHeader
    if let found = metadata.header {
      header = found
      if found.frameTable != table.dataHash() {
        try report(CorpusFinding("the seek table does not match the header's hash of it"))
      }
      if found.tokens != count {
        try report(CorpusFinding("the header counts \(counted(found.tokens, "token")), frames hold \(count)"))
      }
      if found.documents != metadata.starts.count {
        try report(
          CorpusFinding(
            "the header counts \(counted(found.documents, "document")), \(metadata.starts.count) are listed"))
      }
      if metadata.preamble.map({ $0 != (width, found.vocabularySize) }) ?? false {
        try report(CorpusFinding("the preamble contradicts the header"))
      }
    } else {
      try report(CorpusFinding("the header is missing or damaged"))
      let vocabulary = metadata.preamble?.vocabularySize ?? 256
      header = CorpusHeader(
        tokenizer: .init(name: "unknown"), vocabularySize: vocabulary,
        dtype: .init(vocabularySize: vocabulary), tokens: count, documents: 0,
        validationStart: count, sources: [], level: 0, frameBytes: 0, frameTable: "")
    }
    var starts = metadata.starts
    let isMoved = walked && (metadata.header.map { $0.tokens != count } ?? skipped)
    var knowsDocuments = !(starts.isEmpty && count > 0)
    if let last = starts.last, last > count || isMoved {
      knowsDocuments = false
      try report(CorpusFinding("the documents do not fit the tokens found: taken for one"))
      starts = [0]
    }
    if starts.first ?? 0 != 0 || starts.isEmpty && count > 0 {
      try report(CorpusFinding("the first document does not start at token 0"))
      starts.insert(0, at: 0)
    }
    do throws(TaskError) {
      task = try SyntheticTasks.recorded(in: header)
    } catch {
      try report(CorpusFinding("the header's task: \(error)"))
      task = nil
    }
    targetChoice = targets
    declaredCount = metadata.header?.tokens
    if salvage {
      if isMoved {
        // What was lost may have stood before the boundary: no token of validation becomes one of training.
        header.validationStart = max(0, header.validationStart - max(0, header.tokens - count))
      }
      header.tokens = count
      header.documents = starts.count
      header.validationStart = min(header.validationStart, count)
    }
    self.knowsDocuments = knowsDocuments
    (self.path, self.file, self.header, self.count) = (path, file, header, count)
    (self.frames, self.documentStarts, self.findings) = (frames, starts, findings)
    tokenizerFrame = metadata.tokenizer
    cache = FrameCache(capacity: cacheBytes)
  }

  /// Numbers the tokens of the data frames.
  private static func dataFrames(
    of table: SeekTable, width: Int, report: (CorpusFinding) throws -> Void
  ) throws -> ([DataFrame], Int) {
    var frames: [DataFrame] = []
    var count = 0
    for (number, entry) in table.entries.enumerated() where entry.contentSize > 0 {
      if entry.contentSize % width != 0 {
        try report(
          CorpusFinding(
            "\(entry.contentSize) bytes are no whole number of \(width)-byte tokens",
            frame: number, offset: entry.offset))
      }
      let tokens = count..<count + entry.contentSize / width
      frames.append(DataFrame(number: number, entry: entry, tokens: tokens))
      count = tokens.upperBound
    }
    return (frames, count)
  }
}

/// What the skippable frames of a corpus say.
private struct Metadata {
  var tokenizer: FrameEntry?
  var preamble: (width: Int, vocabularySize: Int)?
  var header: CorpusHeader?
  var starts: [Int] = []

  init(
    of file: InputFile, _ table: SeekTable, report: (CorpusFinding) throws -> Void
  ) throws {
    for (number, entry) in table.entries.enumerated() where entry.contentSize == 0 {
      do throws(CorpusProblem) {
        switch try Self.block(of: file, entry) {
        case .preamble(let width, let vocabularySize): preamble = (width, vocabularySize)
        case .header(let header): self.header = header
        case .documents(let first, let starts):
          guard first == self.starts.count, starts.first ?? 0 >= self.starts.last ?? 0 else {
            throw CorpusProblem("documents from \(first) follow \(self.starts.count) of them")
          }
          self.starts += starts
        case .tokenizer: tokenizer = entry
        case .unknown: break
        }
      } catch {
        try report(CorpusFinding(error.message, frame: number, offset: entry.offset))
      }
    }
    if preamble == nil { try report(CorpusFinding("the preamble is missing or damaged")) }
  }

  private static func block(
    of file: InputFile, _ entry: FrameEntry
  ) throws(CorpusProblem) -> MetadataBlock {
    do {
      guard entry.size >= 8 else { return .unknown }
      let head = try file.bytes(at: entry.offset, count: 8)
      guard head.integer(at: 0, as: UInt32.self) == MetadataBlock.magic else { return .unknown }
      let size = Int(head.integer(at: 4, as: UInt32.self))
      guard size == entry.size - 8, size <= Limits.blockBytes else {
        throw CorpusProblem("a metadata frame of \(size) bytes does not fit its entry")
      }
      return try MetadataBlock(payload: file.bytes(at: entry.offset + 8, count: size))
    } catch let problem as CorpusProblem {
      throw problem
    } catch {
      throw CorpusProblem("\(error)")
    }
  }
}
