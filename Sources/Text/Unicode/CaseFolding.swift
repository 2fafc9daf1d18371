/// Which characters are one in either case (simple case folding), as far as the originals' version of Unicode knows them.

enum CaseFolding {
  /// The other characters that are the same as this one in either case.
  static func others(_ scalar: UInt32) -> [UInt32] {
    if scalar < 0x80 {
      switch scalar {
      case 0x41...0x5A, 0x61...0x7A:
        let other = scalar ^ 0x20
        return other | 0x20 == 0x73 ? [other, 0x17F] : other | 0x20 == 0x6B ? [other, 0x212A] : [other]
      default: return []
      }
    }
    return classes[scalar] ?? []
  }

  /// Whether a string of several characters is the same as this one in either case.
  static func isString(_ scalar: UInt32) -> Bool {
    guard scalar >= 0x80, let properties = Unicode.Scalar(scalar)?.properties else { return false }
    return CharacterClasses.isKnown(properties)
      && (properties.uppercaseMapping.unicodeScalars.count > 1
        || properties.lowercaseMapping.unicodeScalars.count > 1
        || scalar == 0x1E9E)
  }
  static let strings: [UInt32] = (0x80..<CharacterClasses.tableEnd).filter(isString)

  /// A single character's mappings; nil for several.
  private static func single(_ mapping: String) -> UInt32? {
    mapping.unicodeScalars.count == 1 ? mapping.unicodeScalars.first?.value : nil
  }

  private static let classes: [UInt32: [UInt32]] = {
    var members: [UInt32: [UInt32]] = [:]
    for value in UInt32(0)..<CharacterClasses.tableEnd {
      guard let properties = Unicode.Scalar(value)?.properties,
        properties.isCased || properties.changesWhenCaseFolded || value == 0x345,
        CharacterClasses.isKnown(properties), value != 0x130, value != 0x131
      else { continue }
      // What the capital becomes in lower case again stands for all of a class.
      let upper = single(properties.uppercaseMapping) ?? value
      let lower = Unicode.Scalar(upper).flatMap { single($0.properties.lowercaseMapping) } ?? value
      members[lower, default: []].append(value)
    }
    var classes: [UInt32: [UInt32]] = [:]
    for group in members.values where group.count > 1 {
      for value in group { classes[value] = group.filter { $0 != value } }
    }
    return classes
  }()
}
