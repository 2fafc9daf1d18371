// A strict JSON reader for hostile input: bounded depth, no allocation but the text it is asked for.

/// Where and why a text is not the JSON that was expected.
struct JSONProblem: Error, CustomStringConvertible {
  let message: String
  let offset: Int
  var description: String { "\(message) at byte \(offset)" }
}

/// Walks one JSON value, byte by byte.
struct JSONScanner {
  private let bytes: UnsafeBufferPointer<UInt8>
  private let maximumDepth: Int
  private var at = 0

  private init(_ bytes: UnsafeBufferPointer<UInt8>, maximumDepth: Int) {
    (self.bytes, self.maximumDepth) = (bytes, maximumDepth)
  }

  /// Throws a `JSONProblem` unless `bytes` are one JSON value no deeper than `maximumDepth`.
  static func check(_ bytes: UnsafeBufferPointer<UInt8>, maximumDepth: Int) throws {
    var scanner = JSONScanner(bytes, maximumDepth: maximumDepth)
    try scanner.value(depth: 0)
    try scanner.end()
  }

  /// Appends to `text` the string of the member `field` of the object that `bytes` hold.
  ///
  /// Invalid UTF-8 inside it passes as it is; a lone surrogate escape becomes U+FFFD.
  static func text(
    _ field: String, of bytes: UnsafeBufferPointer<UInt8>, into text: inout [UInt8]
  ) throws {
    var scanner = JSONScanner(bytes, maximumDepth: 64)
    let start = text.count
    var found = false
    scanner.space()
    guard scanner.peek == UInt8(ascii: "{") else { throw scanner.problem("expected an object") }
    var key: [UInt8] = []
    try scanner.members { scanner in
      key.removeAll(keepingCapacity: true)
      try scanner.string(into: &key)
      try scanner.colon()
      guard key.elementsEqual(field.utf8) else { return try scanner.value(depth: 1) }
      guard scanner.peek == UInt8(ascii: "\"") else {
        throw scanner.problem("the field \"\(field)\" is not a string")
      }
      text.removeLast(text.count - start)
      try scanner.string(into: &text)
      found = true
    }
    try scanner.end()
    guard found else { throw JSONProblem(message: "no field \"\(field)\"", offset: 0) }
  }

  private var peek: UInt8? { at < bytes.count ? bytes[at] : nil }

  private func problem(_ message: String) -> JSONProblem {
    JSONProblem(message: at < bytes.count ? message : "the text ends inside a value", offset: at)
  }

  private mutating func space() {
    while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      at += 1
    }
  }

  private mutating func expect(_ byte: UInt8) throws {
    guard peek == byte else {
      throw problem("expected \"\(Character(UnicodeScalar(byte)))\"")
    }
    at += 1
  }

  private mutating func colon() throws {
    space()
    try expect(UInt8(ascii: ":"))
    space()
  }

  private mutating func end() throws {
    space()
    guard at == bytes.count else { throw problem("something follows the value") }
  }

  private mutating func value(depth: Int) throws {
    guard depth <= maximumDepth else { throw problem("nested deeper than \(maximumDepth)") }
    space()
    switch peek {
    case UInt8(ascii: "{"):
      try members { scanner in
        var ignored: [UInt8]?
        try scanner.string(into: &ignored)
        try scanner.colon()
        try scanner.value(depth: depth + 1)
      }
    case UInt8(ascii: "["):
      try list(UInt8(ascii: "]")) { try $0.value(depth: depth + 1) }
    case UInt8(ascii: "\""):
      var ignored: [UInt8]?
      try string(into: &ignored)
    case UInt8(ascii: "t"): try word("true")
    case UInt8(ascii: "f"): try word("false")
    case UInt8(ascii: "n"): try word("null")
    default: try number()
    }
  }

  private mutating func members(_ member: (inout JSONScanner) throws -> Void) throws {
    try list(UInt8(ascii: "}"), member)
  }

  private mutating func list(_ close: UInt8, _ item: (inout JSONScanner) throws -> Void) throws {
    at += 1
    space()
    if peek == close {
      at += 1
      return
    }
    while true {
      try item(&self)
      space()
      if peek == UInt8(ascii: ",") {
        at += 1
        space()
      } else {
        return try expect(close)
      }
    }
  }

  private mutating func word(_ word: StaticString) throws {
    for i in 0..<word.utf8CodeUnitCount {
      guard peek == word.utf8Start[i] else { throw problem("expected \(word)") }
      at += 1
    }
  }

  private mutating func number() throws {
    if peek == UInt8(ascii: "-") { at += 1 }
    let leadingZero = peek == UInt8(ascii: "0")
    let whole = try digits()
    guard whole == 1 || !leadingZero else { throw problem("a number begins with 0") }
    if peek == UInt8(ascii: ".") {
      at += 1
      _ = try digits()
    }
    if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
      at += 1
      if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { at += 1 }
      _ = try digits()
    }
  }

  private mutating func digits() throws -> Int {
    let start = at
    while let byte = peek, (0x30...0x39).contains(byte) { at += 1 }
    guard at > start else { throw problem("expected a value") }
    return at - start
  }

  private mutating func string(into text: inout [UInt8]) throws {
    var sink: [UInt8]? = consume text
    text = []
    defer { text = sink ?? [] }
    try string(into: &sink)
  }

  /// Walks a string, appending what it says to `text` unless that is nil.
  private mutating func string(into text: inout [UInt8]?) throws {
    try expect(UInt8(ascii: "\""))
    while true {
      let start = at
      while at < bytes.count, bytes[at] != 0x22, bytes[at] != 0x5C, bytes[at] >= 0x20 { at += 1 }
      text?.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[start..<at]))
      switch peek {
      case 0x22:
        at += 1
        return
      case 0x5C:
        at += 1
        let scalar = try escape()
        text?.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
      default:
        throw problem("a control character in a string")
      }
    }
  }

  private mutating func escape() throws -> Unicode.Scalar {
    guard let byte = peek else { throw problem("") }
    at += 1
    switch byte {
    case 0x22, 0x5C, 0x2F: return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{08}"
    case UInt8(ascii: "f"): return "\u{0C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      let high = try unit()
      guard (0xD800..<0xDC00).contains(high), at + 6 <= bytes.count, bytes[at] == 0x5C,
        bytes[at + 1] == UInt8(ascii: "u")
      else { return Unicode.Scalar(high) ?? "\u{FFFD}" }
      let mark = at
      at += 2
      let low = try unit()
      if (0xDC00..<0xE000).contains(low) {
        return Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00)) ?? "\u{FFFD}"
      }
      at = mark
      return "\u{FFFD}"
    default:
      at -= 1
      throw problem("an unknown escape")
    }
  }

  /// Four hexadecimal digits.
  private mutating func unit() throws -> UInt32 {
    var unit: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = peek, let digit = Character(UnicodeScalar(byte)).hexDigitValue else {
        throw problem("expected four hexadecimal digits")
      }
      unit = unit << 4 | UInt32(digit)
      at += 1
    }
    return unit
  }
}
