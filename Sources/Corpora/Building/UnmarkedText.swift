// Tells UTF-16 and UTF-32 without a byte order mark from text as it is and from older encodings.

/// The first bytes of something, looked at as wide text of any script.
///
/// Wide text has bytes among its units that no other text has, zeros and controls: beside every Latin, Greek or Cyrillic letter,
/// and as the lower byte of about one character in ten of Chinese. Bytes that have none are never taken for it, which leaves
/// alone all UTF-8 that one can read, and the encodings of two bytes that are older than Unicode.
struct UnmarkedText {
  private let head: [UInt8]
  private let controls: Int
  private let isUTF8: Bool

  init(_ head: [UInt8]) {
    self.head = Array(head.prefix(512))
    controls = self.head.count { $0 < 0x20 && !(0x08...0x0D).contains($0) && $0 != 0x1B }
    // The last character may be cut.
    isUTF8 = (0...3).contains { [head = self.head] in
      String(validating: head.dropLast($0), as: UTF8.self) != nil
    }
  }

  /// What it is; nil where it may be text in bytes.
  var signature: Signature? {
    let units = WideText.Unit.all.filter { isLatin(in: $0) }
    let unit =
      units.first ?? WideText.Unit.all.filter { isText(in: $0) }.min { spread(in: $0) < spread(in: $1) }
    return unit.map {
      Signature(
        what: "\($0.name) without a byte order mark, or token ids of \($0.width) bytes",
        command: "iconv -f \($0.name) -t UTF-8 FILE")
    }
  }

  /// Whether every unit is a Latin letter, with zeros beside it.
  private func isLatin(in unit: WideText.Unit) -> Bool {
    let values = values(in: unit).prefix(64 / unit.width)
    return values.count >= 4 && values.allSatisfy { (1...0xFF).contains($0) }
  }

  /// Whether it reads as text: assigned characters without controls, and of few scripts, whose numbers have much the same
  /// higher bytes.
  private func isText(in unit: WideText.Unit) -> Bool {
    // In UTF-8, most of the higher bytes must be what text does not have; else one control in sixty-four bytes is enough, but
    // a single one in a short text is a stray.
    guard controls >= 2, controls * (isUTF8 ? 16 : 64) >= head.count else { return false }
    let values = values(in: unit)
    guard values.count >= 6, spread(in: unit) < Set(values.map { $0 & 0xFF }).count else { return false }
    if isUTF8 {
      let higher = values.flatMap { value in (1..<unit.width).map { value >> UInt32(8 * $0) & 0xFF } }
      guard 3 * higher.count(where: { $0 < 0x20 }) >= 2 * higher.count else { return false }
    }
    var decoder = WideText(unit)
    guard let text = try? decoder.decode(head) else { return false }
    return String(decoding: text, as: UTF8.self).unicodeScalars.allSatisfy {
      switch $0.properties.generalCategory {
      case .control: $0 == "\t" || $0 == "\n" || $0 == "\r"
      case .privateUse, .unassigned: false
      default: true
      }
    }
  }

  /// How many different higher bytes the units have.
  private func spread(in unit: WideText.Unit) -> Int { Set(values(in: unit).map { $0 >> 8 }).count }

  private func values(in unit: WideText.Unit) -> [UInt32] {
    stride(from: 0, to: head.count, by: unit.width).compactMap { unit.value(in: head, at: $0) }
  }
}
