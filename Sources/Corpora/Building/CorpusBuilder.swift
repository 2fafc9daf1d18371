// From texts to a corpus file: read, cut, encode, compress, write, on several threads and in order.
//
//     reader ──units──▶ encoders ──in order──▶ assembly ──frames──▶ compressors ──in order──▶ file
//
// One thread reads, one hashes what is read, the caller's puts the results in order, and the encoders and
// compressors share `threads` more. Each queue is bounded in bytes, so that the memory does not depend on the
// input; results are taken in the order of the input, so that the file does not depend on the threads.

import Foundation
import RunnelFiles
import RunnelText
import Synchronization

/// Builds corpora out of texts.
public struct CorpusBuilder: Sendable {
  /// What makes token ids of the texts; its file is kept in the corpus.
  public var tokenizer: any Tokenizer
  /// Which documents or tokens make the validation split.
  public var validation: ValidationSplit
  /// A token by the name that the tokenizer gives it, to be appended to every document.
  public var endToken: String?
  /// The tokens around every document, and whether special tokens in the texts are text; nil for neither.
  public var specialTokens: CorpusHeader.SpecialTokens?
  /// Leaves out documents that equal an earlier one. Memory: about 32 bytes per document. Texts of more than
  /// 8 MiB are not held in memory, and always kept.
  public var removesDuplicates = false
  /// zstd's level, 1 to 22.
  public var level: Int
  /// Bytes of token ids per frame, the unit of random access; a multiple of 4, at most 16 MiB.
  public var frameBytes = 256 << 10
  /// Threads that encode and compress; the file does not depend on it.
  public var threads: Int

  /// A builder with the other settings at their defaults; `threads` below 1 counts as 1.
  public init(
    tokenizer: any Tokenizer = ByteTokenizer(), validation: ValidationSplit = .none, level: Int = 3,
    threads: Int = ProcessInfo.processInfo.activeProcessorCount
  ) {
    (self.tokenizer, self.validation) = (tokenizer, validation)
    (self.level, self.threads) = (level, max(1, threads))
  }

  /// Builds the corpus `output` out of `inputs`, in their order.
  ///
  /// Memory: some 100 MiB with few threads, whatever the size of the inputs; a line of JSON is held whole, three
  /// times over, each document takes one to three bytes, and zstd data packed with a long window that window, 2 GiB at most.
  ///
  /// - Parameters:
  ///   - badLines: receives the lines that were left out, blank ones and those of inputs that skip bad ones, if any were.
  ///   - progress: called on the caller's thread, several times a second, with the bytes of input read so
  ///     far; what it throws ends the build.
  /// - Returns: the header as written.
  /// - Throws: ``FileError`` or `CorpusError`, or what `progress` throws; `output` is then as it was before.
  @discardableResult
  public func build(
    _ inputs: [CorpusInput], to output: String, badLines: (BadLines) -> Void = { _ in },
    progress: (Int) throws -> Void = { _ in }
  ) throws -> CorpusHeader {
    func open(_ tokenizer: some Tokenizer) throws -> CorpusHeader {
      try build(inputs, to: output, by: tokenizer, badLines, progress)
    }
    guard let specialTokens else { return try open(tokenizer) }
    var asked = tokenizer
    asked.template = TokenTemplate(before: specialTokens.before, after: specialTokens.after)
    asked.splitsSpecialTokens = specialTokens.areText
    return try open(asked.addingSpecialTokens())
  }

  /// Builds the corpus `output` out of files, folders or `-`, by their names.
  ///
  /// - Throws: as `build` of inputs does, and `CorpusError` where a name does not tell a format.
  @discardableResult
  public func build(
    _ inputs: [String], to output: String, progress: (Int) throws -> Void = { _ in }
  ) throws -> CorpusHeader {
    try build(CorpusInput.all(inputs), to: output, progress: progress)
  }

  private func build<Source: Tokenizer>(
    _ inputs: [CorpusInput], to output: String, by tokenizer: Source, _ badLines: (BadLines) -> Void,
    _ progress: (Int) throws -> Void
  ) throws -> CorpusHeader {
    precondition(
      frameBytes > 0 && frameBytes % 4 == 0 && frameBytes <= Limits.frameBytes,
      "frameBytes is \(frameBytes), expected a multiple of 4 up to \(Limits.frameBytes)")
    let plan = CorpusPlan(
      tokenizer: .init(name: tokenizer.name, sha256: tokenizer.sha256),
      tokenizerFile: tokenizer.file, vocabularySize: tokenizer.vocabularySize, level: level,
      frameBytes: frameBytes)
    let end = try endToken.map { name in
      guard let id = tokenizer.id(of: name) else {
        throw CorpusError(
          output,
          "not written: the tokenizer \(tokenizer.name) has no token \(quoted(name)); name one that it has")
      }
      return id
    }
    var byDocument: Double?
    if case .byDocument(let fraction) = validation { byDocument = fraction }
    let encoding = EncodingPlan(
      vocabularySize: plan.vocabularySize, dtype: plan.dtype, endOfDocument: end,
      hashesForSplit: byDocument != nil, hashesContent: removesDuplicates)

    let assembly = try CorpusAssembly(path: output, plan: plan)
    let reader = InputReader(inputs, capacity: max(8, 2 * threads) * DocumentUnit.bytes)
    let workers = WorkQueue(threads: threads) { [level] in
      BuildTools(encoder: UnitEncoder(tokenizer, encoding), level: level)
    }
    defer {
      reader.close()
      workers.close()
    }
    reader.start(encodingOn: workers)
    var writer = OrderedWriter(
      assembly: assembly, workers: workers, mayWait: 2 * threads + 2,
      validationFraction: byDocument, removesDuplicates: removesDuplicates)
    func idle() throws { try progress(reader.bytesRead) }
    while let (promise, bytes) = try reader.units.next(idle) {
      try writer.take(try promise.value(idle), idle)
      reader.units.giveBack(bytes: bytes)
      try idle()
    }
    var leftOut = writer.badLines
    leftOut.blank = reader.blankLines
    if leftOut != BadLines() { badLines(leftOut) }
    guard writer.tokens > 0 else {
      let names = inputs.isEmpty ? "no input" : inputs.map(\.path).joined(separator: ", ")
      throw CorpusError(output, "not written: there is no text in \(names)")
    }
    let sources = reader.sources
    return try writer.finish(validation: validation, idle) { header in
      header.sources = sources
      header.endOfDocument = end
      header.specialTokens = specialTokens
    }
  }
}

/// What each thread of a build works with.
struct BuildTools<Source: Tokenizer> {
  var encoder: UnitEncoder<Source>
  let level: Int
  private var compressor: ZstdCompressor?

  init(encoder: UnitEncoder<Source>, level: Int) {
    (self.encoder, self.level) = (encoder, level)
  }

  mutating func compress(_ content: [UInt8], for path: String) throws -> CompressedFrame {
    let compressor = try compressor ?? ZstdCompressor(level: level)
    self.compressor = compressor
    return try CompressedFrame(of: content, by: compressor, for: path)
  }
}
