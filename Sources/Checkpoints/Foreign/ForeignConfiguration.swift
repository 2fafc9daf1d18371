/// The `config.json` of another library: fields by name, each checked as it is read.
///
/// A field that is absent has the library's default. One that is null is refused, as the libraries do, but where they
/// give null a meaning, which the caller then names.

import RunnelFiles
import RunnelTensors

struct ForeignConfiguration {
  let path: String
  private let fields: [String: ForeignValue]

  init(_ bytes: [UInt8], path: String) throws(FileError) {
    var scanner = JSONScanner(bytes, file: path, remedy: "name the folder of a model, or copy the file again")
    guard scanner.kind() == .object, case .object(let fields) = try ForeignValue(&scanner) else {
      throw scanner.failure(expected: "one object of JSON")
    }
    try scanner.finish()
    self.init(path: path, fields: fields)
  }

  init(path: String, fields: [String: ForeignValue] = [:]) {
    (self.path, self.fields) = (path, fields)
  }

  /// Whether the field is there, be it null.
  func contains(_ name: String) -> Bool { fields[name] != nil }
  /// Whether the field is there and not null.
  func says(_ name: String) -> Bool { fields[name].map { $0 != .null } ?? false }
  var names: [String] { fields.keys.sorted() }
  func value(_ name: String) -> ForeignValue? { fields[name] }

  /// The fields of an object in a field; none where it is absent or null.
  func object(_ name: String) throws(FileError) -> ForeignConfiguration {
    guard says(name) else { return ForeignConfiguration(path: path) }
    guard case .object(let fields)? = fields[name] else { throw error(name, expected: "an object") }
    return ForeignConfiguration(path: path, fields: fields)
  }

  func error(_ name: String, expected: String, remedy: String = "use a model of this family") -> FileError {
    FileError(
      path, at: "field \(quoted(name))", expected: expected, found: fields[name]?.shown ?? "none",
      remedy: remedy)
  }

  /// The first of several names for one thing that is there, or the first; where more are, they must agree.
  func agreed(_ names: [String]) throws(FileError) -> String {
    let present = names.filter(contains)
    for other in present.dropFirst() where fields[other] != fields[present[0]] {
      throw error(
        other, expected: "what \(quoted(present[0])) says, \(fields[present[0]]?.shown ?? "")",
        remedy: "remove the one that does not belong to the library that the model is for")
    }
    return present.first ?? names[0]
  }

  /// What stands in the field as `read` takes it; the default where the field is absent, `null` where it is null.
  private func field<Value>(
    _ name: String, _ standard: Value?, _ null: Value?, expected: String,
    _ read: (ForeignValue) -> Value?
  ) throws(FileError) -> Value {
    guard let found = fields[name] else {
      guard let standard else { throw error(name, expected: expected) }
      return standard
    }
    guard let value = found == .null ? null : read(found) else { throw error(name, expected: expected) }
    return value
  }

  /// A count; without a default it must be there.
  func count(
    _ name: String, default standard: Int? = nil, null: Int? = nil, least: Int = 0
  ) throws(FileError) -> Int {
    try field(name, standard, null, expected: least == 0 ? "a count" : "a count of at least \(least)") {
      if case .count(let count) = $0, (least...1 << 32).contains(count) { count } else { nil }
    }
  }

  /// A finite number, in 32 bits too.
  func number(_ name: String, default standard: Double? = nil, null: Double? = nil) throws(FileError)
    -> Double
  {
    try field(name, standard, null, expected: "a finite number") {
      $0.number.flatMap { Float($0).isFinite ? $0 : nil }
    }
  }

  func list(_ name: String, default standard: [ForeignValue]) throws(FileError) -> [ForeignValue] {
    try field(name, standard, nil, expected: "a list") {
      if case .list(let values) = $0, !values.isEmpty { values } else { nil }
    }
  }

  func flag(_ name: String, default standard: Bool, null: Bool? = nil) throws(FileError) -> Bool {
    try field(name, standard, null, expected: "true or false") {
      if case .flag(let flag) = $0 { flag } else { nil }
    }
  }

  func text(_ name: String, default standard: String? = nil) throws(FileError) -> String {
    try field(name, standard, nil, expected: "a text") {
      if case .text(let text) = $0 { text } else { nil }
    }
  }

  /// Refuses what would change the function in a way that is not built.
  func require(_ name: String, isAbsentBecause reason: String) throws(FileError) {
    guard !says(name) else {
      throw error(name, expected: "none: \(reason)", remedy: "use a model without it")
    }
  }

  /// What one of several words means.
  func choice<Meaning>(
    _ name: String, among meanings: [String: Meaning], default standard: String
  ) throws(FileError) -> Meaning {
    guard let meaning = meanings[try text(name, default: standard)] else {
      throw error(name, expected: "one of \(meanings.keys.sorted().joined(separator: ", "))")
    }
    return meaning
  }

  /// A width as a multiple of another, which must be whole.
  func whole(_ name: String, default ratio: Double, of width: Int) throws(FileError) -> Int {
    let product = Double(width) * (try number(name, default: ratio))
    guard product > 0, product < 0x1p32, abs(product - product.rounded()) <= 1e-9 * product else {
      throw error(name, expected: "a ratio that makes a whole width of \(width)")
    }
    return Int(product.rounded())
  }
}
