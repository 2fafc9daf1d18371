/// Characters that ready-made steps of a `tokenizer.json` look for, as their older tables of Unicode know them
/// (tools/golden/unicode.py asks about every one).

enum CharacterSets {
  /// Marks of Unicode 9.
  static let accents = set(of: (9, 0), 5...7, besides: [0x1CF2...0x1CF3, 0xE0100...0xE01EF])
  /// Marks without a width of Unicode 8.
  static let nonspacingMarks = set(
    of: (8, 0), 5...5, without: [0x1885, 0x1886, 0xA9BD], besides: [0x1734...0x1734, 0xE0100...0xE01EF])
  /// Punctuation of Unicode 8, and all signs of ASCII.
  static let punctuation = set(
    of: (8, 0), 11...17,
    besides: [0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E, 0x166D...0x166D, 0x111C9...0x111C9])
  /// What BERT's cleaning removes: control, format and private characters, and the one for what is none.
  static let controls = set(
    of: (8, 0), 25...26, without: [0x09, 0x0A, 0x0D],
    besides: [
      0xFFFD...0xFFFD, 0xE000...0xF8FF, 0xE0001...0xE0001, 0xE0020...0xE007F, 0xF0000...0xFFFFD,
      0x100000...0x10FFFD,
    ])
  static let spaces: PatternSet = {
    var set = PatternSet()
    set.hasSpace = true
    set.seal()
    return set
  }()
  static let numbers: PatternSet = {
    var set = PatternSet()
    set.categories = PatternSet.categories("N") ?? 0
    set.seal()
    return set
  }()
  /// What BERT's models take a character each of.
  static let ideographs = set(of: [
    0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x2A6DF, 0x2A700...0x2B81F,
    0x2B920...0x2CEAF,
    0x2F800...0x2FA1F,
  ])
  /// What `Nmt` removes, and what it takes for a space.
  static let nmtControls = set(of: [
    0x01...0x08, 0x0B...0x0B, 0x0E...0x1F, 0x7F...0x7F, 0x8F...0x8F, 0x9F...0x9F,
  ])
  static let nmtSpaces = set(of: [
    0x09...0x0A, 0x0C...0x0D, 0x1680...0x1680, 0x200B...0x200F, 0x2028...0x2029, 0x2581...0x2581,
    0xFEFF...0xFEFF,
    0xFFFD...0xFFFD,
  ])

  private static func set(of ranges: [ClosedRange<UInt32>]) -> PatternSet {
    var set = PatternSet()
    set.sorted = ranges
    set.seal()
    return set
  }

  /// The characters of some categories that a version of Unicode has, without some and with others.
  private static func set(
    of version: (Int, Int), _ categories: ClosedRange<UInt8>, without: Set<UInt32> = [],
    besides: [ClosedRange<UInt32>]
  ) -> PatternSet {
    var ranges: [ClosedRange<UInt32>] = []
    for value in 0..<CharacterClasses.tableEnd {
      let isMember =
        categories.contains(CharacterClasses.category(value)) && !without.contains(value)
        && Unicode.Scalar(value).map { CharacterClasses.isKnown($0.properties, in: version) } ?? false
      guard isMember || besides.contains(where: { $0.contains(value) }) else { continue }
      if let last = ranges.last, last.upperBound + 1 == value {
        ranges[ranges.count - 1] = last.lowerBound...value
      } else {
        ranges.append(value...value)
      }
    }
    return set(of: ranges + besides.filter { $0.lowerBound >= CharacterClasses.tableEnd })
  }
}
