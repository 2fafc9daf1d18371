/// Where the entries of a zip archive lie, for archives that store their entries as they are.
///
/// The central directory at the end of the file lists the entries; a header before each entry's bytes says the
/// same again. Both are read, every offset and length is checked against the file, and entries that share a
/// name or a byte are refused. Archives beyond 4 GiB (zip64) are read, archives in several parts are not.

import RunnelFiles

struct ZipDirectory {
  /// The largest central directory that is read, in bytes.
  private static let maximumSize = 100_000_000
  private static let notZip = "check that this is a file that torch.save wrote"

  /// The bytes of each entry, counted from the start of the file.
  private(set) var entries: [String: Range<Int>] = [:]
  /// In the order of the directory.
  private(set) var names: [String] = []

  init(_ input: InputFile) throws(FileError) {
    let end = try EndRecord(input)
    let bytes = try input.bytes(at: end.start, count: end.size)
    var cursor = ByteCursor(bytes, file: input.path, part: "zip directory")
    var parts: [(name: String, bytes: Range<Int>)] = []
    for _ in 0..<end.count {
      let part = try Self.entry(&cursor, in: input, before: end.start)
      guard entries.updateValue(part.data, forKey: part.name) == nil else {
        throw cursor.failure(expected: "each name once", found: "\(quoted(part.name)) twice")
      }
      names.append(part.name)
      parts.append((part.name, part.header..<part.data.upperBound))
    }
    guard cursor.isAtEnd else {
      throw cursor.failure(
        expected: "the end after \(end.count) entries",
        found: "\(counted(end.size - cursor.position, "byte")) more")
    }
    parts.sort { $0.bytes.lowerBound < $1.bytes.lowerBound }
    for (before, after) in zip(parts, parts.dropFirst())
    where after.bytes.lowerBound < before.bytes.upperBound {
      throw FileError(
        input.path, at: "zip entry \(quoted(after.name))",
        expected: "a start at or after byte \(before.bytes.upperBound), where \(quoted(before.name)) ends",
        found: "an overlap from \(after.bytes.lowerBound)", remedy: FileError.damaged)
    }
  }

  /// One record of the directory, and the header it points to.
  private static func entry(
    _ cursor: inout ByteCursor, in input: InputFile, before limit: Int
  ) throws(FileError) -> (name: String, header: Int, data: Range<Int>) {
    let start = cursor.position
    guard try cursor.integer(UInt32.self) == 0x0201_4B50 else {
      throw cursor.failure(at: start, expected: "an entry's signature", found: "other bytes")
    }
    _ = try cursor.take(4)  // versions
    let flags = try cursor.integer(UInt16.self)
    let method = try cursor.integer(UInt16.self)
    _ = try cursor.take(8)  // time, date, checksum
    var packed = try cursor.size(UInt32.self)
    var size = try cursor.size(UInt32.self)
    let nameLength = try cursor.size(UInt16.self)
    let extraLength = try cursor.size(UInt16.self)
    let commentLength = try cursor.size(UInt16.self)
    _ = try cursor.take(8)  // disk, attributes
    var header = try cursor.size(UInt32.self)
    let name = try cursor.text(nameLength)
    var extra = ByteCursor(
      Array(try cursor.take(extraLength)), file: input.path, part: "zip entry \(quoted(name)), extra field")
    _ = try cursor.take(commentLength)
    try extra.widen(&size, &packed, &header)

    func failure(expected: String, found: String, remedy: String = FileError.damaged) -> FileError {
      FileError(
        input.path, at: "zip entry \(quoted(name))", expected: expected, found: found, remedy: remedy)
    }
    guard method == 0, flags & 1 == 0 else {
      throw failure(
        expected: "bytes stored as they are",
        found: flags & 1 == 1 ? "encryption" : method == 8 ? "deflate compression" : "compression \(method)",
        remedy: "save the weights again with torch.save")
    }
    guard packed == size else {
      throw failure(expected: "as many stored bytes as there are, \(size)", found: "\(packed)")
    }
    guard header <= limit - 30 else {
      throw failure(
        expected: "a header within the \(limit) bytes before the directory", found: "it at \(header)")
    }
    var local = ByteCursor(
      try input.bytes(at: header, count: 30), file: input.path, part: "zip entry \(quoted(name)), header")
    guard try local.integer(UInt32.self) == 0x0403_4B50 else {
      throw failure(expected: "a header at byte \(header)", found: "other bytes")
    }
    _ = try local.take(22)
    let localNameLength = try local.size(UInt16.self)
    let data = header + 30 + localNameLength + (try local.size(UInt16.self))
    guard data <= limit, size <= limit - data else {
      throw failure(
        expected: "\(size) bytes before the directory at \(limit)", found: "a start at \(data)",
        remedy: "the file is cut short or damaged: copy or download it again")
    }
    guard try input.bytes(at: header + 30, count: localNameLength) == Array(name.utf8) else {
      throw failure(expected: "the same name in the header at byte \(header)", found: "another")
    }
    return (name, header, data..<data + size)
  }

