/// SentencePiece's compiled replacements (`precompiled_charsmap`): what each string of characters is written as
/// before encoding, for instance in NFKC.
///
/// The blob is: the size of a trie in bytes (u32), the trie, and the replacements, each ended by a zero byte.
/// The trie is a double array as Darts-clone makes it, of u32 units: bits 0–7 the label and bit 31 set in a
/// leaf, bit 8 whether a leaf hangs on, bit 9 whether the offset is shifted by 8, bits 10–31 the offset; a
/// leaf's lower 31 bits are where its replacement begins.

import RunnelFiles

struct CharacterMap: Sendable {
  private let units: [UInt32]
  private let replacements: [UInt8]
  /// Bounds what a damaged trie can hold back; real ones end after some twenty bytes.
  private static let maximumLength = 1024

  /// - Parameter blob: empty for none.
  init?(_ blob: ArraySlice<UInt8>, path: String) throws(FileError) {
    guard !blob.isEmpty else { return nil }
    func refuse(_ expected: String, found: String) -> FileError {
      FileError(
        path, at: "normalizer_spec.precompiled_charsmap", expected: expected, found: found,
        remedy: FileError.damaged)
    }
    guard blob.count > 4 else { throw refuse("more than 4 bytes", found: "\(blob.count)") }
    let words = blob.withUnsafeBytes { raw in
      (0..<raw.count / 4).map {
        UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self))
      }
    }
    let size = Int(words[0])
    guard size >= 1024, size % 1024 == 0, size < blob.count - 4 else {
      throw refuse("a trie of a multiple of 1024 bytes, less than \(blob.count - 4)", found: "\(size)")
    }
    guard blob.last == 0 else { throw refuse("a zero byte at the end", found: "another") }
    units = Array(words[1...size / 4])
    replacements = Array(blob.dropFirst(4 + size))
  }

  struct Match {
    /// Where the replacement lies; meaningless if the length is 0.
    var replacement = 0..<0
    var length = 0
    /// The bytes ran out where a longer string was still possible.
    var isOpen = false
  }

  /// The longest string that has a replacement at a place of the text.
  func longest(in bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Match {
    var match = Match(), value = 0
    var place = Self.offset(units[0])
    var index = start
    let end = min(bytes.count, start + Self.maximumLength)
    while index < end {
      place ^= Int(bytes[index])
      guard place < units.count, units[place] & 0x8000_00FF == UInt32(bytes[index]) else { break }
      let unit = units[place]
      place ^= Self.offset(unit)
      index += 1
      if unit & 0x100 != 0, place < units.count {
        (value, match.length) = (Int(units[place] & 0x7FFF_FFFF), index - start)
      }
    }
    match.isOpen = index == bytes.count && index < start + Self.maximumLength
    if match.length > 0 {
      guard value < replacements.count else { return Match(isOpen: match.isOpen) }
      var last = value
      while replacements[last] != 0 { last += 1 }
      match.replacement = value..<last
    }
    return match
  }

  subscript(match: Match) -> ArraySlice<UInt8> { replacements[match.replacement] }

  private static func offset(_ unit: UInt32) -> Int { Int((unit >> 10) << ((unit & 0x200) >> 6)) }
}
