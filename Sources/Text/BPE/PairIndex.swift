/// Where each pair of neighbouring tokens stands in the distinct words, how often it occurs in the text, and
/// which occurs most.
///
/// All words lie in one array of slots, a slot a byte, with an end mark between them. A token fills as many
/// slots as it has bytes; its id stands in its first and its last one, so both neighbours are found without
/// links. A pair's places are written down once, when it arises, and only checked when it is merged: tokens
/// only grow, so a place where the pair still stands is one where it always stood. Counts change as merges
/// take neighbours away; the heap's entries are brought up to date when they come to the top, which suffices
/// because no count grows after its entry was made.
///
/// Memory: 8 bytes a slot, and 4 bytes for every place of every pair ever, at most about three for each slot.
/// A merge costs as many steps as the pair has places, whatever the words' length.

struct PairIndex: ~Copyable {
  /// A pair of ids as one number, which sorts as the pair does.
  private typealias Key = UInt64

  private struct Pair {
    let key: Key
    var count: Int64
    let places: Range<Int>
  }
  private struct Candidate {
    var count: Int64
    let key: Key
    let pair: Int
    func isBefore(_ other: Candidate) -> Bool {
      count != other.count ? count > other.count : key < other.key
    }
  }
  /// A neighbour of the places that are being merged.
  private struct Neighbour {
    let key: Key
    /// The pair that it formed until now, if that may still be merged.
    let old: Int?
    let isShort: Bool
    var count: Int64 = 0
    var places = 0
  }

  private static let end: Int32 = -1
  private static let inside: Int32 = -2

  private let slots: UnsafeMutableBufferPointer<Int32>
  /// The word of each slot.
  private let words: UnsafeMutableBufferPointer<UInt32>
  private var counts: [Int64] = []
  private var lengths: [Int]
  private var places: [UInt32] = []
  private var pairs: [Pair] = []
  private var numbers: [Key: Int] = [:]
  private var heap: [Candidate] = []
  private let minimumCount: Int64
  private let maximumLength: Int

  private var top = Candidate(count: 0, key: 0, pair: 0)
  private var neighbours: [Neighbour] = []
  private var events: [(neighbour: Int32, place: UInt32)] = []
  /// The neighbours by their ids, plus one.
  private var before: [Int32]
  private var after: [Int32]

  init(_ text: borrowing WordCounts, byteIds: [Int32], tokens: Int, minimumCount: Int64, maximumLength: Int) {
    self.minimumCount = minimumCount
    self.maximumLength = maximumLength
    let size = text.byteCount + text.count + 1
    precondition(size <= UInt32.max, "BPETrainer: the distinct words have more than 4 GiB")
    slots = .allocate(capacity: size)
    words = .allocate(capacity: size)
    words.initialize(repeating: 0)
    slots.initialize(repeating: Self.end)
    lengths = Array(repeating: 0, count: tokens)
    for id in byteIds { lengths[Int(id)] = 1 }
    before = Array(repeating: 0, count: tokens)
    after = before
    var place = 1
    text.forEachWord { word, count in
      for byte in word {
        slots[place] = byteIds[Int(byte)]
        words[place] = UInt32(counts.count)
        place += 1
      }
      counts.append(count)
      place += 1
    }
    collectPairs(tokens: tokens)
  }
  deinit {
    slots.deallocate()
    words.deallocate()
  }

  private static func key(_ first: Int32, _ second: Int32) -> Key {
    Key(UInt32(bitPattern: first)) << 32 | Key(UInt32(bitPattern: second))
  }

  // MARK: The beginning: pairs of bytes

  private mutating func collectPairs(tokens: Int) {
    // Ids of bytes lie among the first 256 and the special tokens.
    var table = [Int32](repeating: -1, count: 0)
    var ids: [Int32] = []
    var dense = [Int](repeating: 0, count: tokens)
    for id in slots.lazy.filter({ $0 >= 0 }) where dense[Int(id)] == 0 {
      ids.append(id)
      dense[Int(id)] = ids.count
    }
    let width = ids.count
    table = Array(repeating: -1, count: width * width)
    var sums: [(key: Key, count: Int64, places: Int)] = []
    func forEachPair(_ body: (Int, UInt32) -> Void) {
      for place in 0..<max(0, slots.count - 1) where slots[place] >= 0 && slots[place + 1] >= 0 {
        body(
          (dense[Int(slots[place])] - 1) * width + dense[Int(slots[place + 1])] - 1, UInt32(place))
      }
    }
    forEachPair { cell, place in
      if table[cell] < 0 {
        table[cell] = Int32(sums.count)
        sums.append((Self.key(ids[cell / width], ids[cell % width]), 0, 0))
      }
      sums[Int(table[cell])].count += counts[Int(words[Int(place)])]
      sums[Int(table[cell])].places += 1
    }
    var starts: [Int] = []
    var total = 0
    for sum in sums {
      starts.append(total)
      total += sum.places
    }
    var next = starts
    places = Array(repeating: 0, count: total)
    forEachPair { cell, place in
      let number = Int(table[cell])
      places[next[number]] = place
      next[number] += 1
    }
    for (sum, start) in zip(sums, starts) where sum.count >= minimumCount {
      add(sum.key, count: sum.count, places: start..<start + sum.places)
    }
  }

