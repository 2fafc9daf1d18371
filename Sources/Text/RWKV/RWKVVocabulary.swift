/// The text file of RWKV World's vocabulary: a line `id literal length` for each token, where the literal is a
/// string or bytes as Python writes them and the length is in bytes of UTF-8.

import RunnelFiles

struct RWKVVocabulary: Sendable {
  /// What every id up to the largest stands for, one after the other; nothing where the file leaves a gap.
  private(set) var bytes: [UInt8] = []
  /// Where each id's bytes begin, and the end.
  private(set) var offsets: [Int]

  var count: Int { offsets.count - 1 }
  subscript(id: Int) -> ArraySlice<UInt8> { bytes[offsets[id]..<offsets[id + 1]] }

  /// Whether bytes look like the beginning of such a file.
  static func recognizes(_ bytes: [UInt8]) -> Bool {
    let line = bytes.prefix { $0 != UInt8(ascii: "\n") }.prefix(64)
    guard let space = line.firstIndex(of: UInt8(ascii: " ")), space > 0, space + 1 < line.endIndex else {
      return false
    }
    return line[..<space].allSatisfy(isDigit) && "'\"b".utf8.contains(line[space + 1])
  }

  /// Reads the file; every error names its line.
  init(_ file: [UInt8], path: String) throws(FileError) {
    var tokens: [(id: Int, range: Range<Int>)] = []
    var number = 0, start = 0
    while start < file.count {
      number += 1
      var end = start
      while end < file.count && file[end] != UInt8(ascii: "\n") { end += 1 }
      var line = RWKVLine(file[start..<end], path: path, number: number)
      let first = bytes.count
      tokens.append((try line.token(into: &bytes), first..<bytes.count))
      start = end + 1
    }
    guard let last = tokens.map(\.id).max() else {
      throw FileError(
        path, at: "line 1", expected: "a token", found: "an empty file", remedy: FileError.damaged)
    }

    // In the order of the ids.
    let packed = bytes
    var lines = [Int](repeating: -1, count: last + 1)
    for (line, token) in tokens.enumerated() {
      guard lines[token.id] < 0 else {
        throw FileError(
          path, at: "line \(line + 1)", expected: "each id once",
          found: "\(token.id) again after line \(lines[token.id] + 1)", remedy: FileError.damaged)
      }
      lines[token.id] = line
    }
    bytes = []
    bytes.reserveCapacity(packed.count)
    offsets = [0]
    offsets.reserveCapacity(last + 2)
    for line in lines {
      if line >= 0 { bytes += packed[tokens[line].range] }
      offsets.append(bytes.count)
    }
    try check(lines, path: path)
  }

  /// No string twice, and every byte on its own, so that any text can be written.
  private func check(_ lines: [Int], path: String) throws(FileError) {
    let order = (0..<count).filter { lines[$0] >= 0 }.sorted {
      self[$0] == self[$1] ? lines[$0] < lines[$1] : self[$0].lexicographicallyPrecedes(self[$1])
    }
    var single = [Bool](repeating: false, count: 256)
    for (previous, id) in zip([-1] + order, order) {
      if previous >= 0, self[previous] == self[id] {
        throw FileError(
          path, at: "line \(lines[id] + 1)", expected: "each token once",
          found: "that of line \(lines[previous] + 1) again", remedy: FileError.damaged)
      }
      if self[id].count == 1, let byte = self[id].first { single[Int(byte)] = true }
    }
    guard let missing = single.firstIndex(of: false) else { return }
    throw FileError(
      path, at: "vocabulary", expected: "each of the 256 bytes as a token", found: "none for byte \(missing)",
      remedy: FileError.damaged)
  }
}

private func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

/// One line, read from left to right.
private struct RWKVLine {
  /// The largest id that is accepted, a bound on memory.
  private static let maximumID = 1 << 22

  private let bytes: ArraySlice<UInt8>
  private let path: String
  private let number: Int
  private var index: Int

  init(_ line: ArraySlice<UInt8>, path: String, number: Int) {
    bytes = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
    (self.path, self.number, index) = (path, number, line.startIndex)
  }

  private var next: UInt8? { index < bytes.endIndex ? bytes[index] : nil }

