/// Bytes as they come, let through in whole UTF-8 characters.
///
/// A character cut by the end of a token stays back until the rest of it arrives. Bytes that no continuation
/// can make a character pass at once, so what is held back is never more than three bytes. Cutting the input
/// elsewhere does not change the text: it is what `String(decoding:as:)` makes of the whole.
public struct UTF8Stream: Sendable, Equatable {
  /// The beginning of a character, up to three bytes, whose end has not come yet.
  public private(set) var pending: [UInt8] = []

  /// A stream from the first byte of a text.
  public init() {}

  /// Goes on where another stream stopped; nil if the bytes are not the beginning of one character.
  public init?(pending: [UInt8]) {
    guard Self.incompleteTail(of: pending) == pending.count else { return nil }
    self.pending = pending
  }

  /// Takes bytes, gives those that are whole characters or cannot become any, unchanged.
  public mutating func feed(_ bytes: some Collection<UInt8>) -> [UInt8] {
    var whole = pending + bytes
    let tail = Self.incompleteTail(of: whole)
    pending = Array(whole.suffix(tail))
    whole.removeLast(tail)
    return whole
  }

  /// The same as text, with U+FFFD for what is not UTF-8.
  public mutating func text(_ bytes: some Collection<UInt8>) -> String {
    String(decoding: feed(bytes), as: UTF8.self)
  }

  /// Gives what is held back, as the input has ended: bytes of no character.
  public mutating func flush() -> [UInt8] {
    defer { pending = [] }
    return pending
  }

  /// How many bytes at the end begin a character without finishing it: 0 to 3.
  ///
  /// What may follow a first byte is narrower than 80–BF for E0, ED, F0 and F4 (Unicode, table 3-7). With the
  /// narrow bounds, a tail is held back exactly if some continuation makes it well-formed, which is also how
  /// decoders divide ill-formed text into replacement characters.
  static func incompleteTail(of bytes: [UInt8]) -> Int {
    for length in 1...3 where length <= bytes.count {
      let first = bytes[bytes.count - length]
      if first & 0xC0 == 0x80 { continue }
      let needed =
        switch first {
        case 0xC2...0xDF: 2
        case 0xE0...0xEF: 3
        case 0xF0...0xF4: 4
        default: 0
        }
      guard length < needed else { return 0 }
      return length == 1 || second(after: first).contains(bytes[bytes.count - length + 1]) ? length : 0
    }
    return 0
  }

  private static func second(after first: UInt8) -> ClosedRange<UInt8> {
    switch first {
    case 0xE0: 0xA0...0xBF
    case 0xED: 0x80...0x9F
    case 0xF0: 0x90...0xBF
    case 0xF4: 0x80...0x8F
    default: 0x80...0xBF
    }
  }
}
