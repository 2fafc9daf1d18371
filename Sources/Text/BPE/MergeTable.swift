/// Which pairs of symbols merge, into what and in which order: a flat hash from (left, right) to (rank, merged).

package struct MergeTable: Sendable {
  /// What a pair becomes: the rank in the upper half, the merged symbol in the lower.
  package typealias Merge = UInt64
  /// The answer for a pair that does not merge; its rank is above all others.
  package static let none = Merge.max

  /// Slots of two words, key and merge; a slot whose merge is `none` is empty.
  private var slots: [UInt64]
  private var mask: Int
  package private(set) var count = 0

  package init(capacity: Int = 0) {
    var slotCount = 16
    while slotCount < 2 * capacity { slotCount *= 2 }
    slots = [UInt64](repeating: .max, count: 2 * slotCount)
    mask = slotCount - 1
  }

  /// Lets a pair merge; a pair that did so before takes the new rank and symbol.
  ///
  /// - Parameter rank: lower ones merge first; pairs may share a rank, then the leftmost in a word is first.
  package mutating func insert(left: Int32, right: Int32, rank: Int32, merged: Int32) {
    precondition(
      rank >= 0 && merged >= 0, "MergeTable: rank \(rank) and symbol \(merged) must not be negative")
    if 2 * (count + 1) > mask + 1 { grow() }
    let key = Self.key(left, right)
    var slot = Self.slot(key, mask)
    while slots[2 * slot + 1] != Self.none && slots[2 * slot] != key { slot = (slot + 1) & mask }
    if slots[2 * slot + 1] == Self.none { count += 1 }
    slots[2 * slot] = key
    slots[2 * slot + 1] = UInt64(UInt32(bitPattern: rank)) << 32 | UInt64(UInt32(bitPattern: merged))
  }

  private mutating func grow() {
    var larger = MergeTable(capacity: 2 * (mask + 1))
    for slot in 0...mask where slots[2 * slot + 1] != Self.none {
      let key = slots[2 * slot]
      let merge = slots[2 * slot + 1]
      larger.insert(
        left: Int32(truncatingIfNeeded: key >> 32), right: Int32(truncatingIfNeeded: key),
        rank: Int32(merge >> 32), merged: Int32(truncatingIfNeeded: merge))
    }
    self = larger
  }

  package func merge(left: Int32, right: Int32) -> Merge {
    slots.withUnsafeBufferPointer { View(slots: $0, mask: mask).merge(left, right) }
  }

  /// The table for the length of a closure, without checks of bounds.
  func withView<Result>(_ body: (View) -> Result) -> Result {
    slots.withUnsafeBufferPointer { body(View(slots: $0, mask: mask)) }
  }

  struct View {
    fileprivate let slots: UnsafeBufferPointer<UInt64>
    fileprivate let mask: Int

    @inline(__always)
    func merge(_ left: Int32, _ right: Int32) -> Merge {
      // The slots hold at least one empty one, so the search ends.
      guard let slots = slots.baseAddress else { return MergeTable.none }
      let key = MergeTable.key(left, right)
      var slot = MergeTable.slot(key, mask)
      while true {
        let merge = slots[2 * slot + 1]
        if slots[2 * slot] == key || merge == MergeTable.none { return merge }
        slot = (slot + 1) & mask
      }
    }
  }

  @inline(__always)
  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }
  @inline(__always)
  private static func slot(_ key: UInt64, _ mask: Int) -> Int {
    // Fibonacci hashing; the upper bits are the well-mixed ones.
    let mixed = (key ^ key >> 32) &* 0x9E37_79B9_7F4A_7C15
    return Int(truncatingIfNeeded: mixed >> 32) & mask
  }
}