  private func failure(_ expected: String, found: String? = nil) -> FileError {
    let here = next.map { $0 > 0x20 && $0 < 0x7F ? "'\(Character(Unicode.Scalar($0)))'" : "byte \($0)" }
    return FileError(
      path, at: "line \(number), column \(index - bytes.startIndex + 1)", expected: expected,
      found: found ?? here ?? "the end of the line", remedy: FileError.damaged)
  }

  /// The line's id; its token's bytes are appended.
  mutating func token(into text: inout [UInt8]) throws(FileError) -> Int {
    let id = try integer("an id from 1 to \(Self.maximumID)")
    guard id >= 1 else { throw failure("an id from 1 on: 0 is the end of a text", found: "0") }
    try space()
    let first = text.count
    try literal(into: &text)
    let length = text.count - first
    try space()
    let stated = try integer("the token's length in bytes")
    guard next == nil else { throw failure("the end of the line") }
    guard stated == length, length > 0 else {
      throw failure("a token of \(max(1, stated)) bytes", found: "\(length)")
    }
    return id
  }

  private mutating func space() throws(FileError) {
    guard next == UInt8(ascii: " ") else { throw failure("a space") }
    index += 1
  }

  private mutating func integer(_ expected: String) throws(FileError) -> Int {
    guard let first = next, isDigit(first) else { throw failure(expected) }
    var value = 0
    while let digit = next, isDigit(digit) {
      value = value * 10 + Int(digit - 0x30)
      guard value <= Self.maximumID else { throw failure(expected, found: "a larger number") }
      index += 1
    }
    return value
  }

  /// A string or bytes literal (The Python Language Reference, 2.4.1).
  private mutating func literal(into text: inout [UInt8]) throws(FileError) {
    let isBytes = next == UInt8(ascii: "b")
    if isBytes { index += 1 }
    guard let quote = next, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else {
      throw failure("a Python string or bytes literal")
    }
    index += 1
    let first = text.count
    while let byte = next {
      index += 1
      switch byte {
      case quote:
        guard isBytes || String(validating: text[first...], as: UTF8.self) != nil else {
          throw failure("a string in UTF-8", found: "other bytes")
        }
        return
      case UInt8(ascii: "\\"): try escape(isBytes: isBytes, into: &text)
      case 0x80... where isBytes:
        index -= 1
        throw failure("only ASCII in a bytes literal")
      default: text.append(byte)
      }
    }
    throw failure("the end of the literal")
  }

  private mutating func escape(isBytes: Bool, into text: inout [UInt8]) throws(FileError) {
    guard let letter = next else { throw failure("an escaped character") }
    index += 1
    switch Unicode.Scalar(letter) {
    case "\\", "'", "\"": text.append(letter)
    case "a": text.append(0x07)
    case "b": text.append(0x08)
    case "t": text.append(0x09)
    case "n": text.append(0x0A)
    case "v": text.append(0x0B)
    case "f": text.append(0x0C)
    case "r": text.append(0x0D)
    case "x": try append(digits(2, radix: 16), isBytes: isBytes, to: &text)
    case "u" where !isBytes: try append(digits(4, radix: 16), isBytes: false, to: &text)
    case "U" where !isBytes: try append(digits(8, radix: 16), isBytes: false, to: &text)
    case "0"..."7":
      index -= 1
      try append(digits(3, radix: 8), isBytes: isBytes, to: &text)
    default:
      index -= 1
      throw failure("one of \\ ' \" a b t n v f r x u U or an octal digit after a backslash")
    }
  }

  /// A number of exactly `count` digits, or of up to as many octal ones.
  private mutating func digits(_ count: Int, radix: Int) throws(FileError) -> UInt32 {
    var value = 0
    for position in 0..<count {
      let digit = next.flatMap { Character(Unicode.Scalar($0)).hexDigitValue }
      guard let digit, digit < radix else {
        if radix == 8 && position > 0 { break }
        throw failure("\(count) digits to base \(radix)")
      }
      value = value * radix + digit
      index += 1
    }
    return UInt32(value)
  }

  private func append(_ value: UInt32, isBytes: Bool, to text: inout [UInt8]) throws(FileError) {
    if isBytes {
      guard let byte = UInt8(exactly: value) else { throw failure("a byte", found: "\(value)") }
      text.append(byte)
    } else {
      guard let scalar = Unicode.Scalar(value) else {
        throw failure("a Unicode character", found: "\(value)")
      }
      text += Array(String(Character(scalar)).utf8)
    }
  }
}
