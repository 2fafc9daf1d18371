/// Memory that is asked for before it is needed, by threads that would only wait.
///
/// A stream reads the same weights in the same order for every token, and between two products one thread is busy with
/// small operations while memory stands still. So whoever is about to read much memory says so (`note`), what came after
/// what is remembered, and waiting threads of the pool bring the first lines of what comes next into their caches
/// (`Reader`). These are hints: addresses are asked for and never read, so what is remembered may be gone or wrong.

import CKernels
import Synchronization

package enum ReadAhead {
  /// What came after the memory that begins at `key`.
  private struct Link: ~Copyable {
    let key = Atomic<UInt>(0)
    let next = Atomic<UInt>(0)
    let byteCount = Atomic<Int>(0)
  }

  /// By hash, the last to come overwriting: enough for the matrices of a deep model.
  private static let slots = 1 << 12
  private nonisolated(unsafe) static let links: UnsafeMutablePointer<Link> = {
    let links = UnsafeMutablePointer<Link>.allocate(capacity: slots)
    for slot in 0..<slots { (links + slot).initialize(to: Link()) }
    return links
  }()
  private static let latest = Atomic<UInt>(0)

  /// Below this, finding the memory takes as long as reading it.
  private static let leastBytes = 1 << 13
  /// Bytes of one memory that a thread reads ahead, and how many memories: together they fit a cache of the second level.
  private static let stretch = 1 << 18
  private static let hops = 3
  private static let chunk = 512

  private static func slot(_ address: UInt) -> Int {
    Int(truncatingIfNeeded: ((address >> 6) &* 0x9E37_79B9_7F4A_7C15) >> 52)
  }

  /// Tells that `byteCount` bytes from `base` on are about to be read, as they are for each token.
  package static func note(_ base: UnsafeRawPointer, byteCount: Int) {
    guard byteCount >= leastBytes else { return }
    let address = UInt(bitPattern: base), previous = latest.load(ordering: .relaxed)
    guard address != previous else { return }
    let link = links + slot(previous)
    if link.pointee.key.load(ordering: .relaxed) != previous
      || link.pointee.next.load(ordering: .relaxed) != address
    {
      link.pointee.key.store(previous, ordering: .relaxed)
      link.pointee.next.store(address, ordering: .relaxed)
      link.pointee.byteCount.store(byteCount, ordering: .relaxed)
    }
    latest.store(address, ordering: .relaxed)
  }

  private static func successor(of address: UInt) -> (address: UInt, byteCount: Int)? {
    let link = links + slot(address)
    guard address != 0, link.pointee.key.load(ordering: .relaxed) == address else { return nil }
    return (link.pointee.next.load(ordering: .relaxed), link.pointee.byteCount.load(ordering: .relaxed))
  }

  /// One waiting thread's place in the memory to come.
  package struct Reader {
    private let thread, threads: Int
    /// What was being read when the place was last looked up, the memory the place is in, and how many come between.
    private var from: UInt = 0, memory: UInt = 0
    private var distance = 0
    private var next: UInt = 0, end: UInt = 0

    package init(thread: Int, of threads: Int) { (self.thread, self.threads) = (thread, threads) }

    /// Asks for the next few lines and waits for about as long as they take, since asking faster than memory answers was
    /// worth less; false when there is nothing to ask for.
    package mutating func advance() -> Bool {
      let latest = ReadAhead.latest.load(ordering: .relaxed)
      if latest != from { move(to: latest) }
      while next >= end {
        guard distance < ReadAhead.hops, let (address, byteCount) = successor(of: memory) else {
          return false
        }
        distance += 1
        enter(address, byteCount)
      }
      guard let line = UnsafeRawPointer(bitPattern: next) else { return false }
      runnel_prefetch(line, ReadAhead.chunk)
      runnel_pause()
      next += UInt(ReadAhead.chunk)
      return true
    }

    /// Goes on where it was if that is still to come, else begins behind `latest`.
    private mutating func move(to latest: UInt) {
      from = latest
      var step = latest
      for hop in 0..<ReadAhead.hops {
        if hop > 0, step == memory {
          distance = hop
          return
        }
        guard let (address, _) = successor(of: step) else { break }
        step = address
      }
      (memory, distance, next, end) = (latest, 0, 0, 0)
    }

    /// The beginning of the stretch of a memory that the pool hands this thread.
    private mutating func enter(_ address: UInt, _ byteCount: Int) {
      memory = address
      next = address + UInt(byteCount * thread / threads / 64 * 64)
      end = next + UInt(min(ReadAhead.stretch, byteCount / threads))
    }
  }
}
