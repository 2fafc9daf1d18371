/// The safetensors format, written.

import RunnelFiles
import RunnelTensors

/// Writes a safetensors file, in one atomic step.
///
///     var writer = SafetensorsWriter(metadata: ["format": "pt"])
///     writer.add("embedding.weight", weight, as: .bfloat16)
///     try writer.write(to: "model.safetensors")
///
/// The header lists the tensors as they were added; their bytes lie with the widest elements first, so that
/// every tensor starts at a multiple of its element's size without the gaps that the format forbids. Packed matrices
/// come before all others and start at multiples of 64 bytes of the file, so that they can be mapped. The same tensors
/// give the same bytes.
///
/// The metadata's `xxh64` seals the file: the checksum of the header (`Seal`), then one of each tensor's bytes, in the order
/// of the header, all in sixteen digits with spaces between.
public struct SafetensorsWriter: Sendable {
  /// What stands under `__metadata__`, beside the seal.
  public var metadata: [String: String]
  private var entries: [Entry] = []
  private var names: Set<String> = []

  private struct Entry: Sendable {
    let name: String
    let type: ElementType
    let shape: [Int]
    let contents: Contents
    var byteCount: Int { shape.reduce(type.size, *) }
    /// What the place of the first byte is a multiple of.
    var alignment: Int { if case .packed = contents { PackedMatrix.alignment } else { type.size } }
  }
  private enum Contents: Sendable {
    case tensor(Tensor)
    case integers([Int])
    case doubles([Double])
    case bytes([UInt8])
    case packed(PackedMatrix)
  }

  /// A file without tensors; nothing is written before `write(to:)`.
  public init(metadata: [String: String] = [:]) { self.metadata = metadata }

  /// A tensor in 32-bit numbers, or rounded to the nearest bfloat16.
  public mutating func add(_ name: String, _ tensor: Tensor, as type: ElementType = .float32) {
    precondition(
      type == .float32 || type == .bfloat16,
      "SafetensorsWriter: \(name) as \(type.rawValue); a tensor is written as F32 or BF16")
    add(
      Entry(
        name: name, type: type, shape: Array(tensor.shape),
        contents: .tensor(tensor)))
  }
  /// Whole numbers of 64 bits; a vector unless a shape is given.
  public mutating func add(_ name: String, _ integers: [Int], shape: [Int]? = nil) {
    add(Entry(name: name, type: .int64, shape: shape ?? [integers.count], contents: .integers(integers)))
  }
  /// Numbers of 64 bits; a vector unless a shape is given.
  public mutating func add(_ name: String, _ doubles: [Double], shape: [Int]? = nil) {
    add(Entry(name: name, type: .float64, shape: shape ?? [doubles.count], contents: .doubles(doubles)))
  }
  /// Bytes as they are: U8 in a vector unless said otherwise, or the little-endian elements of any type.
  public mutating func add(
    _ name: String, _ bytes: [UInt8], as type: ElementType = .uint8, shape: [Int]? = nil
  ) {
    let shape = shape ?? [bytes.count / type.size]
    add(Entry(name: name, type: type, shape: shape, contents: .bytes(bytes)))
  }

  /// The bytes of a packed matrix: U8 in a vector.
  mutating func add(_ name: String, _ matrix: PackedMatrix) {
    add(Entry(name: name, type: .uint8, shape: [matrix.byteCount], contents: .packed(matrix)))
  }

  private mutating func add(_ entry: Entry) {
    let given =
      switch entry.contents {
      case .tensor(let tensor): tensor.count * entry.type.size
      case .integers(let integers): integers.count * 8
      case .doubles(let doubles): doubles.count * 8
      case .bytes(let bytes): bytes.count
      case .packed(let matrix): matrix.byteCount
      }
    precondition(
      given == TensorEntry.byteCount(entry.shape, entry.type),
      "SafetensorsWriter: \(given) bytes do not fill \(entry.name), \(entry.type.rawValue) \(entry.shape)")
    precondition(
      entry.name != "__metadata__" && names.insert(entry.name).inserted,
      "SafetensorsWriter: the name \(entry.name) is taken; give every tensor its own")
    entries.append(entry)
  }

