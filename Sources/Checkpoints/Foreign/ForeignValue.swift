/// What stands in a field of another library's `config.json`, and how it is read and written there.

import RunnelFiles

enum ForeignValue: Sendable, Equatable {
  case text(String)
  case count(Int)
  case number(Double)
  case flag(Bool)
  case list([ForeignValue])
  case object([String: ForeignValue])
  case null

  /// No field that a reader asks for lies deeper; a list or object that does stands as null.
  private static let maximumDepth = 8

  /// Reads a value. transformers 5 writes infinity as {"__float__": "Infinity"}, version 4 as a bare Infinity.
  init(_ scanner: inout JSONScanner, depth: Int = 0) throws(FileError) {
    let kind = scanner.kind()
    if depth == Self.maximumDepth, kind == .object || kind == .array {
      try scanner.skipValue()
      self = .null
      return
    }
    switch kind {
    case .object:
      var fields: [String: ForeignValue] = [:]
      try scanner.beginObject()
      while let key = try scanner.nextKey() { fields[key] = try ForeignValue(&scanner, depth: depth + 1) }
      if fields.count == 1, case .text(let name)? = fields["__float__"],
        let number = ["Infinity": Double.infinity, "-Infinity": -.infinity, "NaN": .nan][name]
      {
        self = .number(number)
      } else {
        self = .object(fields)
      }
    case .array:
      var values: [ForeignValue] = []
      try scanner.beginArray()
      while try scanner.nextElement() { values.append(try ForeignValue(&scanner, depth: depth + 1)) }
      self = .list(values)
    case .string: self = .text(try scanner.string())
    case .number:
      let number = try scanner.number(requireFinite: false)
      self = Int(exactly: number).map { .count($0) } ?? .number(number)
    case .boolean: self = .flag(try scanner.boolean())
    case .null:
      _ = try scanner.null()
      self = .null
    case .nothing: throw scanner.failure(expected: "a value")
    }
  }

  var number: Double? {
    switch self {
    case .count(let count): Double(count)
    case .number(let number): number
    default: nil
    }
  }

  /// As errors show it.
  var shown: String {
    switch self {
    case .number(let number): "\(number)"
    case .list(let values): "[\(values.prefix(8).map(\.shown).joined(separator: ", "))]"
    case .object: "an object"
    default: printable(json(), limit: 80)
    }
  }

  /// The shortest decimal number that is read as this one.
  static func decimal(_ x: Float) -> ForeignValue { .number(Double(x.description) ?? Double(x)) }

  /// The factor that makes `part` of `whole` where the product is rounded down.
  static func ratio(_ part: Int, of whole: Int) -> ForeignValue {
    var ratio = Double(part) / Double(max(1, whole))
    while Double(whole) * ratio < Double(part), whole > 0 { ratio = ratio.nextUp }
    return .number(ratio)
  }

  /// JSON, with sorted fields on lines of their own. Whole numbers keep their point, which tells Python that they are
  /// no counts, and infinity is written as transformers has it.
  func json(indent: String = "") -> String {
    switch self {
    case .text(let text): return text.jsonLiteral
    case .count(let count): return String(count)
    case .number(let number):
      guard number.isFinite else {
        return Self.object(["__float__": number < 0 ? "-Infinity" : "Infinity"]).json(indent: indent)
      }
      return number.description
    case .flag(let flag): return String(flag)
    case .list(let values): return "[\(values.map { $0.json(indent: indent) }.joined(separator: ", "))]"
    case .object(let fields):
      let inner = indent + "  "
      let lines = fields.sorted { $0.key < $1.key }.map {
        "\(inner)\($0.key.jsonLiteral): \($0.value.json(indent: inner))"
      }
      return "{\n\(lines.joined(separator: ",\n"))\n\(indent)}"
    case .null: return "null"
    }
  }
}

extension ForeignValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByNilLiteral
{
  init(stringLiteral text: String) { self = .text(text) }
  init(integerLiteral count: Int) { self = .count(count) }
  init(floatLiteral number: Double) { self = .number(number) }
  init(booleanLiteral flag: Bool) { self = .flag(flag) }
  init(nilLiteral: ()) { self = .null }
}
