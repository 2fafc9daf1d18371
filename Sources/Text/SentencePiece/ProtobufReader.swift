/// Reads protobuf's wire format from hostile bytes, one field at a time, without a schema.

import RunnelFiles

/// A message within a file. The caller walks through its fields and takes what it knows.
struct ProtobufReader {
  /// What a field holds, by its wire type. Groups, long deprecated, are refused.
  enum Value {
    case varint(UInt64)
    case fixed64(UInt64)
    case bytes(Range<Int>)
    case fixed32(UInt32)
  }

  private let file: [UInt8]
  private let path: String
  private var index: Int
  private let end: Int

  init(_ file: [UInt8], path: String) { self.init(file, path: path, range: 0..<file.count) }
  private init(_ file: [UInt8], path: String, range: Range<Int>) {
    (self.file, self.path, index, end) = (file, path, range.lowerBound, range.upperBound)
  }

  /// The next field of the message; nil at its end.
  mutating func next() throws(FileError) -> (number: Int, value: Value)? {
    guard index < end else { return nil }
    let tag = try varint()
    guard let number = Int(exactly: tag >> 3), number >= 1, number < 1 << 29 else {
      throw failure("a field number from 1 to 536870911", found: "\(tag >> 3)")
    }
    switch tag & 7 {
    case 0: return (number, .varint(try varint()))
    case 1: return (number, .fixed64(try little(8)))
    case 2:
      let length = try varint()
      guard length <= UInt64(end - index) else {
        throw failure("at most the \(end - index) bytes that are left in field \(number)", found: "\(length)")
      }
      defer { index += Int(length) }
      return (number, .bytes(index..<index + Int(length)))
    case 5: return (number, .fixed32(UInt32(truncatingIfNeeded: try little(4))))
    default: throw failure("a wire type of 0, 1, 2 or 5 in field \(number)", found: "\(tag & 7)")
    }
  }

  private mutating func varint() throws(FileError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard index < end else { throw failure("the rest of a number", found: "the end of the message") }
      let byte = file[index]
      index += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw failure("a number of at most ten bytes", found: "a longer one")
  }

  private mutating func little(_ count: Int) throws(FileError) -> UInt64 {
    guard count <= end - index else {
      throw failure("\(counted(count, "byte")) more", found: "\(end - index)")
    }
    defer { index += count }
    return (0..<count).reduce(0) { $0 | UInt64(file[index + $1]) << UInt64(8 * $1) }
  }

  func failure(_ expected: String, found: String) -> FileError {
    FileError(path, at: "byte \(index)", expected: expected, found: found, remedy: FileError.damaged)
  }

  // MARK: What a field must be

  func bytes(_ value: Value, of field: String) throws(FileError) -> ArraySlice<UInt8> {
    guard case .bytes(let range) = value else { throw failure("bytes in \(field)", found: "a number") }
    return file[range]
  }
  func message(_ value: Value, of field: String) throws(FileError) -> ProtobufReader {
    guard case .bytes(let range) = value else { throw failure("a message in \(field)", found: "a number") }
    return ProtobufReader(file, path: path, range: range)
  }
  func integer(_ value: Value, of field: String) throws(FileError) -> UInt64 {
    guard case .varint(let number) = value else {
      throw failure("a whole number in \(field)", found: "another wire type")
    }
    return number
  }
  func float(_ value: Value, of field: String) throws(FileError) -> Float {
    guard case .fixed32(let bits) = value else {
      throw failure("a float in \(field)", found: "another wire type")
    }
    return Float(bitPattern: bits)
  }
}
