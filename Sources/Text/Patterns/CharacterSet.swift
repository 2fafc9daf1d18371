/// A set of characters as patterns write them: ranges, categories, white space, other sets, or all but these.

struct PatternSet: Sendable {
  var ranges: [ClosedRange<UInt32>] = []
  /// Bit per category of ``CharacterClasses``.
  var categories: UInt32 = 0
  var hasSpace = false
  /// Alphabetic characters, marks, decimal digits and connectors.
  var hasWord = false
  var parts: [PatternSet] = []
  var isNegated = false
  /// The answers for ASCII, once `seal` has been called.
  private var ascii: (UInt64, UInt64) = (0, 0)

  func contains(_ scalar: UInt32) -> Bool {
    if scalar < 64 { return ascii.0 >> UInt64(scalar) & 1 == 1 }
    if scalar < 128 { return ascii.1 >> UInt64(scalar - 64) & 1 == 1 }
    return decide(scalar)
  }

  private func decide(_ scalar: UInt32) -> Bool {
    let isMember =
      ranges.contains { $0.contains(scalar) }
      || categories != 0 && categories >> UInt32(CharacterClasses.category(scalar)) & 1 == 1
      || hasSpace && CharacterClasses.isSpace(scalar) || hasWord && Self.isWord(scalar)
      || parts.contains { $0.decide(scalar) }
    return isMember != isNegated
  }

  mutating func seal() {
    for scalar in UInt32(0)..<64 where decide(scalar) { ascii.0 |= 1 << UInt64(scalar) }
    for scalar in UInt32(64)..<128 where decide(scalar) { ascii.1 |= 1 << UInt64(scalar - 64) }
  }

  static func isWord(_ scalar: UInt32) -> Bool {
    switch CharacterClasses.category(scalar) {
    case 0...9, 11: return true
    case 29, CharacterClasses.none: return false
    default: return Unicode.Scalar(scalar)?.properties.isAlphabetic ?? false
    }
  }

  /// The word characters of Rust's expressions, by which some steps are defined: two joiners more.
  static func isRustWord(_ scalar: UInt32) -> Bool { scalar == 0x200C || scalar == 0x200D || isWord(scalar) }

  /// The categories called by one letter or two; nil if it is the name of something else.
  static func categories(_ name: some StringProtocol) -> UInt32? {
    var bits: UInt32 = 0
    for (index, category) in CharacterClasses.names.enumerated()
    where name == category || name.count == 1 && category.hasPrefix(name) { bits |= 1 << UInt32(index) }
    return bits == 0 ? nil : bits
  }
}
