// Corpora put together without encoding or compressing them again: merge, and append.

import Foundation
import RunnelFiles
import RunnelText

/// Makes one corpus of several with the same tokenizer.
///
/// The training parts come first, in the order of the corpora, then the validation parts: what was kept for validation
/// stays so. A document that a split by tokens had cut in two becomes two documents. Frames are copied as they are once they
/// have been found sound; only one that holds the boundary of a split is compressed anew.
public enum CorpusMerger {
  /// Merges the corpora at `inputs` into a new one at `output`, which may be one of them.
  ///
  /// - Parameter progress: called with the share done; what it throws ends the work.
  /// - Throws: a sentence when they do not fit together or a frame is damaged; what stood at `output` stays then.
  @discardableResult
  public static func merge(
    _ inputs: [String], into output: String, progress: (Double) throws -> Void = { _ in }
  ) throws -> CorpusHeader {
    // Into one of its inputs: what another process writes there is waited for and read, not lost.
    guard fileExists(output) else { return try mergeAll(inputs, into: output, progress) }
    let lock = try lock(output) { try progress(0) }
    return try withExtendedLifetime(lock) { try mergeAll(inputs, into: output, progress) }
  }

  private static func mergeAll(
    _ inputs: [String], into output: String, _ progress: (Double) throws -> Void
  ) throws -> CorpusHeader {
    try merge(inputs.map { try Corpus(path: $0, cacheBytes: 0) }, into: output, progress)
  }

  /// Appends texts to the corpus at `path`, as if it had been built from them too: with its own tokenizer, end token,
  /// level and kind of split. A split by tail takes the tail of the new texts in addition to the old one, so that nothing that
  /// was kept for validation moves into training.
  ///
  /// - Parameters:
  ///   - validation: the share of the new texts kept for validation; nil to go on with the corpus's own.
  ///   - threads: as `CorpusBuilder` has it; nil for one per core.
  ///   - badLines: as `CorpusBuilder` has it.
  ///   - progress: called with the bytes of input read so far; what it throws ends the work.
  /// - Returns: the header as written.
  /// - Throws: a sentence; the corpus is as it was then.
  @discardableResult
  public static func append(
    _ inputs: [CorpusInput], to path: String, validation: Double? = nil, threads: Int? = nil,
    badLines: (BadLines) -> Void = { _ in }, progress: (Int) throws -> Void = { _ in }
  ) throws -> CorpusHeader {
    let lock = try lock(path) { try progress(0) }
    return try withExtendedLifetime(lock) {
      try appendAlone(inputs, to: path, validation, threads, badLines, progress)
    }
  }

  /// Waits for the lock on a file, calling `idle` now and then; what it throws ends the waiting.
  private static func lock(_ path: String, _ idle: () throws -> Void) throws -> FileLock {
    while true {
      do throws(FileError) { return try FileLock(path) } catch {
        guard error.found == FileLock.busy else { throw error }
        try idle()
        usleep(50_000)
      }
    }
  }

  private static func appendAlone(
    _ inputs: [CorpusInput], to path: String, _ validation: Double?, _ threads: Int?,
    _ badLines: (BadLines) -> Void, _ progress: (Int) throws -> Void
  ) throws -> CorpusHeader {
    let corpus = try Corpus(path: path, cacheBytes: 0)
    let header = corpus.header
    guard let tokenizer = try corpus.tokenizer() else {
      throw CorpusError(
        path,
        "does not hold the tokenizer \(quoted(header.tokenizer.name)); build the new texts with it "
          + "and merge the two")
    }
    guard let split = ValidationSplit(recordedIn: header, fraction: validation) else {
      throw CorpusError(path, "does not say how it was split; choose with --validation")
    }
    var builder = CorpusBuilder(
      tokenizer: tokenizer, validation: split,
      level: (1...22).contains(header.level) ? header.level : 3)
    if let threads { builder.threads = max(1, threads) }
    if header.frameBytes % 4 == 0, (4...Limits.frameBytes).contains(header.frameBytes) {
      builder.frameBytes = header.frameBytes
    }
    builder.specialTokens = header.specialTokens
    builder.endToken = header.endOfDocument.flatMap { tokenizer.token(of: $0) }
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "./"
    let temporary = TemporaryName.random(in: folder)
    defer { unlink(temporary) }
    try builder.build(inputs, to: temporary, badLines: badLines, progress: progress)
    return try merge([corpus, Corpus(path: temporary, cacheBytes: 0)], into: path) { _ in }
  }

