/// Lines of a log that wait until they can be written.

import RunnelFiles

/// The newest lines are kept, up to a bound; of older ones a line says how many there were.
struct WaitingLines {
  /// Some forty thousand steps of a run.
  static let most = 4096

  /// Why they could not be written.
  private(set) var failure: FileError?
  private var lines: [(step: Int, bytes: [UInt8])] = []
  private var dropped = (count: 0, step: 0)

  /// Lines that are not written yet, with those that never will be.
  var count: Int { lines.count + dropped.count }

  /// - Parameter step: at which it was made.
  mutating func add(_ line: [UInt8], step: Int) {
    if lines.count == Self.most { dropped = (dropped.count + 1, lines.removeFirst().step) }
    lines.append((step, line + [0x0A]))
  }

  /// Writes all of them, or none.
  mutating func flush(_ append: ([UInt8]) throws(FileError) -> Void) {
    let gap =
      dropped.count == 0 ? [] : Array("{\"dropped_lines\":\(dropped.count),\"step\":\(dropped.step)}\n".utf8)
    do {
      try append(gap + lines.flatMap(\.bytes))
      self = WaitingLines()
    } catch { failure = error }
  }
}
