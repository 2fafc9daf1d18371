/// Characters of UTF-8 that may be damaged: a byte that belongs to none is one by itself, of no class.

package enum CharacterReader {
  /// The first number that is no Unicode scalar; an invalid byte reads as this plus its value.
  package static let invalid: UInt32 = 0x110000

  /// The character at a place and how many bytes it has (Unicode, table 3-7).
  @inline(__always)
  package static func next(_ bytes: UnsafeBufferPointer<UInt8>, at position: Int) -> (
    scalar: UInt32, length: Int
  ) {
    let first = UInt32(bytes[position])
    if first < 0x80 { return (first, 1) }
    return long(bytes, position, first)
  }

  private static func long(
    _ bytes: UnsafeBufferPointer<UInt8>, _ position: Int, _ first: UInt32
  ) -> (scalar: UInt32, length: Int) {
    let left = bytes.count - position
    func tail(_ offset: Int) -> UInt32 {
      let byte = UInt32(bytes[position + offset])
      return byte & 0xC0 == 0x80 ? byte & 0x3F : 0x1_000_000
    }
    switch first {
    case 0xC2...0xDF where left > 1:
      let scalar = (first & 0x1F) << 6 | tail(1)
      if scalar < 0x800 { return (scalar, 2) }
    case 0xE0...0xEF where left > 2:
      let (second, third) = (tail(1), tail(2))
      let scalar = (first & 0x0F) << 12 | second << 6 | third
      if second | third < 0x40, scalar >= 0x800, !(0xD800..<0xE000).contains(scalar) { return (scalar, 3) }
    case 0xF0...0xF4 where left > 3:
      let (second, third, fourth) = (tail(1), tail(2), tail(3))
      let scalar = (first & 0x07) << 18 | second << 12 | third << 6 | fourth
      if second | third | fourth < 0x40, scalar >= 0x10000, scalar < 0x110000 { return (scalar, 4) }
    default: break
    }
    return (invalid + first, 1)
  }

  /// How many bytes at the end of a buffer begin a character without finishing it: 0 to 3.
  package static func incompleteTail(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
    guard let last = bytes.last, last >= 0x80 else { return 0 }
    return UTF8Stream.incompleteTail(of: Array(bytes.suffix(3)))
  }

  /// Where the character that ends at `end` begins; `end` must be above 0.
  package static func start(_ bytes: UnsafeBufferPointer<UInt8>, before end: Int) -> Int {
    for length in 1...4 where length <= end {
      if next(UnsafeBufferPointer(rebasing: bytes[..<end]), at: end - length).length == length {
        // A sequence of that length that ends here; a single invalid byte has length 1.
        if length > 1 || bytes[end - 1] < 0x80 { return end - length }
      }
    }
    return end - 1
  }
}
