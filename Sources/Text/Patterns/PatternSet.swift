/// A set of characters as patterns write them: ranges, categories, white space, other sets, what several have in
/// common, either case, or all but these.

struct PatternSet: Sendable {
  var ranges: [ClosedRange<UInt32>] = []
  /// Bit per category of ``CharacterClasses``.
  var categories: UInt32 = 0
  /// Rising ranges, of a script for instance.
  var sorted: [ClosedRange<UInt32>] = []
  var hasSpace = false
  /// Alphabetic characters, marks, decimal digits and connectors.
  var hasWord = false
  var parts: [PatternSet] = []
  /// If there are any, a member is in each of these.
  var common: [PatternSet] = []
  /// Either case of a member is one.
  var foldsCase = false
  var isNegated = false
  /// The answers for ASCII, once `seal` has been called.
  private var ascii: (UInt64, UInt64) = (0, 0)

  @inline(__always)
  func contains(_ scalar: UInt32) -> Bool {
    if scalar < 64 { return ascii.0 >> UInt64(scalar) & 1 == 1 }
    if scalar < 128 { return ascii.1 >> UInt64(scalar - 64) & 1 == 1 }
    return decide(scalar)
  }

  func decide(_ scalar: UInt32) -> Bool {
    var isMember = holds(scalar)
    if !isMember, foldsCase { isMember = CaseFolding.others(scalar).contains(where: holds) }
    return isMember != isNegated
  }

  private func holds(_ scalar: UInt32) -> Bool {
    if !common.isEmpty { return common.allSatisfy { $0.decide(scalar) } }
    return ranges.contains { $0.contains(scalar) }
      || categories != 0 && categories >> UInt32(CharacterClasses.category(scalar)) & 1 == 1
      || hasSpace && CharacterClasses.isSpace(scalar) || hasWord && Self.isWord(scalar)
      || !sorted.isEmpty && isInSorted(scalar)
      || parts.contains { $0.decide(scalar) }
  }

  private func isInSorted(_ scalar: UInt32) -> Bool {
    var (low, high) = (0, sorted.count)
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle].upperBound < scalar { low = middle + 1 } else { high = middle }
    }
    return low < sorted.count && sorted[low].contains(scalar)
  }

  /// Adds what another set has.
  mutating func add(_ other: PatternSet) {
    guard !other.isNegated, other.common.isEmpty, other.sorted.isEmpty, other.foldsCase == foldsCase else {
      return parts.append(other)
    }
    ranges += other.ranges
    categories |= other.categories
    hasSpace = hasSpace || other.hasSpace
    hasWord = hasWord || other.hasWord
    parts += other.parts
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
  /// What Oniguruma's `\w` has besides: Latin-1's digits and fractions.
  static let latinNumbers: [ClosedRange<UInt32>] = [0xB2...0xB3, 0xB9...0xB9, 0xBC...0xBE]

  /// What Rust's `\w` has besides.
  static let rustJoiners: [ClosedRange<UInt32>] = [0x200C...0x200D]
  static func isRustWord(_ scalar: UInt32) -> Bool { rustJoiners[0].contains(scalar) || isWord(scalar) }

  /// The categories called by one letter or two; nil if it is the name of something else.
  static func categories(_ name: some StringProtocol) -> UInt32? {
    var bits: UInt32 = 0
    for (index, category) in CharacterClasses.names.enumerated()
    where name == category || name.count == 1 && category.hasPrefix(name) { bits |= 1 << UInt32(index) }
    return bits == 0 ? nil : bits
  }

  /// The characters of a property: a category by its short or long name, a script, or any.
  init?(property name: String, dialect: Pattern.Dialect) {
    self.init()
    var key = name.lowercased().filter { !" _-".contains($0) }
    if dialect == .rust {
      for prefix in ["script=", "sc=", "generalcategory=", "gc="] where key.hasPrefix(prefix) {
        key.removeFirst(prefix.count)
        break
      }
    }
    if key == "any" {
      isNegated = true
      return
    }
    let index = CharacterClasses.longNames.firstIndex(of: key)
    let short = CharacterClasses.names.first { $0.lowercased() == key } ?? key.uppercased()
    if let bits = index.map({ 1 << UInt32($0) }) ?? CharacterClasses.groups[key].flatMap(Self.categories)
      ?? (key.count <= 2 ? Self.categories(short) : nil)
    {
      categories = bits
    } else if let ranges = Scripts.ranges(of: key) {
      sorted = ranges
    } else {
      return nil
    }
  }

  init() {}
}
