/// Memory of tensors: buffers from free lists by size, so that a warm step or training step asks the system for nothing.

import RunnelKernels
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// One buffer of floats, owned; it returns to the free list of its size with the last tensor that uses it.
package final class Storage: @unchecked Sendable {
  package let base: UnsafeMutablePointer<Float>
  package let capacity: Int
  private let gauge = MemoryGauge.active
  /// Bytes that were asked for.
  private let asked: Int

  /// The contents are undefined.
  package init(capacity: Int) {
    self.capacity = BufferPool.rounded(capacity)
    asked = 4 * capacity
    base = BufferPool.take(self.capacity)
    gauge?.add(asked)
  }
  deinit {
    BufferPool.give(base, capacity)
    gauge?.add(-asked)
  }
}

/// Free buffers, in classes a quarter of a power of two apart.
enum BufferPool {
  /// By class; a class has a place of its own, so that nothing is searched for.
  private static let free = Mutex([[UInt]](repeating: [], count: 4 * Int.bitWidth))
  /// A buffer starts on a cache line, which is also the widest vector.
  private static let alignment = 64
  /// Whether RUNNEL_POISON_MEMORY is in the environment: buffers then begin as NaN, so that tests find what reads numbers that
  /// nobody has written.
  private static let isPoisoned = getenv("RUNNEL_POISON_MEMORY") != nil

  static func rounded(_ count: Int) -> Int {
    guard count > 16 else { return 16 }
    let step = max(16, 1 << (exponent(count - 1) - 2))
    return (count + step - 1) / step * step
  }

  /// ⌊log₂ n⌋ of n > 0.
  private static func exponent(_ n: Int) -> Int { Int.bitWidth - 1 - n.leadingZeroBitCount }

  /// The class of a rounded capacity: its exponent and the two bits behind the first.
  private static func place(_ capacity: Int) -> Int {
    let exponent = exponent(capacity)
    return 4 * exponent + capacity >> (exponent - 2) & 3
  }

  static func take(_ capacity: Int) -> UnsafeMutablePointer<Float> {
    let place = place(capacity)
    let address = free.withLock { $0[place].popLast() }
    let base: UnsafeMutablePointer<Float>
    if let address, let pointer = UnsafeMutablePointer<Float>(bitPattern: address) {
      base = pointer
    } else {
      let memory = OutOfMemory.allocate(capacity * MemoryLayout<Float>.stride, alignment: alignment)
      base = memory.bindMemory(to: Float.self, capacity: capacity)
    }
    if isPoisoned { base.update(repeating: .nan, count: capacity) }
    return base
  }

  /// Lends a buffer for as long as `body` runs.
  static func withScratch(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) {
    let capacity = rounded(count)
    let base = take(capacity)
    body(base)
    give(base, capacity)
  }

  static func give(_ pointer: UnsafeMutablePointer<Float>, _ capacity: Int) {
    let place = place(capacity)
    free.withLock { $0[place].append(UInt(bitPattern: pointer)) }
  }
}
