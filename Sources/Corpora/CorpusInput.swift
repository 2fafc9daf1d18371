// Text for a corpus, read in constant memory: `.txt`, `.jsonl`, either also `.zst`, or `-`.

import Foundation
import RunnelFiles

/// One input of `corpus build`.
public struct CorpusInput: Sendable, Equatable {
  public enum Format: String, Sendable {
    /// The whole input is one document, byte for byte.
    case text
    /// Every line is a JSON object whose `text` is a document; blank lines are passed over.
    case jsonLines
  }

  /// A file, or `-` for standard input.
  public var path: String
  public var format: Format
  /// Whether the bytes are zstd frames.
  public var isCompressed: Bool

  public init(path: String, format: Format, isCompressed: Bool = false) {
    (self.path, self.format, self.isCompressed) = (path, format, isCompressed)
  }

  /// Tells the format by the name: `.txt`, `.jsonl`, either with `.zst`; `-` is plain text.
  ///
  /// - Throws: `CorpusError` for any other name.
  public init(_ argument: String) throws {
    let isCompressed = argument.hasSuffix(".zst")
    let name = isCompressed ? String(argument.dropLast(4)) : argument
    if name.hasSuffix(".jsonl") {
      self.init(path: argument, format: .jsonLines, isCompressed: isCompressed)
    } else if name.hasSuffix(".txt") || argument == "-" {
      self.init(path: argument, format: .text, isCompressed: isCompressed)
    } else {
      throw CorpusError(
        argument, "unknown kind of input; expected .txt, .jsonl, either with .zst, or -")
    }
  }

  /// A long line of JSON is refused beyond this many bytes, rather than held in memory.
  static let maximumLine = 256 << 20

  /// What a document is read as: its start, then its bytes in pieces, then its end.
  package enum Event {
    case start
    case bytes(UnsafeRawBufferPointer)
    case end
  }

  /// Reads the input from start to end as documents.
  ///
  /// - Parameter progress: called with the number of bytes that each read brought.
  /// - Returns: its name, size and SHA-256, as read.
  /// - Throws: `CorpusError` naming the file, and the line where there are lines.
  package func read(
    progress: (Int) -> Void, _ body: (Event) throws -> Void
  ) throws -> CorpusHeader.Source {
    switch format {
    case .text:
      try body(.start)
      let source = try chunks(progress) { try body(.bytes($0)) }
      try body(.end)
      return source
    case .jsonLines:
      var lines = JSONLines(path: path)
      let source = try chunks(progress) { try lines.take($0, body) }
      try lines.finish(body)
      return source
    }
  }

  /// Passes the input on in pieces, decompressed.
  private func chunks(
    _ progress: (Int) -> Void, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> CorpusHeader.Source {
    let descriptor = path == "-" ? STDIN_FILENO : try openForReading(path)
    defer { if path != "-" { close(descriptor) } }
    var hash = SHA256()
    var size = 0
    var stream = try ZstdStream()
    var buffer = [UInt8](repeating: 0, count: 1 << 18)
    while true {
      let n = buffer.withUnsafeMutableBytes {
        Foundation.read(descriptor, $0.baseAddress, $0.count)
      }
      if n < 0 && errno == EINTR { continue }
      guard n >= 0 else { throw CorpusError(path, "cannot be read: \(systemMessage())") }
      guard n > 0 else { break }
      try buffer.withUnsafeBytes { buffer in
        let piece = UnsafeRawBufferPointer(rebasing: buffer[..<n])
        hash.update(piece)
        guard isCompressed else { return try body(piece) }
        do {
          try stream.decode(piece, body)
        } catch let failure as ZstdFailure {
          throw CorpusError(
            path, "is not sound zstd data: \(failure.message)", offset: size)
        }
      }
      size += n
      progress(n)
    }
    guard stream.isComplete else {
      throw CorpusError(path, "ends inside a zstd frame: it was cut short", offset: size)
    }
    return CorpusHeader.Source(
      name: path.split(separator: "/").last.map(String.init) ?? path, bytes: size,
      sha256: hash.digest())
  }
}

/// Puts lines together from pieces of a stream, and takes the `text` out of each.
private struct JSONLines {
  let path: String
  private var line: [UInt8] = []  // the beginning of a line that has not ended yet
  private var text: [UInt8] = []
  private var number = 1

  init(path: String) { self.path = path }

  mutating func take(
    _ piece: UnsafeRawBufferPointer, _ body: (CorpusInput.Event) throws -> Void
  ) throws {
    var rest = piece[...]
    while let base = rest.isEmpty ? nil : piece.baseAddress?.advanced(by: rest.startIndex) {
      guard let feed = memchr(base, 0x0A, rest.count) else { break }
      let length = UnsafeRawPointer(feed) - base
      let end = rest.startIndex + length
      if line.isEmpty {
        let whole = UnsafeRawBufferPointer(rebasing: rest[..<end])
        try document(Array(whole), body)
      } else {
        line.append(contentsOf: rest[..<end])
        try finish(body)
      }
      rest = rest[(end + 1)...]
      number += 1
    }
    line.append(contentsOf: rest)
    guard line.count <= CorpusInput.maximumLine else {
      throw CorpusError(
        path, "line \(number): longer than \(CorpusInput.maximumLine) bytes; is it .jsonl?")
    }
  }

  /// Takes the pending line as a whole one.
  mutating func finish(_ body: (CorpusInput.Event) throws -> Void) throws {
    let whole = line
    line.removeAll(keepingCapacity: true)
    try document(whole, body)
  }

  private mutating func document(
    _ line: [UInt8], _ body: (CorpusInput.Event) throws -> Void
  ) throws {
    guard line.contains(where: { $0 > 0x20 }) else { return }
    var scanner = JSONScanner(
      line, file: path, name: "line \(number)", repairsText: true,
      remedy: "each line is an object with a string field \"text\"")
    var found = false
    try scanner.beginObject()
    while let key = try scanner.nextKey() {
      guard key == "text" else {
        try scanner.skipValue()
        continue
      }
      guard scanner.kind() == .string else { throw scanner.failure(expected: "the text as a string") }
      text.removeAll(keepingCapacity: true)
      try scanner.string(into: &text)
      found = true
    }
    try scanner.finish()
    guard found else { throw scanner.failure(expected: "a field \"text\"", found: "none") }
    try body(.start)
    try text.withUnsafeBytes { try body(.bytes($0)) }
    try body(.end)
  }
}
