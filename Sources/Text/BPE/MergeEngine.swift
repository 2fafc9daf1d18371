/// Byte-pair encoding of one word (Sennrich et al. 2016): as long as some neighbours merge, those of the lowest
/// rank do, the leftmost first.

package struct MergeEngine: Sendable {
  package var table: MergeTable

  package init(_ table: MergeTable) { self.table = table }

  /// What merging writes on; one per thread.
  package struct Scratch: Sendable {
    fileprivate var merges: [MergeTable.Merge] = []
    fileprivate var next: [Int32] = []
    fileprivate var previous: [Int32] = []
    fileprivate var heap: [UInt64] = []
    package init() {}
  }

  /// Longer words use the heap.
  static let longestForArray = 48

  /// Merges the symbols of a word in place.
  ///
  /// Time n² for words of up to 48 symbols, n·log n beyond. A word has at most 2³¹ − 1 symbols.
  package func merge(_ symbols: inout [Int32], scratch: inout Scratch) {
    guard symbols.count > 1 else { return }
    let left = table.withView { table in
      symbols.withUnsafeMutableBufferPointer { symbols in
        symbols.count <= Self.longestForArray
          ? Self.mergeByArray(symbols, table, &scratch) : Self.mergeByHeap(symbols, table, &scratch)
      }
    }
    symbols.removeLast(symbols.count - left)
  }

  /// The same, telling of every pair that could merge, as it comes up, what it would become.
  package func merge(
    _ symbols: inout [Int32], scratch: inout Scratch, noting note: (Int32, Int32, MergeTable.Merge) -> Void
  ) {
    guard symbols.count > 1 else { return }
    let left = table.withView { table in
      symbols.withUnsafeMutableBufferPointer { Self.mergeByHeap($0, table, &scratch, noting: note) }
    }
    symbols.removeLast(symbols.count - left)
  }

  /// Looks for the lowest rank each time and moves the rest up. Returns how many symbols are left.
  static func mergeByArray(
    _ symbols: UnsafeMutableBufferPointer<Int32>, _ table: MergeTable.View, _ scratch: inout Scratch
  ) -> Int {
    var count = symbols.count
    if scratch.merges.count < count {
      scratch.merges = Array(repeating: MergeTable.none, count: max(count, longestForArray))
    }
    return scratch.merges.withUnsafeMutableBufferPointer { merges in
      // merges[i] belongs to symbols i and i + 1.
      for i in 0..<count - 1 { merges[i] = table.merge(symbols[i], symbols[i + 1]) }
      while count > 1 {
        var best = 0
        var lowest = merges[0] >> 32
        for i in 1..<max(1, count - 1) where merges[i] >> 32 < lowest {
          lowest = merges[i] >> 32
          best = i
        }
        guard merges[best] != MergeTable.none else { break }
        symbols[best] = Int32(truncatingIfNeeded: merges[best])
        count -= 1
        for i in best + 1..<max(best + 1, count) { symbols[i] = symbols[i + 1] }
        for i in best..<max(best, count - 1) { merges[i] = merges[i + 1] }
        if best > 0 { merges[best - 1] = table.merge(symbols[best - 1], symbols[best]) }
        if best + 1 < count { merges[best] = table.merge(symbols[best], symbols[best + 1]) }
      }
      return count
    }
  }

  /// Keeps the symbols in a linked list and the merges in a heap ordered by rank and place. An entry is stale
  /// if its place has since merged or been given another rank. Returns how many symbols are left.
  @inline(__always)
  static func mergeByHeap(
    _ symbols: UnsafeMutableBufferPointer<Int32>, _ table: MergeTable.View, _ scratch: inout Scratch,
    noting note: (Int32, Int32, MergeTable.Merge) -> Void = { _, _, _ in }
  ) -> Int {
    let count = symbols.count
    var merges = scratch.merges
    var next = scratch.next
    var previous = scratch.previous
    var heap = scratch.heap
    (scratch.merges, scratch.next, scratch.previous, scratch.heap) = ([], [], [], [])
    defer {
      // What one huge word took is given back.
      if count <= 1 << 16 {
        (scratch.merges, scratch.next, scratch.previous, scratch.heap) = (merges, next, previous, heap)
      }
    }
    if merges.count < count { merges = Array(repeating: MergeTable.none, count: count) }
    if next.count < count {
      next = Array(repeating: 0, count: count)
      previous = next
    }
    heap.removeAll(keepingCapacity: true)
    merges[count - 1] = MergeTable.none
    for i in 0..<count {
      next[i] = Int32(i + 1)
      previous[i] = Int32(i - 1)
      guard i + 1 < count else { break }
      merges[i] = table.merge(symbols[i], symbols[i + 1])
      if merges[i] != MergeTable.none {
        note(symbols[i], symbols[i + 1], merges[i])
        heap.append(merges[i] & 0xFFFF_FFFF_0000_0000 | UInt64(i))
      }
    }
    heap.sort()  // a sorted array is a heap

    func renew(_ place: Int, _ right: Int) {
      merges[place] = table.merge(symbols[place], symbols[right])
      if merges[place] != MergeTable.none {
        note(symbols[place], symbols[right], merges[place])
        push(merges[place] & 0xFFFF_FFFF_0000_0000 | UInt64(place), onto: &heap)
      }
    }
    while let entry = pop(from: &heap) {
      let place = Int(UInt32(truncatingIfNeeded: entry))
      guard merges[place] != MergeTable.none, merges[place] >> 32 == entry >> 32 else { continue }
      symbols[place] = Int32(truncatingIfNeeded: merges[place])
      let gone = Int(next[place])
      merges[gone] = MergeTable.none
      let after = Int(next[gone])
      next[place] = Int32(after)
      let before = Int(previous[place])
      if before >= 0 { renew(before, place) }
      if after < count {
        previous[after] = Int32(place)
        renew(place, after)
      } else {
        merges[place] = MergeTable.none
      }
    }
    var left = 0
    var place = 0
    while place < count {
      symbols[left] = symbols[place]
      left += 1
      place = Int(next[place])
    }
    return left
  }

  private static func push(_ entry: UInt64, onto heap: inout [UInt64]) {
    heap.append(entry)
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[parent] > entry else { break }
      heap[child] = heap[parent]
      child = parent
    }
    heap[child] = entry
  }

  private static func pop(from heap: inout [UInt64]) -> UInt64? {
    guard let lowest = heap.first, let last = heap.popLast() else { return nil }
    guard !heap.isEmpty else { return lowest }
    var parent = 0
    while true {
      var child = 2 * parent + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
      guard heap[child] < last else { break }
      heap[parent] = heap[child]
      parent = child
    }
    heap[parent] = last
    return lowest
  }
}
