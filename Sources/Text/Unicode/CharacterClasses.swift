/// General categories of Unicode 16.0, which the original tokenizers use; newer characters count as unassigned. Swift's own
/// tables, restricted by the age of each character, are laid out once in one table.

package enum CharacterClasses {
  package static let unicodeVersion = (major: 16, minor: 0)

  /// The two letters of each category, in the order of their numbers; the last is "unassigned".
  package static let names = [
    "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf",
    "Po",
    "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn",
  ]
  /// The same in words, and what several have in common.
  package static let longNames = [
    "uppercaseletter", "lowercaseletter", "titlecaseletter", "modifierletter", "otherletter",
    "nonspacingmark",
    "spacingmark", "enclosingmark", "decimalnumber", "letternumber", "othernumber", "connectorpunctuation",
    "dashpunctuation", "openpunctuation", "closepunctuation", "initialpunctuation", "finalpunctuation",
    "otherpunctuation", "mathsymbol", "currencysymbol", "modifiersymbol", "othersymbol", "spaceseparator",
    "lineseparator", "paragraphseparator", "control", "format", "surrogate", "privateuse", "unassigned",
  ]
  package static let groups = [
    "letter": "L", "mark": "M", "number": "N", "punctuation": "P", "symbol": "S", "separator": "Z",
    "other": "C",
  ]
  /// The category of what is no character.
  package static let none: UInt8 = 31

  /// What the fast scanners distinguish.
  package enum Kind {
    package static let other: UInt8 = 0
    package static let letter: UInt8 = 1
    package static let number: UInt8 = 2
    package static let space: UInt8 = 3
  }

  /// Everything from here on is unassigned, private or rare.
  static let tableEnd: UInt32 = 0x32400

  /// Per character below `tableEnd`, the category in the lower five bits and its kind above; never freed.
  nonisolated(unsafe) static let table: UnsafePointer<UInt8> = {
    let table = UnsafeMutablePointer<UInt8>.allocate(capacity: Int(tableEnd))
    for value in 0..<tableEnd { table[Int(value)] = compute(value) }
    return UnsafePointer(table)
  }()

  @inline(__always)
  package static func category(_ scalar: UInt32) -> UInt8 {
    (scalar < tableEnd ? table[Int(scalar)] : compute(scalar)) & 31
  }
  @inline(__always)
  package static func kind(_ scalar: UInt32) -> UInt8 {
    (scalar < tableEnd ? table[Int(scalar)] : compute(scalar)) >> 5
  }
  package static func isSpace(_ scalar: UInt32) -> Bool { kind(scalar) == Kind.space }

  @inline(never)
  static func compute(_ value: UInt32) -> UInt8 {
    guard let scalar = Unicode.Scalar(value) else { return value >= CharacterReader.invalid ? none : 27 }
    let properties = scalar.properties
    let category = number(properties, value)
    let kind: UInt8 =
      switch category {
      case 0...4: Kind.letter
      case 8...10: Kind.number
      default: properties.isWhitespace ? Kind.space : Kind.other
      }
    return category | kind << 5
  }

  static func isKnown(
    _ properties: Unicode.Scalar.Properties, in version: (major: Int, minor: Int) = unicodeVersion
  ) -> Bool {
    guard let age = properties.age else { return false }
    return (age.major, age.minor) <= version
  }

  private static func number(_ properties: Unicode.Scalar.Properties, _ value: UInt32) -> UInt8 {
    let category = properties.generalCategory
    // Unassigned and private characters have no age, or one that says nothing.
    if category == .privateUse { return 28 }
    guard isKnown(properties) else { return 29 }
    if value == 0x295 { return 1 }  // a lowercase letter until Unicode 17
    switch category {
    case .uppercaseLetter: return 0
    case .lowercaseLetter: return 1
    case .titlecaseLetter: return 2
    case .modifierLetter: return 3
    case .otherLetter: return 4
    case .nonspacingMark: return 5
    case .spacingMark: return 6
    case .enclosingMark: return 7
    case .decimalNumber: return 8
    case .letterNumber: return 9
    case .otherNumber: return 10
    case .connectorPunctuation: return 11
    case .dashPunctuation: return 12
    case .openPunctuation: return 13
    case .closePunctuation: return 14
    case .initialPunctuation: return 15
    case .finalPunctuation: return 16
    case .otherPunctuation: return 17
    case .mathSymbol: return 18
    case .currencySymbol: return 19
    case .modifierSymbol: return 20
    case .otherSymbol: return 21
    case .spaceSeparator: return 22
    case .lineSeparator: return 23
    case .paragraphSeparator: return 24
    case .control: return 25
    case .format: return 26
    case .surrogate: return 27
    case .privateUse: return 28
    case .unassigned: return 29
    @unknown default: return 29
    }
  }
}
