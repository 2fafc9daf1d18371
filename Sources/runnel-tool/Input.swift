/// Standard input, read as it comes.

import Foundation
import Runnel

enum Input {
  /// The next bytes of stdin, at most 64 KiB; nil at its end.
  static func read() throws -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
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
}
