/// The normal forms NFC, NFD, NFKC and NFKD (Unicode Standard Annex 15), of bytes as they come.
///
/// Text that is normalised already is only looked over. What is held back at the end of the input is the last
/// character that cannot combine with what is before it, and what follows that. Bytes of no character stay as they are
/// and nothing combines across them.

package struct NormalForm: Sendable {
  private let composes: Bool
  private let isCompatible: Bool

  /// - Parameter isCompatible: characters with a compatibility decomposition become what it says (NFKC, NFKD).
  package init(composes: Bool, isCompatible: Bool = false) {
    (self.composes, self.isCompatible) = (composes, isCompatible)
  }

  /// The most bytes that one becomes: those of U+1D1C0 in NFC and NFD, and of U+FDFA.
  var largestGrowth: Double { isCompatible ? 11 : 3 }

  /// What a character does.
  private enum Kind {
    /// It stays as it is and never combines with what is before it.
    static let inert: UInt8 = 0
    /// It may change, but never combines with what is before it.
    static let first: UInt8 = 1
    static let other: UInt8 = 2
  }

  /// Normalises bytes up to where later ones might change something; returns how many it took.
  package func apply(_ bytes: UnsafeBufferPointer<UInt8>, isFinal: Bool, into text: inout [UInt8]) -> Int {
    let kinds = Tables.kinds[(composes ? 1 : 0) + (isCompatible ? 2 : 0)]
    var copied = 0
    var position = 0
    // Where the last character begins that does not combine with what is before it.
    var boundary = 0
    while position < bytes.count {
      if bytes[position] < 0x80 {
        boundary = position
        position += 1
        continue
      }
      let (scalar, length) = CharacterReader.next(bytes, at: position)
      if scalar >= CharacterReader.invalid, !isFinal,
        CharacterReader.incompleteTail(bytes) >= bytes.count - position
      {
        break
      }
      let kind = Tables.kind(scalar, kinds)
      if kind != Kind.other { boundary = position }
      if kind == Kind.inert {
        position += length
        continue
      }
      var end = position + length
      var isDecided = isFinal
      while end < bytes.count {
        let (scalar, length) = CharacterReader.next(bytes, at: end)
        if scalar >= CharacterReader.invalid, !isFinal,
          CharacterReader.incompleteTail(bytes) >= bytes.count - end
        {
          break
        }
        if Tables.kind(scalar, kinds) != Kind.other {
          isDecided = true
          break
        }
        end += length
      }
      guard isDecided else { break }
      text.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[copied..<boundary]))
      normalize(UnsafeBufferPointer(rebasing: bytes[boundary..<end]), into: &text)
      copied = end
      boundary = end
      position = end
    }
    let end = isFinal ? bytes.count : boundary
    text.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[copied..<end]))
    return end
  }

  /// The normal form of a whole text.
  package func callAsFunction(_ bytes: [UInt8]) -> [UInt8] {
    var text: [UInt8] = []
    _ = bytes.withUnsafeBufferPointer { apply($0, isFinal: true, into: &text) }
    return text
  }

  private func normalize(_ bytes: UnsafeBufferPointer<UInt8>, into text: inout [UInt8]) {
    var scalars: [UInt32] = []
    var position = 0
    while position < bytes.count {
      let (scalar, length) = CharacterReader.next(bytes, at: position)
      Tables.decompose(scalar, isCompatible, into: &scalars)
      position += length
    }
    Self.order(&scalars)
    if composes { Self.compose(&scalars) }
    for scalar in scalars {
      if let valid = Unicode.Scalar(scalar) {
        text.append(contentsOf: UTF8.encode(valid) ?? UTF8.encodedReplacementCharacter)
      } else {
        text.append(UInt8(truncatingIfNeeded: scalar &- CharacterReader.invalid))
      }
    }
  }

  /// Sorts each run of combining characters by class, keeping the order of equals.
  private static func order(_ scalars: inout [UInt32]) {
    var start = 0
    while start < scalars.count {
      guard Tables.combiningClass(scalars[start]) != 0 else {
        start += 1
        continue
      }
      var end = start
      while end < scalars.count, Tables.combiningClass(scalars[end]) != 0 { end += 1 }
      let run = scalars[start..<end].enumerated().sorted {
        let (a, b) = (Tables.combiningClass($0.element), Tables.combiningClass($1.element))
        return a == b ? $0.offset < $1.offset : a < b
      }
      scalars.replaceSubrange(start..<end, with: run.map(\.element))
      start = end
    }
  }

  private static func compose(_ scalars: inout [UInt32]) {
    var starter: Int?
    var left = 0
    // The class of the last character kept after the starter; nil if that is the starter itself.
    var last: UInt8?
    for scalar in scalars {
      let combiningClass = Tables.combiningClass(scalar)
      if let place = starter, last == nil || last.map({ $0 < combiningClass && $0 != 0 }) == true,
        let composed = Tables.compose(scalars[place], scalar)
      {
        scalars[place] = composed
        continue
      }
      scalars[left] = scalar
      if combiningClass == 0 {
        starter = left
        last = nil
      } else {
        last = combiningClass
      }
      left += 1
    }
    scalars.removeLast(scalars.count - left)
  }

  private enum Tables {
    static let (parts, composites) = {
      var parts: [UInt32: (UInt32, UInt32)] = [:]
      var composites: [UInt64: UInt32] = [:]
      Decompositions.read { character, first, second, composes in
        parts[character] = (first, second)
        if composes { composites[UInt64(first) << 32 | UInt64(second)] = character }
      }
      return (parts, composites)
    }()

    /// Combining classes by character; most have none.
    static let classes: [UInt32: UInt8] = {
      var classes: [UInt32: UInt8] = [:]
      for value in 0x300..<CharacterClasses.tableEnd where (5...7).contains(CharacterClasses.category(value))
      {
        guard let properties = Unicode.Scalar(value)?.properties, let age = properties.age, age.major <= 9
        else {
          continue
        }
        let combiningClass = properties.canonicalCombiningClass.rawValue
        if combiningClass != 0 { classes[value] = combiningClass }
      }
      return classes
    }()

    /// Per form and character, its kind; never freed.
    nonisolated(unsafe) static let kinds: [UnsafePointer<UInt8>] = [
      kinds(composes: false, false), kinds(composes: true, false), kinds(composes: false, true),
      kinds(composes: true, true),
    ]

    private static func kinds(composes: Bool, _ isCompatible: Bool) -> UnsafePointer<UInt8> {
      let table = UnsafeMutablePointer<UInt8>.allocate(capacity: Int(CharacterClasses.tableEnd))
      table.initialize(repeating: Kind.inert, count: Int(CharacterClasses.tableEnd))
      for character in classes.keys { table[Int(character)] = Kind.other }
      if composes {
        for character in composites.keys.map({ UInt32(truncatingIfNeeded: $0) }) {
          table[Int(character)] = Kind.other
        }
        for range in [UInt32(0x1161)..<0x1176, 0x11A8..<0x11C3] {
          for character in range { table[Int(character)] = Kind.other }
        }
      } else {
        for character in UInt32(0xAC00)..<0xD7A4 { table[Int(character)] = Kind.first }
      }
      // What decomposes begins afresh if its first part does.
      var changed = Array(parts.keys)
      if isCompatible { changed += CompatibilityDecompositions.parts.keys }
      for character in changed {
        var scalars: [UInt32] = []
        decompose(character, isCompatible, into: &scalars)
        if composes {
          var composed = scalars
          NormalForm.compose(&composed)
          if composed == [character], table[Int(character)] == Kind.inert { continue }
        }
        let isFirst = table[Int(character)] != Kind.other && table[Int(scalars[0])] != Kind.other
        table[Int(character)] = isFirst ? Kind.first : Kind.other
      }
      return UnsafePointer(table)
    }

    @inline(__always)
    static func kind(_ scalar: UInt32, _ table: UnsafePointer<UInt8>) -> UInt8 {
      scalar >= CharacterClasses.tableEnd ? Kind.inert : table[Int(scalar)]
    }

    static func combiningClass(_ scalar: UInt32) -> UInt8 { scalar < 0x300 ? 0 : classes[scalar] ?? 0 }

    static func decompose(_ scalar: UInt32, _ isCompatible: Bool, into scalars: inout [UInt32]) {
      if (0xAC00..<0xD7A4).contains(scalar) {
        let index = scalar - 0xAC00
        scalars += [0x1100 + index / 588, 0x1161 + index % 588 / 28]
        if index % 28 != 0 { scalars.append(0x11A7 + index % 28) }
      } else if let (first, second) = parts[scalar] {
        decompose(first, isCompatible, into: &scalars)
        if second != 0 { decompose(second, isCompatible, into: &scalars) }
      } else if isCompatible, let parts = CompatibilityDecompositions.parts[scalar] {
        scalars += parts
      } else {
        scalars.append(scalar)
      }
    }

    static func compose(_ first: UInt32, _ second: UInt32) -> UInt32? {
      if (0x1100..<0x1113).contains(first), (0x1161..<0x1176).contains(second) {
        return 0xAC00 + (first - 0x1100) * 588 + (second - 0x1161) * 28
      }
      if (0xAC00..<0xD7A4).contains(first), (first - 0xAC00) % 28 == 0, (0x11A8..<0x11C3).contains(second) {
        return first + second - 0x11A7
      }
      return composites[UInt64(first) << 32 | UInt64(second)]
    }
  }
}
