/// Lines of stdin as they come, for verbs that do other work between them.

import Foundation

/// Bytes of lines that are not taken yet. The last line counts even where no line feed ends it.
struct LineInput {
  private var bytes: [UInt8] = []
  /// Where the next line begins, and up to where it is known to have no end.
  private var start = 0, searched = 0
  private var isAtEnd = false

  /// The next line without its line feed; nil where none is there (`waits` false), or none will come. A signal that asks to
  /// leave ends the wait.
  mutating func next(waits: Bool) throws -> [UInt8]? {
    while true {
      if let feed = bytes[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        defer { (start, searched) = (feed + 1, feed + 1) }
        return Array(bytes[start..<feed])
      }
      if isAtEnd {
        defer { searched = bytes.count }
        guard start < bytes.count else { return nil }
        defer { start = bytes.count }
        return Array(bytes[start...])
      }
      bytes.removeFirst(start)
      (start, searched) = (0, bytes.count)
      guard bytes.count <= Input.maximumLine else {
        throw ToolError("stdin: a line is longer than \(Input.maximumLine) bytes")
      }
      guard waits || Input.isReady else { return nil }
      guard let more = try Input.read() else {
        guard !Interrupt.hasArrived else { return nil }
        isAtEnd = true
        continue
      }
      bytes += more
    }
  }

  /// The line that a signal cut short.
  var rest: [UInt8] { Array(bytes[start...]) }
  /// Whether all has been taken and nothing will come.
  var isOver: Bool { isAtEnd && start == bytes.count }
}
