/// The scripts by which `UnicodeScripts` of a `tokenizer.json` cuts text, as its table of Unicode 9 knows them. Hiragana and
/// katakana count as Han; the space, and what the table does not know, go with any script.

package enum WordScripts {
  /// Goes with any script.
  package static let any: UInt8 = 0

  /// Characters that had another script then.
  private static let older: [(scalar: UInt32, script: String)] = [
    (0x589, "Common"), (0x61C, "Common"), (0x953, "Devanagari"), (0x954, "Devanagari"), (0x30FC, "Han"),
  ]

  /// Per character, the number of its script.
  private static let numbers: [UInt8] = {
    var numbers = [UInt8](repeating: any, count: Int(CharacterReader.invalid))
    let names = Scripts.names
    func number(_ name: String) -> UInt8 {
      let isHan = name == "Hiragana" || name == "Katakana"
      return names.firstIndex(of: isHan ? "Han" : name).map { UInt8($0 + 1) } ?? any
    }
    for name in names {
      for range in Scripts.ranges(of: name.lowercased().filter { $0 != "_" }) ?? [] {
        for value in range
        where Unicode.Scalar(value).map({ CharacterClasses.isKnown($0.properties, in: (9, 0)) })
          ?? false
        {
          numbers[Int(value)] = number(name)
        }
      }
    }
    for (scalar, name) in older { numbers[Int(scalar)] = number(name) }
    numbers[0x20] = any
    return numbers
  }()

  /// The number of a character's script; bytes that belong to none go with any.
  package static func number(of scalar: UInt32) -> UInt8 {
    scalar < CharacterReader.invalid ? numbers[Int(scalar)] : any
  }
}
