/// The safetensors format, read.

import RunnelFiles

/// A safetensors file: eight bytes of header length, a JSON header, then the tensors back to back.
///
///     let file = try SafetensorsFile("model.safetensors")
///     let weight = try file.tensor("embedding.weight")
///
/// Opening reads and checks the header alone: every tensor's bytes lie inside the file, fit its shape, and
/// together they cover the rest of the file without gap or overlap. Reading a tensor reads its bytes, nothing
/// else. Where the file has checksums, as those that this library writes have, the header's is checked on opening, a
/// tensor's on reading it.
public struct SafetensorsFile: TensorSource, TensorFile {
  /// The format's own limit on the header, in bytes.
  package static let maximumHeader = 100_000_000
  static let maximumRank = 64

  public let path: String
  /// The tensors in the order of the header.
  public let names: [String]
  public let metadata: [String: String]
  private let entries: [String: TensorEntry]
  private let input: InputFile

  /// Opens the file and checks its header.
  ///
  /// - Throws: ``FileError`` that names the field or the byte at fault.
  public init(_ path: String) throws(FileError) {
    let input = try InputFile(path)
    let length = try Self.headerLength(input)
    let header = try input.bytes(at: 8, count: length)
    guard header.first == UInt8(ascii: "{") else {
      throw FileError(
        path, at: "byte 8", expected: "a header starting with '{'",
        found: header.first.map { "byte \($0)" } ?? "an empty header", remedy: Self.notSafetensors)
    }
    var parser = HeaderParser(path: path, dataStart: 8 + length, size: input.size)
    try parser.parse(JSONScanner(header, file: path, start: 8))
    try parser.checkCoverage()
    if let checksums = parser.metadata.removeValue(forKey: Seal.key) {
      try Seal.check(header, path)
      try parser.setChecksums(checksums)
    }
    self.path = path
    self.input = input
    (names, entries, metadata) = (parser.names, parser.entries, parser.metadata)
  }

  /// What to do about a checksum that is wrong on purpose.
  static let resealing =
    "or another program changed it and left its \"\(Seal.key)\" as it was: then write it without that metadata"
  private static let notSafetensors = "check that this is a safetensors file"

  private static func headerLength(_ input: InputFile) throws(FileError) -> Int {
    guard input.size >= 8 else {
      throw FileError(
        input.path, at: "header length", expected: "at least 8 bytes", found: "a file of \(input.size)",
        remedy: notSafetensors)
    }
    let length = try input.elements(at: 0, count: 1, zero: UInt64(0))[0]
    let limit = min(input.size - 8, maximumHeader)
    guard length <= UInt64(limit) else {
      throw FileError(
        input.path, at: "header length (byte 0)", expected: "at most \(limit) bytes", found: "\(length)",
        remedy: limit == maximumHeader ? notSafetensors : "the file is cut short or no safetensors file")
    }
    return Int(length)
  }

  public func contains(_ name: String) -> Bool { entries[name] != nil }

  public func locate(_ name: String) throws(FileError) -> (any TensorFile, TensorEntry) {
    guard let entry = entries[name] else {
      throw FileError(
        path, at: "header", expected: "a tensor named \(quoted(name))", found: "none among \(names.count)",
        remedy: "check that the file belongs to this kind of model")
    }
    return (self, entry)
  }

  public func read(
    at offset: Int, into buffer: UnsafeMutableRawBufferPointer
  ) throws(FileError) {
    try input.read(at: offset, into: buffer)
  }
}

/// Collects a header's entries and checks them, first each alone, then all together.
private struct HeaderParser {
  let path: String
  let dataStart: Int
  let size: Int
  var names: [String] = []
  var entries: [String: TensorEntry] = [:]
  var metadata: [String: String] = [:]

  init(path: String, dataStart: Int, size: Int) {
    self.path = path
    self.dataStart = dataStart
    self.size = size
  }

  func failure(
    _ name: String, _ field: String, expected: String, found: String,
    remedy: String = FileError.damaged
  ) -> FileError {
    FileError(
      path, at: "tensor \(quoted(name)), \(field)", expected: expected, found: found, remedy: remedy)
  }

  mutating func parse(_ scanner: consuming JSONScanner) throws(FileError) {
    var hasMetadata = false
    try scanner.beginObject()
    while let name = try scanner.nextKey() {
      if name == "__metadata__" {
        guard !hasMetadata else { throw scanner.failure(expected: "one __metadata__", found: "two") }
        hasMetadata = true
        metadata = try Self.stringMap(&scanner)
      } else {
        guard entries[name] == nil else {
          throw failure(name, "header", expected: "each name once", found: "it twice")
        }
        entries[name] = try entry(name, &scanner)
        names.append(name)
      }
    }
    try scanner.finish()
  }

