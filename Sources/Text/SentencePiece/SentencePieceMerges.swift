/// What of a SentencePiece model encoding works with: its pieces as pairs that merge.

import RunnelFiles

/// The original joins two neighbours whenever their texts together are a piece. Here that is a table of pairs
/// made beforehand: every piece divided at every character into two symbols.
///
/// A symbol is a piece that text can be written with, by its id, or a character of such pieces that is none
/// itself, numbered after them.
struct SentencePieceMerges: Sendable {
  static let noSymbol = UInt32.max

  private let characters: NumberTable
  private let ascii: [UInt32]
  private let pairs: NumberTable
  /// Hashes of the pairs of neighbouring characters in pieces, a bit each.
  private let neighbours: [UInt64]
  private let neighbourShift: UInt64
  /// By symbol: its bytes, and whether it is an unused piece; nothing if no piece is.
  private let lengths: [Int32]
  private let unused: [Bool]

  /// The symbol of a character; `noSymbol` if no piece contains it.
  @inline(__always)
  func symbol(of character: UInt32) -> UInt32 {
    character < 0x80
      ? ascii[Int(character)]
      : characters[UInt64(character)].map(UInt32.init(truncatingIfNeeded:)) ?? Self.noSymbol
  }

  /// What two symbols merge to: the rank in the upper half, least first, and the symbol in the lower.
  @inline(__always)
  func merge(_ left: UInt32, _ right: UInt32) -> UInt64? {
    guard left != Self.noSymbol && right != Self.noSymbol else { return nil }
    return pairs[UInt64(left) << 32 | UInt64(right)]
  }

  /// Whether a symbol is a piece that no text is to be written with.
  @inline(__always)
  func isUnused(_ symbol: UInt32) -> Bool { symbol < unused.count && unused[Int(symbol)] }
  func length(of symbol: UInt32) -> Int { Int(lengths[Int(symbol)]) }

  /// Whether some piece may contain two characters next to each other. Where none does, nothing merges across,
  /// and the text on both sides is encoded as if alone.
  @inline(__always)
  func mayJoin(_ left: UInt32, _ right: UInt32) -> Bool {
    let bit = Self.hash(left, right) >> neighbourShift
    return neighbours[Int(bit >> 6)] >> (bit & 63) & 1 != 0
  }
  @inline(__always)
  private static func hash(_ left: UInt32, _ right: UInt32) -> UInt64 {
    (UInt64(left) &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(right)) &* 0xD6E8_FEB8_6659_FD93
  }

  /// The bytes of the character at `index`: as many as the first says, and as there are.
  @inline(__always)
  static func characterLength(_ first: UInt8) -> Int {
    first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
  }

  /// A character as its bytes in one number.
  @inline(__always)
  static func character(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int, _ length: Int) -> UInt32 {
    var packed = UInt32(bytes[index])
    for offset in 1..<max(1, length) { packed |= UInt32(bytes[index + offset]) << UInt32(8 * offset) }
    return packed
  }

  /// - Parameter ids: of the pieces that text can be written with.
  /// - Complexity: O(bytes of all pieces).
  init(_ model: SentencePieceModel, ids: [Int], path: String) throws(FileError) {
    let texts = TextTable(ids.map { (model.pieces[$0].text, UInt32($0)) })
    if let twice = texts.duplicate {
      throw FileError(
        path, at: "piece \(twice)", expected: "each piece once",
        found: quoted(String(decoding: model.pieces[Int(twice)].text, as: UTF8.self)) + " again",
        remedy: FileError.damaged)
    }
    // Equal scores have equal ranks: then the leftmost pair merges first.
    let scores = Set(ids.map { model.pieces[$0].score }).sorted(by: >)
    let ranks = Dictionary(uniqueKeysWithValues: zip(scores, UInt64(0)...))

    var characters = NumberTable(), ascii = [UInt32](repeating: Self.noSymbol, count: 128)
    var pairs = NumberTable()
    var joins: [(UInt32, UInt32)] = []
    var others = UInt32(model.pieces.count)
    var lengths = model.pieces.map { Int32($0.text.count) }
    for id in ids {
      let piece = model.pieces[id]
      let result = (ranks[piece.score] ?? 0) << 32 | UInt64(id)
      piece.text.withUnsafeBufferPointer { bytes in
        var starts: [Int] = [], codes: [UInt32] = [], index = 0
        while index < bytes.count {
          let length = min(bytes.count - index, Self.characterLength(bytes[index]))
          let code = Self.character(bytes, index, length)
          if characters[UInt64(code)] == nil {
            let symbol = texts[bytes[index..<index + length]] ?? others
            if symbol == others {
              others += 1
              lengths.append(Int32(length))
            }
            characters[UInt64(code)] = UInt64(symbol)
            if code < 0x80 { ascii[Int(code)] = symbol }
          }
          starts.append(index)
          codes.append(code)
          index += length
        }
        joins += zip(codes, codes.dropFirst())
        let hashes = TextTable.prefixHashes(bytes)
        func symbol(_ first: Int, _ last: Int) -> UInt32? {
          if last - first == 1 { return characters[UInt64(codes[first])].map { UInt32($0) } }
          let range = starts[first]..<(last < starts.count ? starts[last] : bytes.count)
          return texts.find(bytes[range], hash: TextTable.hash(range, hashes))
        }
        for middle in 1..<max(1, starts.count) {
          if let left = symbol(0, middle), let right = symbol(middle, starts.count) {
            pairs[UInt64(left) << 32 | UInt64(right)] = result
          }
        }
      }
    }
    var bits: UInt64 = 12
    while bits < 30 && joins.count > 1 << (bits - 4) { bits += 1 }
    var neighbours = [UInt64](repeating: 0, count: 1 << (Int(bits) - 6))
    for (left, right) in joins {
      let bit = Self.hash(left, right) >> (64 - bits)
      neighbours[Int(bit >> 6)] |= 1 << (bit & 63)
    }
    (self.characters, self.ascii, self.pairs) = (characters, ascii, pairs)
    self.lengths = lengths
    unused = model.pieces.contains { $0.kind == .unused } ? model.pieces.map { $0.kind == .unused } : []
    (self.neighbours, neighbourShift) = (neighbours, 64 - bits)
  }
}

