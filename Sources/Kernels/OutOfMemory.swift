/// What happens where the system has no memory left: nothing above can go on.

import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

public enum OutOfMemory {
  private static let handler = Mutex<(@Sendable (Int) -> Never)?>(nil)

  /// Lets `end` end the process, with a sentence of its own, instead of a trap. It is given the bytes that were asked for.
  public static func handle(_ end: @escaping @Sendable (Int) -> Never) { handler.withLock { $0 = end } }

  /// Memory for `byteCount` bytes at a multiple of `alignment`, to be given back by `free`.
  package static func allocate(_ byteCount: Int, alignment: Int) -> UnsafeMutableRawPointer {
    var memory: UnsafeMutableRawPointer?
    if posix_memalign(&memory, alignment, byteCount) == 0, let memory { return memory }
    if let end = handler.withLock({ $0 }) { end(byteCount) }
    preconditionFailure("the system has no \(byteCount) bytes of memory left")
  }
}