  /// Writes the file in one atomic step.
  ///
  /// - Throws: ``FileError`` where the header is too long, or the disk or the folder refuses the file.
  public func write(to path: String) throws(FileError) {
    // A stable order: equal sizes stay as they were added.
    let order = entries.indices.sorted {
      (-entries[$0].alignment, $0) < (-entries[$1].alignment, $1)
    }
    var header = header(order)
    guard header.count - 8 <= SafetensorsFile.maximumHeader else {
      throw FileError(
        path, at: "header", expected: "at most \(SafetensorsFile.maximumHeader) bytes",
        found: "\(header.count - 8)", remedy: "write fewer tensors or less metadata")
    }
    try AtomicFile.write(to: path) { output throws(FileError) in
      try output.write(header)
      var checksums = [String](repeating: "", count: entries.count)
      for index in order {
        checksums[index] = hexadecimal(try Self.write(entries[index], to: &output), digits: Seal.blank.count)
      }
      // The tensors' checksums are known only now.
      Self.fill(checksums, into: &header)
      try output.overwrite(header, at: 0)
    }
  }

  /// The length and the JSON, padded with spaces so that the first tensor is aligned, and to a multiple of eight bytes.
  private func header(_ order: [Int]) -> [UInt8] {
    var starts = [Int](repeating: 0, count: entries.count)
    var end = 0
    for index in order {
      starts[index] = end
      end += entries[index].byteCount
    }
    var metadata = metadata
    if !entries.isEmpty || !metadata.isEmpty {
      metadata[Seal.key] = Self.seal([String](repeating: Seal.blank, count: entries.count))
    }
    let pairs = metadata.sorted { $0.key < $1.key }.map { "\($0.key.jsonLiteral):\($0.value.jsonLiteral)" }
    var members = pairs.isEmpty ? [] : ["\"__metadata__\":{\(pairs.joined(separator: ","))}"]
    for (entry, start) in zip(entries, starts) {
      let shape = entry.shape.map(String.init).joined(separator: ",")
      members.append(
        "\(entry.name.jsonLiteral):{\"dtype\":\"\(entry.type.rawValue)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(start),\(start + entry.byteCount)]}")
    }
    var json = Array("{\(members.joined(separator: ","))}".utf8)
    let alignment = entries.map(\.alignment).max() ?? 8
    json += repeatElement(UInt8(ascii: " "), count: -(8 + json.count) & (max(8, alignment) - 1))
    return withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) } + json
  }

  private static func seal(_ checksums: [String]) -> String {
    ([Seal.blank] + checksums).joined(separator: " ")
  }

  /// Puts the checksums into their places, and then the header's own.
  private static func fill(_ checksums: [String], into header: inout [UInt8]) {
    var json = Array(header[8...])
    let blank = Array(seal(checksums.map { _ in Seal.blank }).utf8)
    // Before it there is only text whose quotation marks are escaped.
    let mark = Array("\"\(Seal.key)\":\"".utf8)
    guard let start = json.firstRange(of: mark + blank)?.lowerBound else { return }
    let place = start + mark.count
    json.replaceSubrange(place..<place + blank.count, with: Array(seal(checksums).utf8))
    Seal.close(&json)
    header.replaceSubrange(8..., with: json)
  }

  /// Returns the checksum of the entry's bytes.
  private static func write(_ entry: Entry, to output: inout OutputFile) throws(FileError) -> UInt64 {
    var hash = XXH64()
    func write(_ bytes: UnsafeRawBufferPointer, to output: inout OutputFile) throws(FileError) {
      hash.update(bytes)
      try output.write(bytes)
    }
    func write(_ elements: [some BitwiseCopyable], to output: inout OutputFile) throws(FileError) {
      try elements.withUnsafeBufferPointer { buffer throws(FileError) in
        try write(UnsafeRawBufferPointer(buffer), to: &output)
      }
    }
    switch entry.contents {
    case .tensor(let tensor) where entry.type == .bfloat16:
      let values = UnsafeBufferPointer(start: tensor.base, count: tensor.count)
      for start in stride(from: 0, to: values.count, by: 1 << 16) {
        try write(values[start..<min(start + 1 << 16, values.count)].map(bfloat16), to: &output)
      }
    case .tensor(let tensor):
      try write(
        UnsafeRawBufferPointer(UnsafeBufferPointer(start: tensor.base, count: tensor.count)), to: &output)
    case .integers(let integers): try write(integers, to: &output)
    case .doubles(let doubles): try write(doubles, to: &output)
    case .bytes(let bytes): try write(bytes, to: &output)
    case .packed(let matrix):
      try matrix.withBytes { bytes throws(FileError) in try write(bytes, to: &output) }
    }
    return hash.finish()
  }

  /// The nearest bfloat16, ties to even; NaN stays NaN.
  private static func bfloat16(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if value.isNaN { return UInt16(bits >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
  }
}

extension FileKind {
  /// Safetensors files whose metadata say that this is their format.
  package static func tensors(_ name: String, format: String) -> FileKind {
    FileKind(name) { path in (try? SafetensorsFile(path))?.metadata["format"] == format }
  }
}