  private static func merge(
    _ corpora: [Corpus], into output: String, _ progress: (Double) throws -> Void
  ) throws -> CorpusHeader {
    guard let first = corpora.first else {
      throw CorpusError(output, "not written: there are no corpora to merge")
    }
    for other in corpora.dropFirst() { try check(other, fits: first) }
    let keeper = corpora.first { $0.tokenizerFrame != nil }
    var assembly = try CorpusAssembly(
      path: output,
      plan: CorpusPlan(
        tokenizer: first.header.tokenizer, tokenizerFile: keeper?.tokenizerFile(),
        vocabularySize: first.header.vocabularySize, level: first.header.level,
        frameBytes: first.header.frameBytes),
      isLocked: true)
    let compressor = try ZstdCompressor(level: first.header.level)
    let total = corpora.reduce(0) { $0 + $1.count }
    var training = 0
    for part in CorpusPart.allCases {
      for corpus in corpora {
        let range = corpus.range(of: part == .training ? .train : .validation)
        let before = assembly.tokens(in: .training)
        for start in corpus.documentStarts(of: part) {
          assembly.documents[0].append(before + start - range.lowerBound)
        }
        for index in corpus.frameIndices(of: range) {
          try assembly.append(corpus.frame(index, clampedTo: range, compressor))
          try progress(Double(assembly.tokens(in: .training)) / Double(max(1, total)))
        }
      }
      if part == .training { training = assembly.tokens(in: .training) }
    }
    let headers = corpora.map(\.header)
    return try assembly.finish { header in
      header.validationStart = training
      header.validationBy = common(headers.map(\.validationBy))
      header.validationFraction = common(headers.map(\.validationFraction))
      header.endOfDocument = common(headers.map(\.endOfDocument))
      header.specialTokens = common(headers.map(\.specialTokens))
      header.task = common(headers.map(\.task))
      header.sources = headers.flatMap(\.sources)
    }
  }

  /// What all of them say; nil if they differ.
  private static func common<Value: Equatable>(_ values: [Value?]) -> Value? {
    values.first { first in values.allSatisfy { $0 == first } } ?? nil
  }

  private static func check(_ other: Corpus, fits first: Corpus) throws {
    let (a, b) = (first.header, other.header)
    func name(_ tokenizer: CorpusHeader.Tokenizer) -> String {
      quoted(tokenizer.name) + (tokenizer.sha256.map { " (sha256 \($0.prefix(12))…)" } ?? "")
    }
    let isSame =
      a.tokenizer.sha256 == b.tokenizer.sha256
      && (a.tokenizer.sha256 != nil || a.tokenizer.name == b.tokenizer.name)
    guard isSame else {
      throw CorpusError(
        other.path,
        "its tokenizer is \(name(b.tokenizer)), that of \(first.path) is \(name(a.tokenizer)); corpora merge "
          + "only with the same one")
    }
    guard a.vocabularySize == b.vocabularySize else {
      throw CorpusError(
        other.path,
        "its vocabulary has \(b.vocabularySize) tokens, that of \(first.path) has \(a.vocabularySize)")
    }
  }
}

extension Corpus {
  /// The starts of the documents in a part; a part that begins inside a document begins with a start of its own.
  fileprivate func documentStarts(of part: CorpusPart) -> [Int] {
    let boundary = header.validationStart
    let index = partition(documentStarts.count) { documentStarts[$0] >= boundary }
    guard part == .validation else { return Array(documentStarts[..<index]) }
    let starts = Array(documentStarts[index...])
    return boundary < count && starts.first != boundary ? [boundary] + starts : starts
  }

  /// A data frame, found sound, as it is; or what of it lies in `range`, compressed anew.
  fileprivate func frame(
    _ index: Int, clampedTo range: Range<Int>, _ compressor: ZstdCompressor
  ) throws -> CompressedFrame {
    let frame = frames[index]
    let content = try decode(frame)
    let part = range.clamped(to: frame.tokens)
    if part == frame.tokens {
      return CompressedFrame(
        bytes: try file.bytes(at: frame.entry.offset, count: frame.entry.size),
        contentSize: content.count)
    }
    let width = header.dtype.width
    let first = (part.lowerBound - frame.tokens.lowerBound) * width
    return try CompressedFrame(
      of: Array(content[first..<first + part.count * width]), by: compressor, for: path)
  }
}
