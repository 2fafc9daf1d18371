/// How often each distinct word occurs: a hash table over one arena of bytes.
///
/// The words' bytes lie one after the other in the arena; the table holds their numbers. A word of up to 16
/// bytes is told by two overlapping loads and its length, so that most look-ups never touch the arena. The hash
/// is seeded by chance: nobody can write a text whose words collide, and no result depends on the order of
/// words. Memory: 40 bytes a distinct word, its own bytes, and 11 to 22 bytes of table.

package struct WordCounts: ~Copyable {
  private struct Entry {
    /// The first and last eight bytes, or what a shorter word has; of a longer one two hashes.
    var head: UInt64
    var tail: UInt64
    var offset: Int
    var length: Int
    var count: Int64
  }

  private var entries: [Entry] = []
  private var arena: [UInt8] = []
  /// The upper half of a word's hash and, below it, its number plus one; zero is free.
  private var slots: UnsafeMutableBufferPointer<UInt64>
  private var mask: Int
  private let seed = UInt64.random(in: .min ... .max) | 1

  package init() {
    slots = Self.slots(1 << 12)
    mask = slots.count - 1
  }
  deinit { slots.deallocate() }

  package mutating func removeAll() {
    entries = []
    arena = []
    slots.update(repeating: 0)
  }

  private static func slots(_ count: Int) -> UnsafeMutableBufferPointer<UInt64> {
    let slots = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: count)
    slots.initialize(repeating: 0)
    return slots
  }

  /// Distinct words.
  package var count: Int { entries.count }
  /// The bytes of all distinct words.
  package var byteCount: Int { arena.count }

  /// Counts a word of one byte or more.
  package mutating func add(_ word: UnsafeBufferPointer<UInt8>, times: Int64 = 1) {
    guard let base = UnsafeRawPointer(word.baseAddress) else { return }
    let length = word.count
    let (head, tail) = length <= 16 ? Self.loads(base, length) : longLoads(base, length)
    let hash = mix(head ^ UInt64(length), tail)
    var slot = Int(truncatingIfNeeded: hash) & mask
    while true {
      let found = slots[slot]
      if found == 0 { break }
      if found >> 32 == hash >> 32 {
        let index = Int(found & 0xFFFF_FFFF) - 1
        if entries[index].head == head && entries[index].tail == tail && entries[index].length == length
          && (length <= 16 || isStored(word, at: entries[index].offset))
        {
          entries[index].count += times
          return
        }
      }
      slot = (slot + 1) & mask
    }
    precondition(entries.count < 0xFFFF_FFFE, "WordCounts: more than 4,294,967,294 distinct words")
    entries.append(Entry(head: head, tail: tail, offset: arena.count, length: length, count: times))
    arena.append(contentsOf: word)
    slots[slot] = (hash >> 32) << 32 | UInt64(entries.count)
    if entries.count * 3 > slots.count * 2 { grow() }
  }

  package mutating func add(_ word: some Collection<UInt8>, times: Int64) {
    ContiguousArray(word).withUnsafeBufferPointer { add($0, times: times) }
  }

  /// Adds what another table has counted.
  package mutating func add(_ other: borrowing WordCounts) { other.forEachWord { add($0, times: $1) } }

  /// Every distinct word with its count, in the order of first sight.
  package func forEachWord(_ body: (UnsafeBufferPointer<UInt8>, Int64) -> Void) {
    arena.withUnsafeBufferPointer { arena in
      for entry in entries {
        body(UnsafeBufferPointer(rebasing: arena[entry.offset..<entry.offset + entry.length]), entry.count)
      }
    }
  }

  private func isStored(_ word: UnsafeBufferPointer<UInt8>, at offset: Int) -> Bool {
    arena.withUnsafeBufferPointer { $0[offset..<offset + word.count].elementsEqual(word) }
  }

  private mutating func grow() {
    slots.deallocate()
    slots = Self.slots(2 * (mask + 1))
    mask = slots.count - 1
    for (index, entry) in entries.enumerated() {
      let hash = mix(entry.head ^ UInt64(entry.length), entry.tail)
      var slot = Int(truncatingIfNeeded: hash) & mask
      while slots[slot] != 0 { slot = (slot + 1) & mask }
      slots[slot] = (hash >> 32) << 32 | UInt64(index + 1)
    }
  }

  /// Two loads that together hold all of a word of 1 to 16 bytes; with the length they say which it is.
  @inline(__always)
  private static func loads(_ base: UnsafeRawPointer, _ length: Int) -> (UInt64, UInt64) {
    if length >= 8 {
      return (
        base.loadUnaligned(as: UInt64.self), base.loadUnaligned(fromByteOffset: length - 8, as: UInt64.self)
      )
    }
    if length >= 4 {
      return (
        UInt64(base.loadUnaligned(as: UInt32.self)),
        UInt64(base.loadUnaligned(fromByteOffset: length - 4, as: UInt32.self))
      )
    }
    let bytes = base.assumingMemoryBound(to: UInt8.self)
    return (UInt64(bytes[0]), UInt64(bytes[length >> 1]) << 8 | UInt64(bytes[length - 1]))
  }

  /// Two hashes of a longer word, eight bytes at a time; the last step overlaps the one before it.
  private func longLoads(_ base: UnsafeRawPointer, _ length: Int) -> (UInt64, UInt64) {
    var first = seed
    var second = ~seed
    var offset = 0
    while offset < length {
      let piece = base.loadUnaligned(fromByteOffset: min(offset, length - 8), as: UInt64.self)
      first = mix(first, piece)
      second = (second ^ piece) &* 0x9E37_79B9_7F4A_7C15 ^ second >> 29
      offset += 8
    }
    return (first, second)
  }

  /// The two halves of a product folded into one, as in wyhash.
  @inline(__always)
  private func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = (a ^ seed).multipliedFullWidth(by: b ^ 0xA076_1D64_78BD_642F)
    return product.high ^ product.low
  }
}
