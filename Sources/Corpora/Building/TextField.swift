// Finds the text in a line of JSON.

import RunnelFiles

enum TextField {
  /// Appends the text in `field` of a line of JSON.
  static func extract(
    _ field: [String], from line: [UInt8], number: Int, of path: String, into text: inout [UInt8]
  ) throws {
    let name = quoted(field.joined(separator: "."))
    var scanner = JSONScanner(
      line, file: path, name: "line \(number)", repairsText: true,
      remedy: "each line is an object with a string field \(name)")
    guard try extract(field[...], from: &scanner, into: &text) else {
      throw scanner.failure(expected: "a field \(name)", found: "none")
    }
    try scanner.finish()
  }

  private static func extract(
    _ field: ArraySlice<String>, from scanner: inout JSONScanner, into text: inout [UInt8]
  ) throws -> Bool {
    var found = false
    try scanner.beginObject()
    while let key = try scanner.nextKey() {
      guard key == field.first else {
        try scanner.skipValue()
        continue
      }
      if field.count > 1 {
        guard scanner.kind() == .object else { throw scanner.failure(expected: "an object") }
        found = try extract(field.dropFirst(), from: &scanner, into: &text) || found
      } else {
        guard scanner.kind() == .string else {
          throw scanner.failure(expected: "the text as a string")
        }
        text.removeAll(keepingCapacity: true)
        try scanner.string(into: &text)
        found = true
      }
    }
    return found
  }
}
