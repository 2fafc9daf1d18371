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

    /// What text in such units would be without its mark: every unit a Latin letter, with zeros beside it.
    static func unmarked(_ head: [UInt8]) -> Signature? {
      let head = head.prefix(64)
      return all.first { unit in
        let units = head.count / unit.width
        return units >= 4
          && (0..<units).allSatisfy { i in
            let bytes = Array(head[i * unit.width..<(i + 1) * unit.width])
            let value = unit.isBigEndian ? bytes[unit.width - 1] : bytes[0]
            return value != 0 && bytes == unit.bytes(of: UInt32(value))
          }
      }.map {
        Signature(
          what: "\($0.name) without a byte order mark, or token ids of \($0.width) bytes",
          command: "iconv -f \($0.name) -t UTF-8 FILE")
      }
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
    func value(at index: Int) -> UInt32? {
      guard index + unit.width <= all.count else { return nil }
      return (0..<unit.width).reduce(0) { value, i in
        value << 8 | UInt32(all[index + (unit.isBigEndian ? i : unit.width - 1 - i)])
      }
    }
    while let high = value(at: index) {
      var (scalar, length) = (high, unit.width)
      if unit.width == 2, high & 0xFC00 == 0xD800 {
        guard let low = value(at: index + 2) else { break }
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
