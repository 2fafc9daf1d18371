/// Memory that is read from end to end again and again: in pages of 2 MB where the system has them, since looking up
/// ones of 4 KB, and starting to read ahead anew at each, costs some percent of the speed of memory.
///
/// Small pieces share a region, which goes when the last of them does.

import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

package final class LargePages: @unchecked Sendable {
  private static let pageBytes = 1 << 21
  private static let regionBytes = 1 << 26
  /// The region that is being filled.
  private static let current = Mutex<LargePages?>(nil)

  private let base: UnsafeMutableRawPointer
  private let size: Int
  /// Bytes handed out; changed under the lock.
  private var used = 0

  private init(byteCount: Int) {
    size = (byteCount + Self.pageBytes - 1) / Self.pageBytes * Self.pageBytes
    base = OutOfMemory.allocate(size, alignment: Self.pageBytes)
    #if os(Linux)
      // A wish: without it, pages are small.
      madvise(base, size, MADV_HUGEPAGE)
    #endif
  }
  deinit { free(base) }

  /// Uninitialised bytes at a multiple of 64, and who keeps them.
  package static func allocate(byteCount: Int) -> (base: UnsafeMutableRawPointer, owner: LargePages) {
    let needed = (byteCount + 63) / 64 * 64
    return current.withLock { current in
      if let region = current, region.size - region.used >= needed { return (region.take(needed), region) }
      let region = LargePages(byteCount: max(needed, regionBytes))
      // What fills a region by itself leaves the current one to others.
      if needed < regionBytes { current = region }
      return (region.take(needed), region)
    }
  }

  private func take(_ byteCount: Int) -> UnsafeMutableRawPointer {
    defer { used += byteCount }
    return base + used
  }
}