/// Numbers by numbers: open addressing, at most half full.
struct NumberTable: Sendable {
  /// Key plus one, and value; 0 is a free place.
  private var slots = [UInt64](repeating: 0, count: 32)
  private var count = 0

  @inline(__always)
  private func slot(of key: UInt64) -> Int {
    let mask = slots.count / 2 - 1
    var place = Int(truncatingIfNeeded: ((key ^ key >> 29) &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
    while slots[2 * place] != 0 && slots[2 * place] != key &+ 1 { place = (place + 1) & mask }
    return 2 * place
  }

  /// Keys are below 2⁶⁴ − 1. Setting nil is not possible.
  subscript(key: UInt64) -> UInt64? {
    @inline(__always) get {
      let slot = slot(of: key)
      return slots[slot] == 0 ? nil : slots[slot + 1]
    }
    set {
      guard let newValue else { return }
      let found = slot(of: key)
      if slots[found] == 0 {
        count += 1
        slots[found] = key &+ 1
      }
      slots[found + 1] = newValue
      if count * 4 > slots.count { grow() }
    }
  }

  private mutating func grow() {
    let old = slots
    slots = Array(repeating: 0, count: 2 * old.count)
    for place in stride(from: 0, to: old.count, by: 2) where old[place] != 0 {
      let found = slot(of: old[place] &- 1)
      (slots[found], slots[found + 1]) = (old[place], old[place + 1])
    }
  }
}

/// Numbers by strings of bytes, whose hash can be had of any part of a string at once.
private struct TextTable {
  private static let base: UInt64 = 0x0000_0100_0000_01B3
  private let entries: [(text: ArraySlice<UInt8>, value: UInt32)]
  /// The place in `entries` plus one.
  private var slots: [UInt32]
  /// The second value of a text that came twice.
  private(set) var duplicate: UInt32?

  init(_ entries: [(ArraySlice<UInt8>, UInt32)]) {
    self.entries = entries
    var size = 16
    while size < 2 * entries.count { size *= 2 }
    slots = Array(repeating: 0, count: size)
    for (index, (text, value)) in entries.enumerated() {
      text.withUnsafeBufferPointer { bytes in
        let place = place(bytes[...], hash: Self.hash(bytes[...]))
        if slots[place] != 0 { duplicate = value }
        slots[place] = UInt32(index) + 1
      }
    }
  }

  subscript(text: Slice<UnsafeBufferPointer<UInt8>>) -> UInt32? { find(text, hash: Self.hash(text)) }
  func find(_ text: Slice<UnsafeBufferPointer<UInt8>>, hash: UInt64) -> UInt32? {
    let slot = slots[place(text, hash: hash)]
    return slot == 0 ? nil : entries[Int(slot) - 1].value
  }

  private func place(_ text: Slice<UnsafeBufferPointer<UInt8>>, hash: UInt64) -> Int {
    let mask = slots.count - 1
    var place = Int(truncatingIfNeeded: (hash &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
    while slots[place] != 0, !entries[Int(slots[place]) - 1].text.elementsEqual(text) {
      place = (place + 1) & mask
    }
    return place
  }

  private static func hash(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> UInt64 {
    text.reduce(0) { $0 &* base &+ UInt64($1) &+ 1 }
  }

  /// The hash of every beginning of a string, and the powers of the base.
  static func prefixHashes(_ bytes: UnsafeBufferPointer<UInt8>) -> (hashes: [UInt64], powers: [UInt64]) {
    var hashes: [UInt64] = [0], powers: [UInt64] = [1]
    for byte in bytes {
      hashes.append((hashes.last ?? 0) &* base &+ UInt64(byte) &+ 1)
      powers.append((powers.last ?? 1) &* base)
    }
    return (hashes, powers)
  }
  static func hash(_ range: Range<Int>, _ prefixes: (hashes: [UInt64], powers: [UInt64])) -> UInt64 {
    prefixes.hashes[range.upperBound]
      &- prefixes.hashes[range.lowerBound] &* prefixes.powers[range.count]
  }
}
