// Finds the text in a line of JSON.

import RunnelFiles

package enum TextField {
  /// Replaces `text` by the text in `field` of a line of JSON. Where the field is missing, `bytes` may hold it in hexadecimal,
  /// as `corpus cat --jsonl` writes what is not UTF-8.
  package static func extract(
    _ field: [String], from line: [UInt8], number: Int, of path: String, into text: inout [UInt8]
  ) throws(FileError) {
    let name = quoted(field.joined(separator: "."))
    var scanner = JSONScanner(
      line, file: path, name: "line \(number)", repairsText: true,
      remedy: "each line is an object with a string field \(name), or bytes in hexadecimal")
    var digits: [UInt8]?
    if try !extract(field[...], from: &scanner, into: &text, &digits) {
      guard let digits else { throw scanner.failure(expected: "a field \(name)", found: "none") }
      guard let bytes = Self.bytes(hexadecimal: digits) else {
        throw scanner.failure(expected: "bytes as pairs of hexadecimal digits", found: "something else")
      }
      text = bytes
    }
    try scanner.finish()
  }

  /// - Parameter bytes: receives what `bytes` holds where that is the only field, as `corpus cat --jsonl` writes it.
  private static func extract(
    _ field: ArraySlice<String>, from scanner: inout JSONScanner, into text: inout [UInt8],
    _ bytes: inout [UInt8]?
  ) throws(FileError) -> Bool {
    var found = false, isOnly = true
    try scanner.beginObject()
    while let key = try scanner.nextKey() {
      if key != field.first {
        if field.count == 1, key == "bytes", scanner.kind() == .string {
          var digits: [UInt8] = []
          try scanner.string(into: &digits)
          bytes = digits
        } else {
          try scanner.skipValue()
          isOnly = false
        }
        continue
      }
      if field.count > 1 {
        guard scanner.kind() == .object else { throw scanner.failure(expected: "an object") }
        found = try extract(field.dropFirst(), from: &scanner, into: &text, &bytes) || found
      } else {
        guard scanner.kind() == .string else {
          throw scanner.failure(expected: "the text as a string")
        }
        text.removeAll(keepingCapacity: true)
        try scanner.string(into: &text)
        found = true
      }
    }
    if found || !isOnly { bytes = nil }
    return found
  }

  private static func bytes(hexadecimal digits: [UInt8]) -> [UInt8]? {
    guard digits.count % 2 == 0 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2)
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let high = Character(Unicode.Scalar(digits[index])).hexDigitValue,
        let low = Character(Unicode.Scalar(digits[index + 1])).hexDigitValue
      else { return nil }
      bytes.append(UInt8(16 * high + low))
    }
    return bytes
  }
}
