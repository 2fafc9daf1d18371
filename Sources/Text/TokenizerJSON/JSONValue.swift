/// A small JSON value as a tree: what the short parts of a `tokenizer.json` are read into.

import RunnelFiles

indirect enum JSONValue: Equatable {
  case null
  case boolean(Bool)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([(name: String, value: JSONValue)])

  /// - Parameter room: how many values may still come; hostile files are refused before they fill memory.
  init(_ scanner: inout JSONScanner, room: inout Int) throws(FileError) {
    room -= 1
    guard room >= 0 else { throw scanner.failure(expected: "fewer values", found: "more") }
    switch scanner.kind() {
    case .object:
      var members: [(String, JSONValue)] = []
      try scanner.beginObject()
      while let name = try scanner.nextKey() { members.append((name, try JSONValue(&scanner, room: &room))) }
      self = .object(members)
    case .array:
      var elements: [JSONValue] = []
      try scanner.beginArray()
      while try scanner.nextElement() { elements.append(try JSONValue(&scanner, room: &room)) }
      self = .array(elements)
    case .string: self = .string(try scanner.string())
    case .number: self = .number(try scanner.number(requireFinite: false))
    case .boolean: self = .boolean(try scanner.boolean())
    case .null:
      _ = try scanner.null()
      self = .null
    case .nothing: throw scanner.failure(expected: "a value")
    }
  }

  /// A member of an object; null if there is none. Of several the last counts.
  subscript(name: String) -> JSONValue {
    guard case .object(let members) = self else { return .null }
    return members.last { $0.name == name }?.value ?? .null
  }

  /// As errors show it.
  var description: String {
    switch self {
    case .null: "null"
    case .boolean(let value): value ? "true" : "false"
    case .number(let value): value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
    case .string(let value): quoted(value)
    case .array(let elements): "a list of \(elements.count)"
    case .object(let members):
      "an object" + (members.first { $0.name == "type" }.map { " of type " + $0.value.description } ?? "")
    }
  }

  static func == (a: JSONValue, b: JSONValue) -> Bool {
    switch (a, b) {
    case (.null, .null): true
    case (.boolean(let a), .boolean(let b)): a == b
    case (.number(let a), .number(let b)): a == b
    case (.string(let a), .string(let b)): a == b
    case (.array(let a), .array(let b)): a == b
    case (.object(let a), .object(let b)):
      a.count == b.count && zip(a, b).allSatisfy { $0.name == $1.name && $0.value == $1.value }
    default: false
    }
  }
}
