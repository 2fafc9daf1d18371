// Documents of inputs one after the other, for who wants their bytes rather than a corpus.

import RunnelFiles
import Synchronization

extension CorpusInput {
  /// Reads inputs from start to end as documents, in constant memory but for lines of JSON, which are held whole.
  ///
  /// - Parameter progress: called with the bytes read so far, about four times per MiB.
  /// - Returns: the lines that were left out, as inputs that skip bad ones allow.
  /// - Throws: `CorpusError` or `FileError` naming the file, and the line where there are lines.
  package static func readDocuments(
    of inputs: [CorpusInput], progress: (Int) throws -> Void, _ body: (DocumentEvent) throws -> Void
  ) throws -> BadLines {
    let count = Atomic(0)
    var bad = BadLines()
    for input in inputs {
      var cutter = DocumentCutter(input)
      var lines = LineTexts(input)
      func take(_ event: DocumentEvent) throws {
        if input.format == .jsonLines { try lines.take(event, body) } else { try body(event) }
      }
      _ = try input.read(count: count) { piece in
        try cutter.take(piece, take)
        try progress(count.load(ordering: .relaxed))
      }
      try cutter.finish(take)
      bad.add(lines.bad)
      bad.blank += cutter.blankLines
    }
    return bad
  }
}

/// Takes the texts out of lines of JSON.
private struct LineTexts {
  private let input: CorpusInput
  private var line: [UInt8] = []
  private var number = 0
  /// Whether the rest of the open line is passed over.
  private var isSkipping = false
  private(set) var bad = BadLines()

  init(_ input: CorpusInput) { self.input = input }

  mutating func take(_ event: DocumentEvent, _ body: (DocumentEvent) throws -> Void) throws {
    switch event {
    case .start:
      line.removeAll(keepingCapacity: true)
      number += 1
      isSkipping = false
    case .bytes(let bytes):
      guard !isSkipping else { return }
      line.append(contentsOf: bytes)
      guard line.count > input.longestLine else { return }
      let error = input.isTooLong(line: number)
      guard input.skipsBadLines else { throw error }
      bad.add(error)
      (line, isSkipping) = ([], true)
    case .end:
      guard line.contains(where: { $0 > 0x20 }) else { return }
      var text: [UInt8] = []
      do throws(FileError) {
        try TextField.extract(input.field, from: line, number: number, of: input.path, into: &text)
      } catch {
        guard input.skipsBadLines else { throw error }
        return bad.add(error)
      }
      try body(.start)
      try text.withUnsafeBytes { try body(.bytes($0)) }
      try body(.end)
    }
  }
}
