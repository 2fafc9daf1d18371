/// What happens where the system has no memory, or no thread, left: nothing above can go on.

import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

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

  /// Ends as `allocate` does where the process cannot have so many blocks at once; none is kept.
  static func require(_ count: Int, blocksOf byteCount: Int) {
    var blocks: [UnsafeMutableRawPointer] = []
    for _ in 0..<count {
      guard let block = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
        block != MAP_FAILED
      else { end("\(count * byteCount) bytes of memory") }
      blocks.append(block)
    }
    for block in blocks { munmap(block, byteCount) }
  }

  static func end(_ missing: String) -> Never {
    if let end = handler.withLock({ $0 }) { end(missing) }
    preconditionFailure("the system has no \(missing) left")
  }
}
