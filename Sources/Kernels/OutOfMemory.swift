/// What happens where the system has no memory, or no thread, left: nothing above can go on.

import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How the process ends when an allocation or the start of a thread fails: by a trap, unless `handle` replaces it.
public enum OutOfMemory {
  private static let handler = Mutex<(@Sendable (String) -> Never)?>(nil)

  /// Lets `end` end the process, with a sentence of its own, instead of a trap. It is told what there was no room for.
  public static func handle(_ end: @escaping @Sendable (String) -> Never) { handler.withLock { $0 = end } }

  /// Memory for `byteCount` bytes at a multiple of `alignment`, to be given back by `free`.
  package static func allocate(_ byteCount: Int, alignment: Int) -> UnsafeMutableRawPointer {
    var memory: UnsafeMutableRawPointer?
    if posix_memalign(&memory, alignment, byteCount) == 0, let memory { return memory }
    end("\(byteCount) bytes of memory")
  }

  static func end(_ missing: String) -> Never {
    if let end = handler.withLock({ $0 }) { end(missing) }
    preconditionFailure("the system has no \(missing) left")
  }
}