  private mutating func add(_ key: Key, count: Int64, places: Range<Int>) {
    numbers[key] = pairs.count
    push(Candidate(count: count, key: key, pair: pairs.count))
    pairs.append(Pair(key: key, count: count, places: places))
  }

  // MARK: Merging

  /// The pair to be merged next; nil if none occurs often enough.
  mutating func popCommonest() -> (Int32, Int32)? {
    while var first = heap.first {
      let count = pairs[first.pair].count
      if first.count == count {
        removeFirst()
        top = first
        return (Int32(truncatingIfNeeded: first.key >> 32), Int32(truncatingIfNeeded: first.key))
      }
      if count < minimumCount {
        removeFirst()
      } else {
        first.count = count
        heap[0] = first
        siftDown()
      }
    }
    return nil
  }

  /// Puts the token `id` where the pair that came last from ``popCommonest()`` stands.
  mutating func replace(by id: Int32) {
    let (first, second) = (Int32(truncatingIfNeeded: top.key >> 32), Int32(truncatingIfNeeded: top.key))
    let (head, tail) = (lengths[Int(first)], lengths[Int(second)])
    lengths[Int(id)] = head + tail
    for index in pairs[top.pair].places {
      let place = Int(places[index])
      guard slots[place] == first, slots[place + head] == second else { continue }
      let (middle, next) = (place + head, place + head + tail)
      let count = counts[Int(words[place])]
      let left = slots[place - 1]
      if left >= 0 {
        if left == id {
          // The neighbour was merged a moment ago and took this place's first token for its right side.
          if after[Int(first)] > 0 { neighbours[Int(after[Int(first)]) - 1].count -= count }
        }
        note(left, isBefore: true, id, first, second, count, place - lengths[Int(left)], isNew: left == id)
      }
      let right = slots[next]
      if right >= 0 { note(right, isBefore: false, id, first, second, count, place, isNew: false) }
      slots[middle - 1] = Self.inside
      slots[middle] = Self.inside
      slots[place] = id
      slots[next - 1] = id
    }
    settle()
  }

  /// One neighbour of one place: its old pair loses the word's count, its new one gains it.
  private mutating func note(
    _ neighbour: Int32, isBefore: Bool, _ id: Int32, _ first: Int32, _ second: Int32, _ count: Int64,
    _ place: Int, isNew: Bool
  ) {
    var number = isBefore ? before[Int(neighbour)] : after[Int(neighbour)]
    if number == 0 {
      neighbours.append(
        Neighbour(
          key: isBefore ? Self.key(neighbour, id) : Self.key(id, neighbour),
          old: isNew ? nil : numbers[isBefore ? Self.key(neighbour, first) : Self.key(second, neighbour)],
          isShort: lengths[Int(neighbour)] + lengths[Int(id)] < maximumLength))
      number = Int32(neighbours.count)
      if isBefore { before[Int(neighbour)] = number } else { after[Int(neighbour)] = number }
    }
    let index = Int(number) - 1
    if let old = neighbours[index].old { pairs[old].count -= count }
    guard neighbours[index].isShort else { return }
    neighbours[index].count += count
    neighbours[index].places += 1
    events.append((Int32(index), UInt32(place)))
  }

  /// Makes pairs of the new neighbours, each with its places together.
  private mutating func settle() {
    var next: [Int] = []
    var end = places.count
    for neighbour in neighbours {
      let isKept = neighbour.count >= minimumCount
      next.append(isKept ? end : -1)
      if isKept {
        add(neighbour.key, count: neighbour.count, places: end..<end + neighbour.places)
        end += neighbour.places
      }
      let (left, right) = (Int(neighbour.key >> 32), Int(neighbour.key & 0xFFFF_FFFF))
      before[left] = 0
      after[right] = 0
    }
    places.append(contentsOf: repeatElement(0, count: end - places.count))
    for event in events where next[Int(event.neighbour)] >= 0 {
      places[next[Int(event.neighbour)]] = event.place
      next[Int(event.neighbour)] += 1
    }
    neighbours.removeAll(keepingCapacity: true)
    events.removeAll(keepingCapacity: true)
  }

  /// How many tokens the whole text has by now.
  func textTokens() -> Int64 {
    var total: Int64 = 0
    var place = 1
    while place < slots.count {
      let id = slots[place]
      if id >= 0 { total += counts[Int(words[place])] }
      place += id >= 0 ? lengths[Int(id)] : 1
    }
    return total
  }

  // MARK: The heap

  private mutating func push(_ candidate: Candidate) {
    var index = heap.count
    heap.append(candidate)
    while index > 0 && candidate.isBefore(heap[(index - 1) / 2]) {
      heap[index] = heap[(index - 1) / 2]
      index = (index - 1) / 2
    }
    heap[index] = candidate
  }

  private mutating func removeFirst() {
    let last = heap.removeLast()
    guard !heap.isEmpty else { return }
    heap[0] = last
    siftDown()
  }

  private mutating func siftDown() {
    let candidate = heap[0]
    var index = 0
    while true {
      var child = 2 * index + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count && heap[child + 1].isBefore(heap[child]) { child += 1 }
      guard heap[child].isBefore(candidate) else { break }
      heap[index] = heap[child]
      index = child
    }
    heap[index] = candidate
  }
}
