/// Cuts text into words as GPT-2 does, so that no token spans two of them (Radford et al. 2019).
///
/// The pattern is `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`. A byte that
/// belongs to no UTF-8 character counts as a character that is neither letter, number nor space.

struct WordScanner {
  private enum Kind { static let other: UInt8 = 0, letter: UInt8 = 1, number: UInt8 = 2, space: UInt8 = 3 }

  private let asciiKinds = Self.asciiKinds

  /// Where the word that starts at `start` ends, in a text that ends with the bytes.
  @inline(__always)
  func end(of bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
    let first = bytes[start]
    if first == 0x27, let end = Self.contraction(bytes, start) { return end }
    var (kind, index) = scalar(bytes, start)
    if first == 0x20 && index < bytes.count {
      let next = scalar(bytes, index)
      if next.kind != Kind.space { (kind, index) = next }
    }
    var last = start
    while index < bytes.count {
      let next = scalar(bytes, index)
      guard next.kind == kind else { break }
      (last, index) = (index, next.end)
    }
    // The last of several spaces belongs to the word after them.
    return kind == Kind.space && index < bytes.count && last > start ? last : index
  }

  @inline(__always)
  private static func contraction(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int? {
    guard start + 1 < bytes.count else { return nil }
    let first = bytes[start + 1]
    if first == 0x73 || first == 0x74 || first == 0x6D || first == 0x64 { return start + 2 }  // s t m d
    guard start + 2 < bytes.count else { return nil }
    switch (first, bytes[start + 2]) {
    case (0x72, 0x65), (0x76, 0x65), (0x6C, 0x6C): return start + 3  // re ve ll
    default: return nil
    }
  }

  /// The kind of the character that starts at `index`, and where it ends.
  @inline(__always)
  private func scalar(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int) -> (kind: UInt8, end: Int) {
    let first = bytes[index]
    return first < 0x80 ? (asciiKinds[Int(first)], index + 1) : Self.wideScalar(bytes, index)
  }

  private static func wideScalar(
    _ bytes: UnsafeBufferPointer<UInt8>, _ index: Int
  ) -> (kind: UInt8, end: Int) {
    let first = bytes[index]
    let length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
    guard first >= 0xC2, first <= 0xF4, index + length <= bytes.count else { return (Kind.other, index + 1) }
    var value = UInt32(first) & (0x7F >> UInt32(length))
    for byte in bytes[(index + 1)..<(index + length)] {
      guard byte & 0xC0 == 0x80 else { return (Kind.other, index + 1) }
      value = value << 6 | UInt32(byte & 0x3F)
    }
    // Over-long forms and halves of surrogate pairs.
    guard Unicode.Scalar(value) != nil, value >= (length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000) else {
      return (Kind.other, index + 1)
    }
    return (value < UInt32(kinds.count) ? kinds[Int(value)] : Kind.other, index + length)
  }

  // Letters and numbers end with plane 3.
  private static let kinds: [UInt8] = (0..<0x40000).map { value in
    guard let scalar = Unicode.Scalar(UInt32(value)) else { return Kind.other }
    if scalar.properties.isWhitespace { return Kind.space }
    return switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: Kind.letter
    case .decimalNumber, .letterNumber, .otherNumber: Kind.number
    default: Kind.other
    }
  }
  private static let asciiKinds: [UInt8] = Array(kinds[..<0x80])
}