  private static func stringMap(_ scanner: inout JSONScanner) throws(FileError) -> [String: String] {
    var map: [String: String] = [:]
    try scanner.beginObject()
    while let key = try scanner.nextKey() {
      guard map.updateValue(try scanner.string(), forKey: key) == nil else {
        throw scanner.failure(expected: "each key once", found: "\(quoted(key)) twice")
      }
    }
    return map
  }

  private func entry(_ name: String, _ scanner: inout JSONScanner) throws(FileError) -> TensorEntry {
    var typeName: String?
    var shape: [Int]?
    var offsets: [Int]?
    try scanner.beginObject()
    while let key = try scanner.nextKey() {
      switch key {
      case "dtype" where typeName == nil: typeName = try scanner.string()
      case "shape" where shape == nil:
        shape = try extents(name, key, &scanner, atMost: SafetensorsFile.maximumRank)
      case "data_offsets" where offsets == nil: offsets = try extents(name, key, &scanner, atMost: 2)
      case "dtype", "shape", "data_offsets":
        throw failure(name, key, expected: "the field once", found: "it twice")
      default: try scanner.skipValue()
      }
    }
    guard let typeName else { throw failure(name, "dtype", expected: "the field", found: "none") }
    guard let shape else { throw failure(name, "shape", expected: "the field", found: "none") }
    guard let offsets else { throw failure(name, "data_offsets", expected: "the field", found: "none") }

    guard let type = ElementType(rawValue: typeName) else {
      throw failure(
        name, "dtype", expected: "one of \(ElementType.allCases.map(\.rawValue).joined(separator: " "))",
        found: quoted(typeName), remedy: "convert the file to one of these")
    }
    guard offsets.count == 2, offsets[0] <= offsets[1] else {
      throw failure(
        name, "data_offsets", expected: "a begin and an end not before it", found: "\(offsets)")
    }
    guard offsets[1] <= size - dataStart else {
      throw failure(
        name, "data_offsets", expected: "an end within the \(size - dataStart) bytes of data in the file",
        found: "\(offsets[1])", remedy: "the file is cut short: copy or download it again")
    }
    let length = offsets[1] - offsets[0]
    let needed = TensorEntry.byteCount(shape, type)
    guard needed == length else {
      let need = needed.map { counted($0, "byte") } ?? "a size that fits 63 bits"
      throw failure(
        name, "data_offsets", expected: "\(need) for \(typeName) of shape \(shape)",
        found: counted(length, "byte"))
    }
    return TensorEntry(
      name: name, elementType: type, shape: shape,
      bytes: dataStart + offsets[0]..<dataStart + offsets[1])
  }

  private func extents(
    _ name: String, _ field: String, _ scanner: inout JSONScanner, atMost limit: Int
  ) throws(FileError) -> [Int] {
    var numbers: [Int] = []
    try scanner.beginArray()
    while try scanner.nextElement() {
      let number = try scanner.integer()
      guard number >= 0 else {
        throw failure(name, field, expected: "no negative number", found: "\(number)")
      }
      guard numbers.count < limit else {
        throw failure(name, field, expected: "at most \(limit) numbers", found: "more")
      }
      numbers.append(number)
    }
    return numbers
  }

  /// Gives each tensor its checksum, from the words of the metadata.
  mutating func setChecksums(_ text: String) throws(FileError) {
    let words = text.split(separator: " ").dropFirst()
    guard words.count == names.count else {
      throw FileError(
        path, at: "metadata \"\(Seal.key)\"", expected: "a checksum for each of \(names.count) tensors",
        found: "\(words.count)", remedy: "the file is damaged, \(SafetensorsFile.resealing)")
    }
    for (name, word) in zip(names, words) {
      guard let checksum = UInt64(word, radix: 16) else {
        throw failure(name, "checksum", expected: "sixteen digits", found: quoted(word))
      }
      entries[name]?.checksum = checksum
    }
  }

  /// The tensors, in the order of their bytes, must lie back to back up to the end of the file.
  func checkCoverage() throws(FileError) {
    let sorted = entries.values.sorted {
      ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound)
    }
    var end = dataStart
    var before = "the header"
    for entry in sorted {
      let begin = entry.bytes.lowerBound
      guard begin == end else {
        throw failure(
          entry.name, "data_offsets", expected: "bytes from \(end - dataStart), where \(before) ends",
          found: begin < end ? "an overlap from \(begin - dataStart)" : "a gap up to \(begin - dataStart)")
      }
      end = entry.bytes.upperBound
      before = quoted(entry.name)
    }
    guard end == size else {
      throw FileError(
        path, at: "byte \(end)", expected: "the end of the file, since \(before) ends there",
        found: "\(counted(size - end, "byte")) more", remedy: FileError.damaged)
    }
  }
}
