/// The tokens of a vocabulary and their ids, both ways: all bytes in one array, found by a flat hash.

package struct TokenTable: Sendable {
  private var bytes: [UInt8] = []
  /// Per entry: where its bytes start; and where the last one's end.
  private var starts: [Int] = [0]
  private var ids: [Int32] = []
  /// Per slot: an entry plus one; 0 is empty.
  private var slots: [UInt32]
  private var mask: Int
  /// Per id: its entry plus one; 0 if there is none.
  private var entries: [UInt32] = []

  package init(capacity: Int = 0) {
    var slotCount = 16
    while slotCount < 2 * capacity { slotCount *= 2 }
    slots = [UInt32](repeating: 0, count: slotCount)
    mask = slotCount - 1
  }

  package var count: Int { ids.count }
  /// One above the highest id.
  package var bound: Int { entries.count }

  /// Adds a token; false, and nothing added, if it or its id is there already.
  package mutating func insert(_ token: some Collection<UInt8>, id: Int32) -> Bool {
    precondition(id >= 0, "TokenTable: a negative id, \(id)")
    if 2 * (ids.count + 1) > mask + 1 { grow() }
    let start = bytes.count
    bytes.append(contentsOf: token)
    let slot = bytes.withUnsafeBufferPointer { find(UnsafeBufferPointer(rebasing: $0[start...])) }
    guard slots[slot] == 0, id >= entries.count || entries[Int(id)] == 0 else {
      bytes.removeLast(bytes.count - start)
      return false
    }
    starts.append(bytes.count)
    ids.append(id)
    slots[slot] = UInt32(ids.count)
    if id >= entries.count {
      entries.append(contentsOf: repeatElement(0, count: Int(id) + 1 - entries.count))
    }
    entries[Int(id)] = UInt32(ids.count)
    return true
  }

  package func id(of token: UnsafeBufferPointer<UInt8>) -> Int32? {
    let entry = slots[find(token)]
    return entry == 0 ? nil : ids[Int(entry) - 1]
  }
  package func id(of token: some Collection<UInt8>) -> Int32? {
    ContiguousArray(token).withUnsafeBufferPointer { id(of: $0) }
  }

  /// Nil for an id that no token has.
  package func token(of id: Int32) -> ArraySlice<UInt8>? {
    guard let index = Int(exactly: id), entries.indices.contains(index), entries[index] != 0 else {
      return nil
    }
    let entry = Int(entries[index]) - 1
    return bytes[starts[entry]..<starts[entry + 1]]
  }

  /// The slot of a token, or the empty one where it would be.
  private func find(_ token: UnsafeBufferPointer<UInt8>) -> Int {
    bytes.withUnsafeBufferPointer { bytes in
      var slot = Self.hash(token) & mask
      while slots[slot] != 0 {
        let entry = Int(slots[slot]) - 1
        let (start, end) = (starts[entry], starts[entry + 1])
        if end - start == token.count, (0..<token.count).allSatisfy({ bytes[start + $0] == token[$0] }) {
          break
        }
        slot = (slot + 1) & mask
      }
      return slot
    }
  }

  private mutating func grow() {
    mask = 2 * mask + 1
    slots = Array(repeating: 0, count: mask + 1)
    for entry in ids.indices {
      let slot = bytes.withUnsafeBufferPointer {
        find(UnsafeBufferPointer(rebasing: $0[starts[entry]..<starts[entry + 1]]))
      }
      slots[slot] = UInt32(entry + 1)
    }
  }

  private static func hash(_ token: UnsafeBufferPointer<UInt8>) -> Int {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in token { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return Int(truncatingIfNeeded: hash ^ hash >> 29)
  }
}
