/// The ids of words seen before: a bounded hash that forgets everything once it is full.

struct WordCache: Sendable {
  /// A word of up to 15 bytes lies in `low` and `high` with its length in the highest byte. Of a longer one they
  /// are its hash and its place and length in `longWords`. Up to three ids lie in the slot, more in `manyIDs`.
  private struct Slot {
    var low: UInt64 = 0
    var high: UInt64 = 0
    /// 0: empty. A word without ids is not kept.
    var count: UInt32 = 0
    var first: Int32 = 0
    var second: Int32 = 0
    var third: Int32 = 0
  }

  /// Longer words are not kept: they hardly come again.
  static let longestWord = 255
  private static let smallest = 1 << 10
  /// Two megabytes of slots.
  private static let largest = 1 << 16
  private static let longWordLimit = 1 << 20
  private static let manyIDLimit = 1 << 18

  private var slots = [Slot](repeating: Slot(), count: smallest)
  private var mask = smallest - 1
  private var used = 0
  private var longWords: [UInt8] = []
  private var manyIDs: [Int32] = []

  struct Key {
    fileprivate let low: UInt64
    fileprivate let high: UInt64
    fileprivate let hash: UInt64
  }

  /// The word must have 1 to ``longestWord`` bytes.
  @inline(__always)
  static func key(_ word: UnsafeBufferPointer<UInt8>) -> Key {
    let raw = UnsafeRawBufferPointer(word)
    let count = word.count
    if count <= 15 {
      var low: UInt64 = 0
      var high: UInt64 = 0
      if count >= 8 {
        low = raw.loadUnaligned(fromByteOffset: 0, as: UInt64.self)
        // The last eight bytes, less those that `low` has.
        let last = raw.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
        high = count == 8 ? 0 : last >> UInt64(8 * (16 - count))
      } else if count >= 4 {
        let first = UInt64(raw.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
        let last = UInt64(raw.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self))
        low = first | last << UInt64(8 * (count - 4))
      } else {
        low = UInt64(raw[0]) | UInt64(raw[count / 2]) << 8 | UInt64(raw[count - 1]) << 16
      }
      high |= UInt64(count) << 56
      return Key(low: low, high: high, hash: mix(low ^ mix(high)))
    }
    var hash = UInt64(count)
    var position = 0
    while position + 8 <= count {
      hash = mix(hash ^ raw.loadUnaligned(fromByteOffset: position, as: UInt64.self))
      position += 8
    }
    hash = mix(hash ^ raw.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self))
    return Key(low: hash, high: 0xFF << 56 | UInt64(count) << 32, hash: hash)
  }

  @inline(__always)
  private static func mix(_ value: UInt64) -> UInt64 {
    let product = value.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
    return product.high ^ product.low
  }

  /// Appends the ids of a word if they are known.
  @inline(__always)
  func find(_ word: UnsafeBufferPointer<UInt8>, _ key: Key, into ids: inout [Int32]) -> Bool {
    slots.withUnsafeBufferPointer { slots in
      var index = Int(truncatingIfNeeded: key.hash) & mask
      while true {
        let slot = slots[index]
        if slot.count == 0 { return false }
        if slot.low == key.low, slot.high & 0xFFFF_FFFF_0000_0000 == key.high & 0xFFFF_FFFF_0000_0000,
          word.count > 15 ? isSame(slot, word) : slot.high == key.high
        {
          if slot.count <= 3 {
            ids.append(slot.first)
            if slot.count > 1 { ids.append(slot.second) }
            if slot.count > 2 { ids.append(slot.third) }
          } else {
            ids.append(contentsOf: manyIDs[Int(slot.first)..<Int(slot.first) + Int(slot.count)])
          }
          return true
        }
        index = (index + 1) & mask
      }
    }
  }

  private func isSame(_ slot: Slot, _ word: UnsafeBufferPointer<UInt8>) -> Bool {
    let start = Int(UInt32(truncatingIfNeeded: slot.high))
    return longWords[start..<start + word.count].elementsEqual(word)
  }

  /// Keeps the ids of a word that is not known.
  mutating func insert(_ word: UnsafeBufferPointer<UInt8>, _ key: Key, _ ids: ArraySlice<Int32>) {
    guard let first = ids.first else { return }
    if 2 * (used + 1) > mask + 1 {
      if mask + 1 < Self.largest { grow() } else { forget() }
    }
    if longWords.count + word.count > Self.longWordLimit || manyIDs.count + ids.count > Self.manyIDLimit {
      forget()
    }
    var slot = Slot(low: key.low, high: key.high, count: UInt32(ids.count), first: first)
    if ids.count > 3 {
      slot.first = Int32(manyIDs.count)
      manyIDs += ids
    } else {
      slot.second = ids.dropFirst().first ?? 0
      slot.third = ids.dropFirst(2).first ?? 0
    }
    if word.count > 15 {
      slot.high |= UInt64(longWords.count)
      longWords.append(contentsOf: word)
    }
    place(slot, key.hash)
    used += 1
  }

  private mutating func place(_ slot: Slot, _ hash: UInt64) {
    var index = Int(truncatingIfNeeded: hash) & mask
    while slots[index].count != 0 { index = (index + 1) & mask }
    slots[index] = slot
  }

  private mutating func grow() {
    let old = slots
    mask = 2 * mask + 1
    slots = Array(repeating: Slot(), count: mask + 1)
    for slot in old where slot.count != 0 {
      place(slot, slot.high >> 56 == 0xFF ? slot.low : Self.mix(slot.low ^ Self.mix(slot.high)))
    }
  }

  private mutating func forget() {
    for index in slots.indices { slots[index] = Slot() }
    used = 0
    longWords.removeAll(keepingCapacity: true)
    manyIDs.removeAll(keepingCapacity: true)
  }
}