  /// The record at the end of the file that tells where the directory lies.
  private struct EndRecord {
    var start: Int
    var size: Int
    var count: Int

    init(_ input: InputFile) throws(FileError) {
      let position = try Self.find(input)
      var record = ByteCursor(
        try input.bytes(at: position, count: 22), file: input.path, part: "zip end record")
      _ = try record.take(8)  // signature, disks
      let countHere = try record.size(UInt16.self)
      count = try record.size(UInt16.self)
      size = try record.size(UInt32.self)
      start = try record.size(UInt32.self)
      var end = position
      if count == 0xFFFF || size == 0xFFFF_FFFF || start == 0xFFFF_FFFF {
        end = try readLarge(input, before: position)
      } else if countHere != count {
        throw record.failure(expected: "an archive in one file", found: "a part of one", remedy: notZip)
      }
      guard size <= maximumSize, start <= end, size <= end - start, count <= size / 46 else {
        throw record.failure(
          expected: "a directory of at most \(min(maximumSize, end)) bytes, 46 or more for each entry",
          found: "\(size) bytes from \(start) for \(count) entries")
      }
    }

    /// The last place where a record's own length meets the end of the file.
    private static func find(_ input: InputFile) throws(FileError) -> Int {
      let length = min(input.size, 22 + 0xFFFF)
      let tail = try input.bytes(at: input.size - length, count: length)
      for i in stride(from: length - 22, through: 0, by: -1)
      where tail[i] == 0x50 && tail[i + 1] == 0x4B && tail[i + 2] == 5 && tail[i + 3] == 6 {
        if i + 22 + Int(tail[i + 20]) + Int(tail[i + 21]) << 8 == length { return input.size - length + i }
      }
      throw FileError(
        input.path, at: "end", expected: "the end record of a zip archive", found: "none",
        remedy: "the file is cut short or no file from torch.save: copy it again")
    }

    /// Takes the numbers from the zip64 record; gives its position.
    private mutating func readLarge(_ input: InputFile, before position: Int) throws(FileError) -> Int {
      guard position >= 20 + 56 else {
        throw FileError(
          input.path, at: "zip end record", expected: "a zip64 record before it", found: "no room for one",
          remedy: FileError.damaged)
      }
      var locator = ByteCursor(
        try input.bytes(at: position - 20, count: 20), file: input.path, part: "zip64 locator")
      let isLocator = try locator.integer(UInt32.self) == 0x0706_4B50
      _ = try locator.take(4)
      let end = try locator.size(UInt64.self)
      guard isLocator, end <= position - 20 - 56 else {
        throw locator.failure(expected: "the position of the zip64 end record", found: "other bytes")
      }
      var record = ByteCursor(
        try input.bytes(at: end, count: 56), file: input.path, part: "zip64 end record")
      let isRecord = try record.integer(UInt32.self) == 0x0606_4B50
      _ = try record.take(20)  // length, versions, disks
      let countHere = try record.size(UInt64.self)
      count = try record.size(UInt64.self)
      guard isRecord, countHere == count else {
        throw record.failure(expected: "the record of an archive in one file", found: "other bytes")
      }
      size = try record.size(UInt64.self)
      start = try record.size(UInt64.self)
      return end
    }
  }
}

extension ByteCursor {
  /// Replaces the numbers that did not fit 32 bits by those of the zip64 extra field, which holds only these.
  fileprivate mutating func widen(_ size: inout Int, _ packed: inout Int, _ header: inout Int)
    throws(FileError)
  {
    let large = 0xFFFF_FFFF
    guard size == large || packed == large || header == large else { return }
    while !isAtEnd {
      let kind = try integer(UInt16.self)
      let length = try self.size(UInt16.self)
      guard kind == 1 else {
        _ = try take(length)
        continue
      }
      if size == large { size = try self.size(UInt64.self) }
      if packed == large { packed = try self.size(UInt64.self) }
      if header == large { header = try self.size(UInt64.self) }
      return
    }
    throw failure(expected: "sizes of 64 bits", found: "none")
  }
}
