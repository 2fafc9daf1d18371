/// Reads JSON from hostile bytes without building a tree: the caller walks through the document and takes
/// what it knows, so memory stays in proportion to what is kept. Every error names the byte in the file.
///
/// Beside JSON it knows what Python's `json` writes: NaN, Infinity and -Infinity. A byte order mark is passed over.
///
///     try scanner.beginObject()
///     while let key = try scanner.nextKey() { … read or skip exactly one value … }
///     try scanner.finish()

package struct JSONScanner {
  package static let maximumDepth = 32

  /// The kind of the next value.
  package enum Kind: String, Sendable {
    case object = "an object"
    case array = "an array"
    case string = "a string"
    case number = "a number"
    case boolean = "true or false"
    case null
    case nothing = "no value"
  }

  private let bytes: [UInt8]
  private let file: String
  /// What the document is within the file, for errors: "JSON", or a line of a file of lines.
  private let name: String
  /// Where in the file the document starts.
  private let start: Int
  private let repairsText: Bool
  private var repairsHalves: Bool
  private let remedy: String
  private var index = 0
  private var depth = 0
  /// No member or element of the innermost container has been read yet.
  private var isFirst = true

  /// - Parameter repairsText: what is not UTF-8 in a string passes as it is, and half of a surrogate pair becomes U+FFFD, but
  ///   in bytes that the caller takes; both are errors otherwise.
  package init(
    _ bytes: [UInt8], file: String, name: String = "JSON", start: Int = 0, repairsText: Bool = false,
    remedy: String = FileError.damaged
  ) {
    self.bytes = bytes
    self.file = file
    self.name = name
    self.start = start
    self.repairsText = repairsText
    repairsHalves = repairsText
    self.remedy = remedy
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { index = 3 }
  }

  private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

  package func failure(expected: String, found: String? = nil) -> FileError {
    if start + index == 0, let other = Misnamed(bytes) {
      return FileError(file, at: "byte 0", expected: "JSON", found: other.what, remedy: other.remedy)
    }
    return FileError(
      file, at: "\(name) at byte \(start + index)", expected: expected, found: found ?? foundHere,
      remedy: remedy)
  }
  private var foundHere: String {
    guard let next else {
      let isEmpty = bytes.allSatisfy { [0x20, 0x0A, 0x0D, 0x09].contains($0) }
      return isEmpty ? "nothing: it is empty" : "the end of the document"
    }
    return next > 0x20 && next < 0x7F ? "'\(Character(Unicode.Scalar(next)))'" : "byte \(next)"
  }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
  }
  private mutating func skip(_ byte: Unicode.Scalar) -> Bool {
    skipSpace()
    guard let next, UInt32(next) == byte.value else { return false }
    index += 1
    return true
  }
  private mutating func require(_ byte: Unicode.Scalar) throws(FileError) {
    guard skip(byte) else { throw failure(expected: "'\(byte)'") }
  }

  /// The byte with which the next value begins.
  package var position: Int {
    mutating get {
      skipSpace()
      return index
    }
  }
  /// The byte behind what was read.
  package var end: Int { index }

  /// The kind of the value that comes next.
  package mutating func kind() -> Kind {
    skipSpace()
    switch next.map({ Unicode.Scalar($0) }) {
    case "{": return .object
    case "[": return .array
    case "\"": return .string
    case "t", "f": return .boolean
    case "n": return .null
    case "-", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "I", "N": return .number
    default: return .nothing
    }
  }

  // MARK: Containers

  package mutating func beginObject() throws(FileError) { try begin("{") }
  package mutating func beginArray() throws(FileError) { try begin("[") }
  private mutating func begin(_ bracket: Unicode.Scalar) throws(FileError) {
    try require(bracket)
    depth += 1
    isFirst = true
    guard depth <= Self.maximumDepth else {
      throw failure(expected: "at most \(Self.maximumDepth) levels of nesting", found: "one more")
    }
  }

  /// The next member's name; nil once the object has ended.
  package mutating func nextKey() throws(FileError) -> String? {
    guard try nextItem(before: "}") else { return nil }
    let key = try string()
    try require(":")
    return key
  }
  /// Replaces `key` by the next member's name; false once the object has ended.
  package mutating func nextKey(into key: inout [UInt8]) throws(FileError) -> Bool {
    guard try nextItem(before: "}") else { return false }
    key.removeAll(keepingCapacity: true)
    try string(into: &key)
    try require(":")
    return true
  }
  /// Whether another element follows; false once the array has ended.
  package mutating func nextElement() throws(FileError) -> Bool { try nextItem(before: "]") }

  private mutating func nextItem(before bracket: Unicode.Scalar) throws(FileError) -> Bool {
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
  package mutating func finish() throws(FileError) {
    skipSpace()
    guard next == nil else { throw failure(expected: "nothing after the document") }
  }

  // MARK: Values

  /// A whole number that fits Int.
  package mutating func integer() throws(FileError) -> Int {
    guard kind() == .number else { throw failure(expected: "a whole number") }
    let first = index, text = try numeral()
    guard let value = Int(text) else {
      index = first
      let isWhole = text.utf8.allSatisfy { "-0123456789".utf8.contains($0) }
      throw isWhole
        ? failure(expected: "a whole number of at most 63 bits", found: "a larger one")
        : failure(expected: "a whole number", found: printable(text))
    }
    return value
  }

  /// A number of any form; with `requireFinite`, NaN, infinity and what is beyond a Double are errors.
  package mutating func number(requireFinite: Bool = true) throws(FileError) -> Double {
    guard kind() == .number else { throw failure(expected: "a number") }
    let first = index, text = try numeral()
    guard let value = Double(text), value.isFinite || !requireFinite else {
      index = first
      throw failure(expected: "a finite number", found: printable(text, limit: 40))
    }
    return value
  }

  package mutating func boolean() throws(FileError) -> Bool {
    guard kind() == .boolean else { throw failure(expected: "true or false") }
    let value = next == 0x74
    try literal(value ? "true" : "false")
    return value
  }

  /// Whether null came next; if so it has been read.
  package mutating func null() throws(FileError) -> Bool {
    guard kind() == .null else { return false }
    try literal("null")
    return true
  }

  package mutating func string() throws(FileError) -> String {
    skipSpace()
    let first = index
    var decoded: [UInt8]? = []
    try string(into: &decoded)
    let text = decoded ?? []
    if repairsText { return String(decoding: text, as: UTF8.self) }
    guard let text = String(validating: text, as: UTF8.self) else {
      index = first
      throw failure(expected: "a string in UTF-8", found: "other bytes")
    }
    return text
  }

  /// Appends the bytes of a string to `text`.
  package mutating func string(into text: inout [UInt8]) throws(FileError) {
    var sink: [UInt8]? = consume text
    text = []
    repairsHalves = false
    defer { (text, repairsHalves) = (sink ?? [], repairsText) }
    try string(into: &sink)
  }

  /// Walks a string, appending what it says to `text` unless that is nil.
  private mutating func string(into text: inout [UInt8]?) throws(FileError) {
    guard kind() == .string else { throw failure(expected: "a string") }
    index += 1
    while true {
      let first = index
      index = bytes.withUnsafeBufferPointer { bytes in
        var end = first
        while end < bytes.count, bytes[end] != 0x22, bytes[end] != 0x5C, bytes[end] >= 0x20 { end += 1 }
        return end
      }
      text?.append(contentsOf: bytes[first..<index])
      switch next {
      case 0x22:
        index += 1
        return
      case 0x5C:
        index += 1
        let scalar = try escape()
        text?.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
      case nil: throw failure(expected: "the end of a string")
      default: throw failure(expected: "no control character in a string")
      }
    }
  }

  private mutating func escape() throws(FileError) -> Unicode.Scalar {
    guard let byte = next else { throw failure(expected: "an escaped character") }
    index += 1
    switch Unicode.Scalar(byte) {
    case "\"", "\\", "/": return Unicode.Scalar(byte)
    case "b": return "\u{08}"
    case "f": return "\u{0C}"
    case "n": return "\n"
    case "r": return "\r"
    case "t": return "\t"
    case "u": break
    default:
      index -= 1
      throw failure(expected: "one of \" \\ / b f n r t u after a backslash")
    }
    let high = try hexadecimal()
    guard high & 0xFC00 == 0xD800, next == 0x5C, index + 1 < bytes.count, bytes[index + 1] == 0x75 else {
      return try scalar(high)
    }
    let mark = index
    index += 2
    let low = try hexadecimal()
    guard low & 0xFC00 == 0xDC00 else {
      index = mark
      return try scalar(high)
    }
    return try scalar(0x10000 + (high & 0x3FF) << 10 + low & 0x3FF)
  }

  private func scalar(_ value: UInt32) throws(FileError) -> Unicode.Scalar {
    if let scalar = Unicode.Scalar(value) { return scalar }
    guard repairsHalves else {
      let (expected, found) = ("a Unicode character", "half of a surrogate pair")
      guard repairsText else { throw failure(expected: expected, found: found) }
      throw FileError(
        file, at: "\(name) at byte \(start + index)", expected: expected, found: found,
        remedy: "it is no text in UTF-8: write the pair, or take it out")
    }
    return "\u{FFFD}"
  }

  private mutating func hexadecimal() throws(FileError) -> UInt32 {
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

  /// Passes over one value of any kind and depth: what is open stands in a list, not on the stack of calls.
  package mutating func skipValue() throws(FileError) {
    var ends: [Unicode.Scalar] = []
    repeat {
      switch kind() {
      case .object, .array:
        let end: Unicode.Scalar = next == 0x7B ? "}" : "]"
        index += 1
        if !skip(end) {
          ends.append(end)
          if end == "}" { try skipKey() }
          continue
        }
      case .string: try skipString()
      case .boolean: _ = try boolean()
      case .null: _ = try null()
      case .number: _ = try numeral()
      case .nothing: throw failure(expected: "a value")
      }
      while let end = ends.last {
        if skip(end) {
          ends.removeLast()
          continue
        }
        guard skip(",") else { throw failure(expected: "',' or '\(end)'") }
        if end == "}" { try skipKey() }
        break
      }
    } while !ends.isEmpty
  }

  private mutating func skipString() throws(FileError) {
    var ignored: [UInt8]?
    try string(into: &ignored)
  }
  private mutating func skipKey() throws(FileError) {
    try skipString()
    try require(":")
  }

  private mutating func literal(_ word: String) throws(FileError) {
    for byte in word.utf8 {
      guard next == byte else { throw failure(expected: "'\(word)'") }
      index += 1
    }
  }

  /// A number as it is spelled: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`, `-? Infinity` or `NaN`.
  private mutating func numeral() throws(FileError) -> String {
    let first = index
    if next == 0x4E {
      try literal("NaN")
      return "NaN"
    }
    if next == 0x2D { index += 1 }
    if next == 0x49 {
      try literal("Infinity")
      return index - first > 8 ? "-Infinity" : "Infinity"
    }
    let isZero = next == 0x30
    guard try digits() == 1 || !isZero else { throw failure(expected: "no 0 before a number", found: "one") }
    if next == 0x2E {
      index += 1
      _ = try digits()
    }
    if next == 0x65 || next == 0x45 {
      index += 1
      if next == 0x2B || next == 0x2D { index += 1 }
      _ = try digits()
    }
    return String(decoding: bytes[first..<index], as: UTF8.self)
  }

  private mutating func digits() throws(FileError) -> Int {
    let first = index
    while let byte = next, byte >= 0x30, byte <= 0x39 { index += 1 }
    guard index > first else { throw failure(expected: "a digit") }
    return index - first
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
