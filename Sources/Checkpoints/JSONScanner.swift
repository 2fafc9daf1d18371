/// Reads JSON from hostile bytes without building a tree: the caller walks through the document and takes
/// what it knows, so memory stays in proportion to what is kept. Every error names the byte in the file.
///
///     try scanner.beginObject()
///     while let key = try scanner.nextKey() { … read or skip exactly one value … }
///     try scanner.finish()

package struct JSONScanner {
  package static let maximumDepth = 32

  private let bytes: [UInt8]
  private let file: String
  /// Where in the file the document starts.
  private let start: Int
  private var index = 0
  private var depth = 0
  /// No member or element of the innermost container has been read yet.
  private var isFirst = true

  package init(_ bytes: [UInt8], file: String, start: Int = 0) {
    self.bytes = bytes
    self.file = file
    self.start = start
  }

  private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

  package func failure(expected: String, found: String? = nil) -> CheckpointError {
    CheckpointError(
      file, at: "JSON at byte \(start + index)", expected: expected, found: found ?? foundHere,
      remedy: CheckpointError.damaged)
  }
  private var foundHere: String {
    guard let next else { return "the end of the document" }
    return next > 0x20 && next < 0x7F ? "'\(Character(Unicode.Scalar(next)))'" : "byte \(next)"
  }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
  }
  private mutating func skip(_ byte: Character) -> Bool {
    skipSpace()
    guard let next, next == byte.asciiValue else { return false }
    index += 1
    return true
  }
  private mutating func require(_ byte: Character) throws(CheckpointError) {
    guard skip(byte) else { throw failure(expected: "'\(byte)'") }
  }

  // MARK: Containers

  package mutating func beginObject() throws(CheckpointError) { try begin("{") }
  package mutating func beginArray() throws(CheckpointError) { try begin("[") }
  private mutating func begin(_ bracket: Character) throws(CheckpointError) {
    try require(bracket)
    depth += 1
    isFirst = true
    guard depth <= Self.maximumDepth else {
      throw failure(expected: "at most \(Self.maximumDepth) levels of nesting", found: "one more")
    }
  }

  /// The next member's name; nil once the object has ended.
  package mutating func nextKey() throws(CheckpointError) -> String? {
    guard try nextItem(before: "}") else { return nil }
    let key = try string()
    try require(":")
    return key
  }
  /// Whether another element follows; false once the array has ended.
  package mutating func nextElement() throws(CheckpointError) -> Bool { try nextItem(before: "]") }

  private mutating func nextItem(before bracket: Character) throws(CheckpointError) -> Bool {
    if skip(bracket) {
      depth -= 1
      isFirst = false
      return false
    }
    if !isFirst && !skip(",") { throw failure(expected: "',' or '\(bracket)'") }
    isFirst = false
    skipSpace()
    return true
  }

  /// Only white space may follow.
  package mutating func finish() throws(CheckpointError) {
    skipSpace()
    guard next == nil else { throw failure(expected: "nothing after the document") }
  }

  // MARK: Values

  /// A whole number that fits Int.
  package mutating func integer() throws(CheckpointError) -> Int {
    skipSpace()
    let isNegative = skip("-")
    let first = index
    var value = 0
    while let byte = next, byte >= 0x30, byte <= 0x39 {
      let digit = Int(byte) - 0x30
      let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflow2) =
        isNegative ? tens.subtractingReportingOverflow(digit) : tens.addingReportingOverflow(digit)
      guard !overflow && !overflow2 else {
        throw failure(expected: "a whole number of at most 63 bits", found: "a larger one")
      }
      value = sum
      index += 1
    }
    let hasLeadingZero = index > first + 1 && bytes[first] == 0x30
    guard index > first, !hasLeadingZero, next.map({ !"+.eE".utf8.contains($0) }) ?? true else {
      throw failure(expected: "a whole number")
    }
    return value
  }

  package mutating func string() throws(CheckpointError) -> String {
    try require("\"")
    let first = index
    var decoded: [UInt8]?
    while let byte = next, byte != 0x22 {
      guard byte >= 0x20 else { throw failure(expected: "no control character in a string") }
      index += 1
      if byte == 0x5C {
        if decoded == nil { decoded = Array(bytes[first..<index - 1]) }
        decoded?.append(contentsOf: try escape())
      } else {
        decoded?.append(byte)
      }
    }
    let last = index
    guard next != nil else { throw failure(expected: "the end of a string") }
    index += 1
    let text =
      if let decoded { String(validating: decoded, as: UTF8.self) } else {
        String(validating: bytes[first..<last], as: UTF8.self)
      }
    guard let text else {
      index = first
      throw failure(expected: "a string in UTF-8", found: "other bytes")
    }
    return text
  }

  private mutating func escape() throws(CheckpointError) -> [UInt8] {
    guard let byte = next else { throw failure(expected: "an escaped character") }
    index += 1
    switch Character(Unicode.Scalar(byte)) {
    case "\"", "\\", "/": return [byte]
    case "b": return [0x08]
    case "f": return [0x0C]
    case "n": return [0x0A]
    case "r": return [0x0D]
    case "t": return [0x09]
    case "u": break
    default:
      index -= 1
      throw failure(expected: "one of \" \\ / b f n r t u after a backslash")
    }
    var value = try hexadecimal()
    if value & 0xFC00 == 0xD800, next == 0x5C {
      index += 1
      guard next == 0x75 else { throw failure(expected: "the second half of a surrogate pair") }
      index += 1
      let low = try hexadecimal()
      guard low & 0xFC00 == 0xDC00 else { throw failure(expected: "a low surrogate", found: "another") }
      value = 0x10000 + (value & 0x3FF) << 10 + low & 0x3FF
    }
    guard let scalar = Unicode.Scalar(value) else {
      throw failure(expected: "a Unicode character", found: "half of a surrogate pair")
    }
    return Array(UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
  }

  private mutating func hexadecimal() throws(CheckpointError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let next, let digit = Character(Unicode.Scalar(next)).hexDigitValue else {
        throw failure(expected: "four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
      index += 1
    }
    return value
  }

  /// Passes over one value of any kind.
  package mutating func skipValue() throws(CheckpointError) {
    skipSpace()
    switch next.map({ Character(Unicode.Scalar($0)) }) {
    case "{":
      try beginObject()
      while try nextKey() != nil { try skipValue() }
    case "[":
      try beginArray()
      while try nextElement() { try skipValue() }
    case "\"": _ = try string()
    case "t": try literal("true")
    case "f": try literal("false")
    case "n": try literal("null")
    default: try number()
    }
  }

  private mutating func literal(_ word: String) throws(CheckpointError) {
    for byte in word.utf8 {
      guard next == byte else { throw failure(expected: "'\(word)'") }
      index += 1
    }
  }

  private mutating func number() throws(CheckpointError) {
    let first = index
    while let byte = next, "+-.0123456789eE".utf8.contains(byte) { index += 1 }
    guard index > first, Double(String(decoding: bytes[first..<index], as: UTF8.self)) != nil else {
      index = first
      throw failure(expected: "a value")
    }
  }
}

extension String {
  /// The string as it stands in a JSON document, quotation marks included.
  package var jsonLiteral: String {
    var literal = "\""
    for scalar in unicodeScalars {
      switch scalar {
      case "\"": literal += "\\\""
      case "\\": literal += "\\\\"
      case "\u{0}"..<" ":
        let hex = String(scalar.value, radix: 16)
        literal += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: literal.unicodeScalars.append(scalar)
      }
    }
    return literal + "\""
  }
}
