/// Walks bytes from a file, front to back; running out is an error with a place.

import RunnelFiles

struct ByteCursor {
  private let bytes: [UInt8]
  private let file: String
  /// What the bytes are, for errors: "data.pkl".
  private let part: String
  private(set) var position = 0

  init(_ bytes: [UInt8], file: String, part: String) {
    self.bytes = bytes
    self.file = file
    self.part = part
  }

  var isAtEnd: Bool { position == bytes.count }

  mutating func take(_ count: Int) throws(FileError) -> ArraySlice<UInt8> {
    guard count >= 0, count <= bytes.count - position else {
      throw failure(expected: "\(counted(count, "byte")) more", found: "only \(bytes.count - position)")
    }
    defer { position += count }
    return bytes[position..<position + count]
  }

  /// A little-endian number.
  mutating func integer<Number: FixedWidthInteger>(_: Number.Type) throws(FileError) -> Number {
    try take(MemoryLayout<Number>.size).reversed().reduce(0) { $0 << 8 | Number(truncatingIfNeeded: $1) }
  }
  /// A little-endian number without sign that must fit Int.
  mutating func size<Number: FixedWidthInteger & UnsignedInteger>(
    _: Number.Type
  ) throws(FileError) -> Int {
    let start = position
    let number = try integer(Number.self)
    guard let size = Int(exactly: number) else {
      throw failure(at: start, expected: "a number of at most 63 bits", found: "\(number)")
    }
    return size
  }

  mutating func text(_ count: Int) throws(FileError) -> String {
    let start = position
    guard let text = String(validating: try take(count), as: UTF8.self) else {
      throw failure(at: start, expected: "text in UTF-8", found: "other bytes")
    }
    return text
  }
  /// The text up to the end of the line, which is passed.
  mutating func line() throws(FileError) -> String {
    let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n"))
    guard let end else { throw failure(expected: "the end of a line", found: "none") }
    defer { position = end + 1 }
    return try text(end - position)
  }

  func failure(
    at place: Int? = nil, expected: String, found: String, remedy: String = FileError.damaged
  ) -> FileError {
    FileError(
      file, at: "\(part) at byte \(place ?? position)", expected: expected, found: found, remedy: remedy)
  }
}
