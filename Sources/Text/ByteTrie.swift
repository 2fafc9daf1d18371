/// A set of byte strings with a number each, for finding the longest one at a place of a text.

/// A double array (Aoe 1989) in which the child of a node by byte `b` lies at `base ^ b`: one look per byte of
/// text, 12 bytes of memory per node.
struct ByteTrie: Sendable {
  private struct Unit {
    /// Where the children lie; 0 if there are none.
    var base: UInt32 = 0
    /// The parent's place plus one; 0 if the unit is free.
    var check: UInt32 = 0
    /// The number of the string that ends here, or -1.
    var value: Int32 = -1
  }
  private var units: [Unit] = []

  struct Match {
    /// The number of the longest string found; -1 if there is none.
    var value: Int32 = -1
    var length = 0
    /// The bytes ran out where a longer string was still possible.
    var isOpen = false
  }

  /// The longest string that begins the bytes from `start` on.
  @inline(__always)
  func longest(in bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Match {
    units.withUnsafeBufferPointer { units in
      var match = Match()
      var place = 0, index = start
      while true {
        let unit = units[place]
        if unit.value >= 0 { (match.value, match.length) = (unit.value, index - start) }
        guard unit.base != 0 else { return match }
        guard index < bytes.count else {
          match.isOpen = true
          return match
        }
        let child = Int(unit.base ^ UInt32(bytes[index]))
        guard units[child].check == UInt32(place) + 1 else { return match }
        place = child
        index += 1
      }
    }
  }

  /// - Parameters:
  ///   - strings: not empty, none twice.
  ///   - values: not negative.
  /// - Complexity: O(*n* log *n*) in the number of strings, and the time to find room for the nodes.
  init(_ strings: [ArraySlice<UInt8>], values: [Int32]) {
    let order = strings.indices.sorted { strings[$0].lexicographicallyPrecedes(strings[$1]) }
    units = Array(repeating: Unit(), count: 512)
    units[0].check = .max
    var builder = Room()
    /// The strings of a node, all alike in their first `depth` bytes.
    var nodes: [(place: Int, range: Range<Int>, depth: Int)] = [(0, 0..<order.count, 0)]
    var labels: [UInt8] = [], starts: [Int] = []
    func byte(_ rank: Int, _ depth: Int) -> UInt8 {
      let string = strings[order[rank]]
      return string[string.startIndex + depth]
    }
    while let (place, range, depth) = nodes.popLast() {
      var first = range.lowerBound
      if first < range.upperBound, strings[order[first]].count == depth {
        units[place].value = values[order[first]]
        first += 1
      }
      guard first < range.upperBound else { continue }
      labels.removeAll(keepingCapacity: true)
      starts.removeAll(keepingCapacity: true)
      for rank in first..<range.upperBound {
        let label = byte(rank, depth)
        if labels.last != label {
          labels.append(label)
          starts.append(rank)
        }
      }
      starts.append(range.upperBound)
      let base = builder.place(labels) { units.count > $0 && units[$0].check != 0 }
      while units.count <= base | 255 { units.append(Unit()) }
      units[place].base = UInt32(base)
      for (index, label) in labels.enumerated() {
        let child = base ^ Int(label)
        units[child].check = UInt32(place) + 1
        nodes.append((child, starts[index]..<starts[index + 1], depth + 1))
      }
    }
  }

  /// Where the next nodes are tried. Blocks of 256 units that have refused a node of few children often enough
  /// are not tried again, so that finding room stays linear.
  private struct Room {
    private var block = 1
    private var failures = 0

    /// A base for the labels, all of whose places are free.
    mutating func place(_ labels: [UInt8], isTaken: (Int) -> Bool) -> Int {
      var tried = block
      while true {
        for low in 0..<256 where labels.allSatisfy({ !isTaken(tried << 8 | low ^ Int($0)) }) {
          return tried << 8 | low
        }
        if tried == block {
          failures += 1
          if failures > 16 { (block, failures) = (block + 1, 0) }
        }
        tried += 1
      }
    }
  }
}
