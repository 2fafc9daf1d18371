/// Files as torch.save writes them, built byte by byte so that a test can say exactly what is wrong with one.

import RunnelCheckpoints

/// A zip archive of stored entries.
struct ZipBuilder {
  var entries: [(name: String, bytes: [UInt8])] = []
  var method: UInt16 = 0
  var flags: UInt16 = 0
  /// The sizes, offsets and counts in records of 64 bits, as in archives beyond 4 GiB.
  var isLarge = false
  /// Where the directory says an entry's header is, if not where it is.
  var headerOffset: [String: Int] = [:]

  func bytes() -> [UInt8] {
    var file: [UInt8] = []
    var directory: [UInt8] = []
    for (name, bytes) in entries {
      let offset = headerOffset[name] ?? file.count
      let size = little(UInt32(bytes.count))
      // Extra bytes after the name put the data at a multiple of 64, as torch does.
      let padding = -(file.count + 30 + name.utf8.count + 4) & 63
      file += little(UInt32(0x0403_4B50)) + [0, 0] + little(flags) + little(method) + zeros(8) + size + size
      file += little(UInt16(name.utf8.count)) + little(UInt16(4 + padding)) + Array(name.utf8)
      file += [0x46, 0x42] + little(UInt16(padding)) + zeros(padding) + bytes

      directory += little(UInt32(0x0201_4B50)) + zeros(4) + little(flags) + little(method) + zeros(8)
      directory += isLarge ? [UInt8](repeating: 0xFF, count: 8) : size + size
      directory += little(UInt16(name.utf8.count)) + little(UInt16(isLarge ? 28 : 0)) + zeros(10)
      directory += isLarge ? [UInt8](repeating: 0xFF, count: 4) : little(UInt32(offset))
      directory += Array(name.utf8)
      if isLarge {
        directory += [1, 0, 24, 0] + little(UInt64(bytes.count)) + little(UInt64(bytes.count))
        directory += little(UInt64(offset))
      }
    }
    let start = file.count
    file += directory
    if isLarge {
      let record = file.count
      file += little(UInt32(0x0606_4B50)) + little(UInt64(44)) + zeros(12)
      file += little(UInt64(entries.count)) + little(UInt64(entries.count))
      file += little(UInt64(directory.count)) + little(UInt64(start))
      file += little(UInt32(0x0706_4B50)) + zeros(4) + little(UInt64(record)) + [1, 0, 0, 0]
    }
    let count = little(UInt16(isLarge ? 0xFFFF : entries.count))
    file += little(UInt32(0x0605_4B50)) + zeros(4) + count + count
    file += little(isLarge ? UInt32.max : UInt32(directory.count))
    file += little(isLarge ? UInt32.max : UInt32(start)) + zeros(2)
    return file
  }
}

/// A pickle of a dictionary of tensors, in the operations that torch.save uses.
struct PickleBuilder {
  var bytes: [UInt8] = [0x80, 2]

  mutating func operation(_ character: Character) { bytes.append(character.asciiValue ?? 0) }
  mutating func text(_ text: String) {
    operation("X")
    bytes += little(UInt32(text.utf8.count)) + Array(text.utf8)
  }
  mutating func global(_ module: String, _ name: String) { bytes += Array("c\(module)\n\(name)\n".utf8) }
  mutating func integer(_ value: Int) {
    switch value {
    case 0..<256: bytes += [0x4B, UInt8(value)]
    case 256..<65_536: bytes += [0x4D] + little(UInt16(value))
    case -0x8000_0000..<0x8000_0000: bytes += [0x4A] + little(UInt32(truncatingIfNeeded: value))
    default: bytes += [0x8A, 8] + little(UInt64(bitPattern: Int64(value)))
    }
  }
  mutating func tuple(_ values: [Int]) {
    operation("(")
    for value in values { integer(value) }
    operation("t")
  }
  mutating func tensor(
    _ storageType: String, key: String, storageCount: Int, offset: Int = 0, shape: [Int], strides: [Int]
  ) {
    global("torch._utils", "_rebuild_tensor_v2")
    bytes += Array("((".utf8)
    text("storage")
    global("torch", storageType)
    text(key)
    text("cpu")
    integer(storageCount)
    bytes += Array("tQ".utf8)
    integer(offset)
    tuple(shape)
    tuple(strides)
    bytes.append(0x89)
    global("collections", "OrderedDict")
    bytes += Array(")RtR".utf8)
  }
}

/// A file with one value: what `body` leaves on the pickle's stack.
func torchArchive(_ storages: [[UInt8]], _ body: (inout PickleBuilder) -> Void) -> [UInt8] {
  torchZip(storages, body).bytes()
}

func torchZip(_ storages: [[UInt8]], _ body: (inout PickleBuilder) -> Void) -> ZipBuilder {
  var pickle = PickleBuilder()
  body(&pickle)
  pickle.operation(".")
  var zip = ZipBuilder()
  zip.entries = [("m/data.pkl", pickle.bytes), ("m/byteorder", Array("little".utf8))]
  zip.entries += storages.enumerated().map { ("m/data/\($0)", $1) }
  zip.entries.append(("m/version", Array("3\n".utf8)))
  return zip
}

func little<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
  withUnsafeBytes(of: number.littleEndian) { Array($0) }
}
func little(_ floats: [Float]) -> [UInt8] { floats.flatMap { little($0.bitPattern) } }
func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
