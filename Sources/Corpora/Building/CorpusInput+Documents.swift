// The documents of an input as they are, for those who want the text and no corpus.

import RunnelText
import Synchronization

extension CorpusInput {
  /// Passes the text of the documents on, on this thread and in constant memory but for the longest line of JSON.
  ///
  /// - Parameters:
  ///   - progress: called with the number of bytes read so far.
  ///   - body: receives a stretch of a document, and whether the document ends with it.
  /// - Throws: a sentence naming the file, and the line where there are lines.
  package func forEachText(
    progress: (Int) throws -> Void = { _ in }, _ body: (UnsafeRawBufferPointer, Bool) throws -> Void
  ) throws {
    var cutter = DocumentCutter(self)
    var collector = UnitCollector(self)
    // To bytes as tokens, text is its own encoding.
    var encoder = UnitEncoder(
      ByteTokenizer(),
      EncodingPlan(vocabularySize: 256, dtype: .u8, hashesForSplit: false, hashesContent: false))
    func take(_ unit: DocumentUnit) throws {
      if case .stretch(_, _, let isLast) = unit.kind {
        return try unit.bytes.withUnsafeBytes { try body($0, isLast) }
      }
      let texts = try encoder.encode(unit)
      try texts.tokens.withUnsafeBytes { bytes in
        var start = 0
        for document in texts.documents {
          try body(UnsafeRawBufferPointer(rebasing: bytes[start..<document.end]), true)
          start = document.end
        }
      }
    }
    let count = Atomic(0)
    _ = try read(count: count) { piece in
      try cutter.take(piece) { try collector.take($0, take) }
      try progress(count.load(ordering: .relaxed))
    }
    try cutter.finish { try collector.take($0, take) }
    try collector.flush(take)
  }
}
