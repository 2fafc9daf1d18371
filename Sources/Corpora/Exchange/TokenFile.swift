// The files of bare token ids that other trainers read: what they are called and how they begin.

/// A layout of token ids on disk.
public enum TokenFileFormat: String, Sendable, CaseIterable {
  /// nanoGPT's `train.bin`: the ids and nothing else, 2 bytes each.
  case nanogpt
  /// llm.c's: a header of 256 32-bit integers (magic, version, count), then ids of 2 or 4 bytes.
  case llmc
  /// Megatron's pair: ids in `.bin`, the lengths, places and documents of its sequences in `.idx`.
  case megatron
}

/// The type of an id in a file; little-endian.
public enum TokenFileElement: String, Sendable, CaseIterable {
  case u8, i8, i16, u16, i32, u32, i64

  /// Bytes per id.
  var width: Int {
    switch self {
    case .u8, .i8: 1
    case .i16, .u16: 2
    case .i32, .u32: 4
    case .i64: 8
    }
  }

  /// How many ids there can be.
  var idCount: Int {
    switch self {
    case .u8: 1 << 8
    case .i8: 1 << 7
    case .i16: 1 << 15
    case .u16: 1 << 16
    case .i32, .u32, .i64: 1 << 31
    }
  }

  /// Reads ids from bytes of whole ones; what does not fit 32 bits with sign becomes −1, which no vocabulary has.
  func ids(in bytes: [UInt8]) -> [Int32] {
    switch self {
    case .u8: bytes.map(Int32.init)
    case .i8: convert(bytes, Int8.self)
    case .i16: convert(bytes, Int16.self)
    case .u16: convert(bytes, UInt16.self)
    case .i32: convert(bytes, Int32.self)
    case .u32: convert(bytes, UInt32.self)
    case .i64: convert(bytes, Int64.self)
    }
  }

  private func convert<T: FixedWidthInteger>(_ bytes: [UInt8], _ type: T.Type) -> [Int32] {
    bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / width).map { i in
        let value = bytes.loadUnaligned(fromByteOffset: i * width, as: T.self)
        return Int32(exactly: T(littleEndian: value)) ?? -1
      }
    }
  }

  /// Appends ids, which must fit, to bytes.
  func append(_ ids: ArraySlice<Int32>, to bytes: inout [UInt8]) {
    for id in ids {
      for shift in 0..<width { bytes.append(UInt8(truncatingIfNeeded: id >> Int32(8 * shift))) }
    }
  }
}

/// llm.c's header: 256 integers of 32 bits.
enum LLMCHeader {
  static let size = 1024
  /// Files of ids of 2 bytes (GPT-2's) and of 4 bytes (Llama 3's).
  static let kinds: [(magic: UInt32, version: UInt32, element: TokenFileElement)] = [
    (20_240_520, 1, .u16), (20_240_801, 7, .u32),
  ]
}

/// Megatron's index, version 1: magic, version (8 bytes), type of the ids (1), n sequences (8), m (8), n lengths (4
/// each), n places in bytes (8 each), m numbers of sequences at which documents begin or end (8 each: from 0 to n, never
/// falling), and in later versions perhaps n modes (1 each), which are 0 for text. The places follow from the lengths, as
/// each sequence begins where the one before ends, and the last ends with the file of ids.
package enum MegatronIndex {
  /// Where the index of a file of ids lies.
  package static func path(beside data: String) -> String {
    (data.hasSuffix(".bin") ? String(data.dropLast(4)) : data) + ".idx"
  }

  static let magic = Array("MMIDIDX\0\0".utf8)
  static let headSize = 34
  static let elements: [UInt8: TokenFileElement] = [
    1: .u8, 2: .i8, 3: .i16, 4: .i32, 5: .i64, 8: .u16,
  ]
}
