/// Standard input as text, read as it comes.

import Foundation
import Runnel
import Synchronization

enum Input {
  private static let text = Mutex(TextStream("stdin", reader: "runnel …", comesLive: true))

  /// The next text of stdin as soon as there is any, by whatever its first bytes say that it is; nil at its end, or once a
  /// signal asks to leave.
  static func read() throws -> [UInt8]? {
    do { return try text.withLock { try $0.next(bytes) } } catch  where Interrupt.hasArrived { return nil }
  }

  /// Whether `read` gives something, or the end, without waiting for the next bytes.
  static var isReady: Bool {
    if text.withLock({ $0.isReady }) { return true }
    var stdin = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
    return poll(&stdin, 1, 0) > 0
  }

  /// At most 64 KiB as they come.
  private static func bytes() throws -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      guard wait() else { return nil }
      let count = Foundation.read(STDIN_FILENO, &buffer, buffer.count)
      if count < 0 && errno == EINTR {
        if Interrupt.hasArrived { return nil }
        continue
      }
      // A closed stdin is an empty one; any other failure must not pass for the end of the text.
      guard count >= 0 || errno == EBADF else {
        throw ToolError("stdin cannot be read: \(String(cString: strerror(errno)))")
      }
      guard count > 0 else { return nil }
      return Array(buffer.prefix(count))
    }
  }

  /// Waits until stdin has bytes or an end; false once a signal asks to leave. The C library takes up a read again that a
  /// signal struck, and a signal may strike just before one: so this looks up now and then.
  private static func wait() -> Bool {
    var stdin = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
    while !Interrupt.hasArrived {
      let ready = poll(&stdin, 1, 100)
      if ready > 0 || ready < 0 && errno != EINTR { return true }
    }
    return false
  }

  /// A longer line is refused rather than held in memory.
  static let maximumLine = 256 << 20

  /// Every line of stdin without its line feed; `flush` follows when all that has come is done.
  static func forEachLine(_ body: ([UInt8]) throws -> Void, flush: () -> Bool) throws {
    var line: [UInt8] = []
    while let bytes = try read() {
      var rest = bytes[...]
      while let feed = rest.firstIndex(of: 0x0A) {
        line += rest[..<feed]
        rest = rest[(feed + 1)...]
        try body(line)
        line.removeAll(keepingCapacity: true)
      }
      line += rest
      guard line.count <= maximumLine else {
        throw ToolError("stdin: a line is longer than \(maximumLine) bytes; leave --lines or --jsonl out")
      }
      guard flush() else { return }
    }
    if !line.isEmpty { try body(line) }
  }
}
