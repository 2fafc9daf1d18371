/// What of a SentencePiece model merging works with, on the byte-pair engine.

import RunnelFiles

/// The original joins two neighbours whenever their texts together are a piece. Here that is a table of pairs
/// made beforehand: every piece divided at every character into two symbols. A symbol is a piece that text can
/// be written with, by its id, or a character of such pieces that is none itself, numbered after them.
struct SentencePieceMerges: Sendable {
  private let alphabet: Alphabet
  private let engine: MergeEngine
  /// What a character that only occurs within pieces is written as when it stays alone.
  private let loneCharacters: [[Int32]]
  /// The pieces that no text is to be written with, by id; empty if there are none.
  private let unused: [Bool]
  private let pieceCount: Int32
  private let unknown: Int32
  /// Hashes of the pairs of neighbouring characters in pieces, a bit each.
  private let neighbours: [UInt64]
  private let neighbourShift: UInt64

  /// Bounds the time for dividing: the sum of the squared lengths of the pieces. That of Mistral's 32,000 is
  /// two million.
  private static let maximumWork = 1 << 32

  /// What merging writes on.
  struct Scratch: Sendable {
    fileprivate var symbols: [Int32] = []
    fileprivate var engine = MergeEngine.Scratch()
    fileprivate var splits: [Int32: (left: Int32, right: Int32)] = [:]
  }

  /// Appends the ids of a stretch of text.
  ///
  /// An unused piece is taken apart again as it came together. The original remembers that for the whole text,
  /// this for the stretch: they differ if such a piece comes about in two ways in one text.
  func encode(_ stretch: UnsafeBufferPointer<UInt8>, scratch: inout Scratch, into ids: inout [Int32]) {
    scratch.symbols.removeAll(keepingCapacity: true)
    alphabet.append(stretch, to: &scratch.symbols)
    if unused.isEmpty {
      engine.merge(&scratch.symbols, scratch: &scratch.engine)
    } else {
      var splits: [Int32: (left: Int32, right: Int32)] = [:]
      engine.merge(&scratch.symbols, scratch: &scratch.engine) { left, right, merge in
        let merged = Int32(truncatingIfNeeded: merge)
        if unused[Int(merged)] { splits[merged] = (left, right) }
      }
      scratch.splits = splits
      separate(&scratch)
    }
    for symbol in scratch.symbols {
      if symbol == unknown {
        if ids.last != unknown { ids.append(symbol) }
      } else if symbol < pieceCount {
        ids.append(symbol)
      } else {
        for id in loneCharacters[Int(symbol - pieceCount)] where id != unknown || ids.last != unknown {
          ids.append(id)
        }
      }
    }
  }

  private func separate(_ scratch: inout Scratch) {
    var open = Array(scratch.symbols.reversed())
    scratch.symbols.removeAll(keepingCapacity: true)
    while let symbol = open.popLast() {
      if symbol < pieceCount, unused[Int(symbol)], let (left, right) = scratch.splits[symbol] {
        open.append(right)
        open.append(left)
      } else {
        scratch.symbols.append(symbol)
      }
    }
  }

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

  /// The bytes of a character by its first.
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

  /// - Complexity: O(the sum of the squared lengths of the pieces).
  init(_ model: SentencePieceModel, path: String) throws(FileError) {
    func refuse(_ id: Int, expected: String, _ found: String = "again") -> FileError {
      let text = quoted(String(decoding: model.pieces[id].text, as: UTF8.self))
      return FileError(
        path, at: "piece \(id)", expected: expected, found: "\(text) \(found)", remedy: FileError.damaged)
    }
    let ids = model.pieces.indices.filter { model.pieces[$0].kind.isText }
    var texts = TokenTable(capacity: ids.count)
    var work = 0
    for id in ids {
      let piece = model.pieces[id]
      guard texts.insert(piece.text, id: Int32(id)) else { throw refuse(id, expected: "each piece once") }
      work += piece.kind == .userDefined ? 0 : piece.text.count * piece.text.count
      guard work <= Self.maximumWork else {
        throw refuse(id, expected: "pieces as short as a tokenizer's", "after many long ones")
      }
    }
    // Equal scores have equal ranks: then the leftmost pair merges first.
    let scores = Set(ids.map { model.pieces[$0].score }).sorted(by: >)
    let ranks = Dictionary(uniqueKeysWithValues: zip(scores, Int32(0)...))

    var characters: [Unicode.Scalar: Int32] = [:]
    var lone: [[Int32]] = []
    var table = MergeTable(capacity: 4 * ids.count)
    var joins: [(UInt32, UInt32)] = []
    for id in ids {
      let piece = model.pieces[id]
      guard let text = String(validating: piece.text, as: UTF8.self) else {
        throw refuse(id, expected: "a piece in UTF-8", "of other bytes")
      }
      var starts: [Int] = [], codes: [UInt32] = []
      var start = piece.text.startIndex
      for scalar in text.unicodeScalars {
        let end = start + UTF8.width(scalar)
        if characters[scalar] == nil {
          if let own = texts.id(of: piece.text[start..<end]), model.pieces[Int(own)].kind != .userDefined {
            characters[scalar] = own
          } else {
            characters[scalar] = Int32(model.pieces.count + lone.count)
            lone.append(
              model.byteIDs.isEmpty
                ? [Int32(model.unknownID)] : piece.text[start..<end].map { model.byteIDs[Int($0)] })
          }
        }
        codes.append(piece.text[start..<end].reversed().reduce(0) { $0 << 8 | UInt32($1) })
        starts.append(start)
        start = end
      }
      // What the user defined is found before all merging and never merges.
      guard piece.kind != .userDefined else { continue }
      joins += zip(codes, codes.dropFirst())
      func symbol(_ range: Range<Int>) -> Int32? {
        let part = piece.text[range]
        if let id = texts.id(of: part), model.pieces[Int(id)].kind != .userDefined { return id }
        let scalars = String(decoding: part, as: UTF8.self).unicodeScalars
        return scalars.count == 1 ? scalars.first.flatMap { characters[$0] } : nil
      }
      for middle in starts.dropFirst() {
        if let left = symbol(piece.text.startIndex..<middle), let right = symbol(middle..<piece.text.endIndex)
        {
          table.insert(left: left, right: right, rank: ranks[piece.score] ?? 0, merged: Int32(id))
        }
      }
    }
    alphabet = Alphabet(
      characters: characters.map { ($0, $1) }, byteFallback: model.byteIDs, unknown: Int32(model.unknownID))
    engine = MergeEngine(table)
    loneCharacters = lone
    unused = model.pieces.contains { $0.kind == .unused } ? model.pieces.map { $0.kind == .unused } : []
    (pieceCount, unknown) = (Int32(model.pieces.count), Int32(model.unknownID))

    var bits: UInt64 = 12
    while bits < 30 && joins.count > 1 << (bits - 4) { bits += 1 }
    var neighbours = [UInt64](repeating: 0, count: 1 << (Int(bits) - 6))
    for (left, right) in joins {
      let bit = Self.hash(left, right) >> (64 - bits)
      neighbours[Int(bit >> 6)] |= 1 << (bit & 63)
    }
    (self.neighbours, neighbourShift) = (neighbours, 64 - bits)
  }
}
