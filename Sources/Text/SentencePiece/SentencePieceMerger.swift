/// Merges the characters of one stretch of text into pieces, the best pair first.

/// The working memory of merging, kept from stretch to stretch.
struct SentencePieceMerger: Sendable {
  private struct Part {
    /// Its bytes in the stretch.
    var start: Int32
    var end: Int32
    var symbol: UInt32
    /// The neighbours' places; -1 at the ends.
    var previous: Int32
    var next: Int32
    /// What it and the next part merge to: rank and symbol; `.max` if nothing.
    var merge: UInt64 = .max
  }
  private var parts: [Part] = []
  /// Rank and place of pairs that merge or did once, as a binary heap with the least on top.
  private var heap: [UInt64] = []
  /// How the unused pieces among the pairs came about last.
  private var splits: [UInt32: (left: UInt32, right: UInt32)] = [:]

  /// Calls `emit` with each piece of the stretch and its bytes; the symbol is `noSymbol` or no piece's for
  /// characters without one.
  ///
  /// An unused piece is taken apart again as it came together. The original remembers that for the whole text,
  /// this for the stretch: they differ if such a piece comes about in two ways in one text.
  ///
  /// - Complexity: O(*n* log *n*) in the bytes.
  mutating func merge(
    _ bytes: UnsafeBufferPointer<UInt8>, by merges: SentencePieceMerges,
    emit: (UInt32, Range<Int>) -> Void
  ) {
    parts.removeAll(keepingCapacity: true)
    heap.removeAll(keepingCapacity: true)
    if !splits.isEmpty { splits.removeAll() }
    var index = 0
    while index < bytes.count {
      let length = min(bytes.count - index, SentencePieceMerges.characterLength(bytes[index]))
      let symbol = merges.symbol(of: SentencePieceMerges.character(bytes, index, length))
      let place = Int32(parts.count)
      parts.append(
        Part(
          start: Int32(index), end: Int32(index + length), symbol: symbol, previous: place - 1,
          next: place + 1))
      index += length
    }
    guard !parts.isEmpty else { return }
    parts[parts.count - 1].next = -1
    for place in 0..<parts.count - 1 { look(at: place, merges) }

    while let top = pop() {
      let place = Int(top & 0xFFFF_FFFF)
      let part = parts[place]
      // A pair of the past, unless its parts still merge with this rank.
      guard part.merge != .max, part.merge >> 32 == top >> 32, part.next >= 0 else { continue }
      let right = parts[Int(part.next)]
      parts[Int(part.next)].merge = .max
      parts[place].symbol = UInt32(truncatingIfNeeded: part.merge)
      parts[place].end = right.end
      parts[place].next = right.next
      parts[place].merge = .max
      if right.next >= 0 { parts[Int(right.next)].previous = Int32(place) }
      if part.previous >= 0 { look(at: Int(part.previous), merges) }
      if right.next >= 0 { look(at: place, merges) }
    }

    var place = 0
    while place >= 0 {
      let part = parts[place]
      let range = Int(part.start)..<Int(part.end)
      if merges.isUnused(part.symbol) {
        resegment(part.symbol, range, merges, emit)
      } else {
        emit(part.symbol, range)
      }
      place = Int(part.next)
    }
  }

  /// Enters the pair of a part and its next one.
  @inline(__always)
  private mutating func look(at place: Int, _ merges: SentencePieceMerges) {
    let left = parts[place].symbol, right = parts[Int(parts[place].next)].symbol
    guard let merge = merges.merge(left, right) else {
      parts[place].merge = .max
      return
    }
    parts[place].merge = merge
    push(merge & 0xFFFF_FFFF_0000_0000 | UInt64(place))
    let symbol = UInt32(truncatingIfNeeded: merge)
    if merges.isUnused(symbol) { splits[symbol] = (left, right) }
  }

  private func resegment(
    _ symbol: UInt32, _ range: Range<Int>, _ merges: SentencePieceMerges,
    _ emit: (UInt32, Range<Int>) -> Void
  ) {
    var open = [(symbol, range)]
    while let (symbol, range) = open.popLast() {
      guard merges.isUnused(symbol), let split = splits[symbol] else {
        emit(symbol, range)
        continue
      }
      let middle = range.lowerBound + merges.length(of: split.left)
      open.append((split.right, middle..<range.upperBound))
      open.append((split.left, range.lowerBound..<middle))
    }
  }

  // MARK: The heap

  private mutating func push(_ key: UInt64) {
    var place = heap.count
    heap.append(key)
    while place > 0, case let parent = (place - 1) / 2, heap[parent] > key {
      heap[place] = heap[parent]
      place = parent
    }
    heap[place] = key
  }

  private mutating func pop() -> UInt64? {
    guard let top = heap.first, let key = heap.popLast() else { return nil }
    guard !heap.isEmpty else { return top }
    var place = 0
    while case var child = 2 * place + 1, child < heap.count {
      if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
      guard heap[child] < key else { break }
      heap[place] = heap[child]
      place = child
    }
    heap[place] = key
    return top
  }
}
