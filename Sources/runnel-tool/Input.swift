/// Standard input, read as it comes.

import Foundation
import Runnel

enum Input {
  /// The next bytes of stdin, at most 64 KiB; nil at its end.
  static func read() -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = Foundation.read(STDIN_FILENO, &buffer, buffer.count)
      if count < 0 && errno == EINTR {
        if Interrupt.hasArrived { return nil }
        continue
      }
      guard count > 0 else { return nil }
      return Array(buffer.prefix(count))
    }
  }
}
