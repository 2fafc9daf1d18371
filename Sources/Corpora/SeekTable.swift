// The list of frames: read from the seek table, or found again by walking a damaged file.

import RunnelFiles

/// One frame of the file: a data frame when `contentSize` > 0, else a skippable or empty one.
struct FrameEntry: Sendable, Equatable {
  /// Where it begins in the file, in bytes.
  var offset: Int
  /// Its length in the file, in bytes.
  var size: Int
  /// The bytes it decodes to.
  var contentSize: Int
  /// The low 32 bits of the XXH64 of those bytes.
  var checksum: UInt32
}

/// Every frame of a corpus but the seek table itself, in file order.
struct SeekTable: Sendable {
  private(set) var entries: [FrameEntry] = []

  static let skippableMagic: UInt32 = 0x184D_2A5E
  static let footerMagic: UInt32 = 0x8F92_EAB1
  static let frameMagic: UInt32 = 0xFD2F_B528
  private static let footerSize = 9
  private static let entrySize = 12
  /// XXH64 of nothing, low half: the checksum of a frame without content.
  static let emptyChecksum: UInt32 = 0x51D8_E999

  init() {}

  /// Adds the frame that follows those so far.
  mutating func append(size: Int, contentSize: Int, checksum: UInt32 = Self.emptyChecksum) {
    let offset = entries.last.map { $0.offset + $0.size } ?? 0
    entries.append(
      FrameEntry(offset: offset, size: size, contentSize: contentSize, checksum: checksum))
  }

  /// The seek table as the skippable frame that ends the file.
  func frame() -> [UInt8] {
    var frame: [UInt8] = []
    frame.reserveCapacity(8 + entries.count * Self.entrySize + Self.footerSize)
    frame.append(littleEndian: Self.skippableMagic)
    frame.append(littleEndian: UInt32(entries.count * Self.entrySize + Self.footerSize))
    for entry in entries { frame.append(entry: entry) }
    frame.append(littleEndian: UInt32(entries.count))
    frame.append(0x80)  // descriptor: checksums present
    frame.append(littleEndian: Self.footerMagic)
    return frame
  }

  /// The header's `frame_table_xxh64`: a hash over the entries of the data frames.
  func dataHash() -> String {
    var bytes: [UInt8] = []
    for entry in entries where entry.contentSize > 0 { bytes.append(entry: entry) }
    return hexadecimal(bytes.withUnsafeBytes { xxh64($0) }, digits: 16)
  }

  /// Reads the seek table at the end of `file`.
  init(of file: InputFile) throws {
    func fail(_ message: String, at offset: Int? = nil) -> CorpusError {
      CorpusError(file.path, message, offset: offset)
    }
    guard file.size >= 8 + Self.footerSize else {
      throw fail("\(file.size) bytes are too few for a corpus file (.tokens.zst)")
    }
    let footerOffset = file.size - Self.footerSize
    let footer = try file.bytes(at: footerOffset, count: Self.footerSize)
    guard footer.integer(at: 5, as: UInt32.self) == Self.footerMagic else {
      throw fail(
        "no seek table at the end: not a corpus, or cut short; try --salvage", at: footerOffset)
    }
    let count = Int(footer.integer(at: 0, as: UInt32.self))
    let size = 8 + count * Self.entrySize + Self.footerSize
    guard footer[4] == 0x80, count <= Limits.frames, size <= file.size else {
      throw fail("the seek table's footer is damaged; try --salvage", at: footerOffset)
    }
    let start = file.size - size
    let table = try file.bytes(at: start, count: size)
    guard table.integer(at: 0, as: UInt32.self) == Self.skippableMagic,
      Int(table.integer(at: 4, as: UInt32.self)) == size - 8
    else {
      throw fail("the seek table's frame is damaged; try --salvage", at: start)
    }
    entries.reserveCapacity(count)
    for place in stride(from: 8, to: size - Self.footerSize, by: Self.entrySize) {
      append(
        size: Int(table.integer(at: place, as: UInt32.self)),
        contentSize: Int(table.integer(at: place + 4, as: UInt32.self)),
        checksum: table.integer(at: place + 8, as: UInt32.self))
    }
    let end = entries.last.map { $0.offset + $0.size } ?? 0
    guard end == start else {
      throw fail(
        "the frames add up to \(end) bytes, the seek table begins at \(start): it is damaged; "
          + "try --salvage", at: start)
    }
    for (i, entry) in entries.enumerated() where entry.contentSize > Limits.frameBytes {
      throw CorpusError(
        file.path, "claims \(entry.contentSize) decoded bytes, the limit is \(Limits.frameBytes)",
        frame: i, offset: entry.offset)
    }
  }

