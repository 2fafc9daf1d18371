// Text in UTF-16 or UTF-32, as Windows and databases write it, made UTF-8 however the stream is cut.

/// Turns wide units into UTF-8.
struct WideText {
  struct Unit: Equatable {
    let name: String
    /// Bytes in a unit.
    let width: Int
    let isBigEndian: Bool

    /// Those that a byte order mark tells, the longer marks first.
    static let all = [4, 2].flatMap { width in
      [false, true].map {
        Unit(name: "UTF-\(8 * width)\($0 ? "BE" : "LE")", width: width, isBigEndian: $0)
      }
    }

    func bytes(of value: UInt32) -> [UInt8] {
      let little = (0..<width).map { UInt8(truncatingIfNeeded: value >> UInt32(8 * $0)) }
      return isBigEndian ? little.reversed() : little
    }

    /// U+FEFF.
    var mark: [UInt8] { bytes(of: 0xFEFF) }

    /// The unit that begins there; nil where it is cut short.
    func value(in bytes: [UInt8], at index: Int) -> UInt32? {
      guard index + width <= bytes.count else { return nil }
      return (0..<width).reduce(0) { $0 << 8 | UInt32(bytes[index + (isBigEndian ? $1 : width - 1 - $1)]) }
    }
  }

  let unit: Unit
  /// Bytes taken so far.
  private(set) var count = 0
  /// The beginning of a unit, or of a pair of them.
  private var rest: [UInt8] = []

  init(_ unit: Unit) { self.unit = unit }

  /// What is wrong, and how many bytes before.
  struct Failure: Error {
    let offset: Int
    let found: String
  }

  /// - Parameter isLast: nothing follows.
  mutating func decode(_ bytes: [UInt8], isLast: Bool = false) throws(Failure) -> [UInt8] {
    let all = rest + bytes
    var text: [UInt8] = []
    text.reserveCapacity(all.count)
    var index = 0
    while let high = unit.value(in: all, at: index) {
      var (scalar, length) = (high, unit.width)
      if unit.width == 2, high & 0xFC00 == 0xD800 {
        guard let low = unit.value(in: all, at: index + 2) else { break }
        guard low & 0xFC00 == 0xDC00 else { throw Failure(offset: count + index, found: "half of a pair") }
        (scalar, length) = (0x10000 + (high & 0x3FF) << 10 + low & 0x3FF, 4)
      }
      guard let scalar = Unicode.Scalar(scalar) else {
        throw Failure(offset: count + index, found: "no character: \(String(scalar, radix: 16))")
      }
      text += UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
      index += length
    }
    rest = Array(all[index...])
    count += index
    guard !isLast || rest.isEmpty else { throw Failure(offset: count, found: "its end within a character") }
    return text
  }
}