  /// Walks `file` from its start, frame by frame, without a seek table. Where no frame can
  /// begin, reports the gap and goes on at the next place that looks like one.
  init(walking file: InputFile, report: (CorpusFinding) -> Void) throws {
    var offset = 0
    while offset < file.size {
      if let entry = try Self.frame(of: file, at: offset) {
        if entry.checksum == Self.footerMagic { return }  // the seek table ends the file
        entries.append(entry)
        offset += entry.size
      } else {
        let next = try Self.nextFrame(of: file, after: offset)
        report(
          CorpusFinding(
            "\(next - offset) bytes are not a whole frame: skipped", frame: entries.count,
            offset: offset))
        offset = next
      }
    }
  }

  /// The whole frame that begins at `offset`, if one does; the seek table is returned with the
  /// footer's magic number for a checksum.
  private static func frame(of file: InputFile, at offset: Int) throws -> FrameEntry? {
    let left = file.size - offset
    guard left >= 8 else { return nil }
    let head = try file.bytes(at: offset, count: min(left, 18))
    let magic = head.integer(at: 0, as: UInt32.self)
    var entry = FrameEntry(offset: offset, size: 0, contentSize: 0, checksum: emptyChecksum)
    if isSkippable(magic) {
      entry.size = 8 + Int(head.integer(at: 4, as: UInt32.self))
      if magic == skippableMagic { entry.checksum = footerMagic }
      return entry.size <= left ? entry : nil
    }
    guard magic == frameMagic,
      let content = head.withUnsafeBytes({ zstdContentSize($0) }),
      (1...Limits.frameBytes).contains(content), head.withUnsafeBytes({ zstdHasChecksum($0) })
    else { return nil }
    entry.contentSize = content
    var window = 1 << 16
    while true {
      let bytes = try file.bytes(at: offset, count: min(window, left))
      if let size = bytes.withUnsafeBytes({ zstdFrameSize($0) }), size >= 13 {
        entry.size = size
        entry.checksum = bytes.integer(at: size - 4, as: UInt32.self)
        // What follows may be damaged, too; then the frame's own checksum vouches for where it ends.
        return try isBoundary(file, offset + size) || isSound(bytes[..<size], content) ? entry : nil
      }
      // More of the file helps only where the frame is longer than what was read of it.
      guard bytes.withUnsafeBytes({ zstdIsCutShort($0) }), window < left,
        window < 2 * Limits.frameBytes
      else { return nil }
      window *= 4
    }
  }

  /// Whether a frame decodes to content of the size stated, with the checksum that it carries.
  private static func isSound(_ frame: ArraySlice<UInt8>, _ content: Int) -> Bool {
    var output = [UInt8](repeating: 0, count: content)
    let result: ()? = frame.withUnsafeBytes { frame in
      output.withUnsafeMutableBytes { output in
        try? ZstdDecompressor().decode(frame, into: output)
      }
    }
    return result != nil
  }

  /// Whether a frame can begin, or the file ends or was cut, at `offset`.
  private static func isBoundary(_ file: InputFile, _ offset: Int) throws -> Bool {
    guard file.size - offset >= 4 else { return true }
    let magic = try file.bytes(at: offset, count: 4).integer(at: 0, as: UInt32.self)
    return magic == frameMagic || isSkippable(magic)
  }

  /// Whether zstd's readers pass over a frame that begins with `magic`.
  private static func isSkippable(_ magic: UInt32) -> Bool { magic & ~0xF == 0x184D_2A50 }

  /// The first offset beyond `offset` at which a frame can begin, or the end of the file.
  private static func nextFrame(of file: InputFile, after offset: Int) throws -> Int {
    var start = offset + 1
    while start < file.size {
      let bytes = try file.bytes(at: start, count: min(1 << 18, file.size - start))
      for i in 0..<max(0, bytes.count - 3) {
        switch bytes.integer(at: i, as: UInt32.self) {
        case frameMagic, skippableMagic, MetadataBlock.magic: return start + i
        default: continue
        }
      }
      guard start + bytes.count < file.size else { break }
      start += bytes.count - 3
    }
    return file.size
  }
}

extension [UInt8] {
  fileprivate mutating func append(entry: FrameEntry) {
    append(littleEndian: UInt32(entry.size))
    append(littleEndian: UInt32(entry.contentSize))
    append(littleEndian: entry.checksum)
  }
}
