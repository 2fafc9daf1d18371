// Thin owners of zstd's contexts: frames in, frames out, and a stream of compressed text.

import CZstd

/// Makes whole zstd frames that carry their content size and checksum.
final class ZstdCompressor {
  private let context: OpaquePointer
  private var output: [UInt8] = []

  /// A compressor at `level` (1 fastest … 22 smallest; negative levels are faster still).
  init(level: Int) throws {
    guard let context = ZSTD_createCCtx() else { throw ZstdFailure(message: "out of memory") }
    self.context = context
    _ = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Int32(clamping: level))
    _ = ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
  }

  deinit { ZSTD_freeCCtx(context) }

  /// One frame holding `bytes`, passed to `body` while it lives.
  func withFrame<R>(
    of bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> R
  ) throws -> R {
    let bound = ZSTD_compressBound(bytes.count)
    if output.count < bound { output = [UInt8](repeating: 0, count: bound) }
    return try output.withUnsafeMutableBytes { output in
      let size = ZSTD_compress2(
        context, output.baseAddress, output.count, bytes.baseAddress, bytes.count)
      try ZstdFailure.check(size)
      return try body(UnsafeRawBufferPointer(rebasing: output.prefix(size)))
    }
  }
}

/// Decodes whole frames. A class because a pool hands it from reader to reader.
///
/// Unchecked: the pool gives a decompressor to one reader at a time.
final class ZstdDecompressor: @unchecked Sendable {
  private let context: OpaquePointer

  init() throws {
    guard let context = ZSTD_createDCtx() else { throw ZstdFailure(message: "out of memory") }
    self.context = context
  }

  deinit { ZSTD_freeDCtx(context) }

  /// Decodes `frame` into `output`, which it must fill; zstd checks the frame's own checksum.
  func decode(_ frame: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) throws {
    let size = ZSTD_decompressDCtx(
      context, output.baseAddress, output.count, frame.baseAddress, frame.count)
    try ZstdFailure.check(size)
    guard size == output.count else {
      throw ZstdFailure(message: "holds \(size) bytes where \(output.count) were expected")
    }
  }
}

/// Decodes a stream of frames piece by piece in constant memory.
struct ZstdStream: ~Copyable {
  private let context: OpaquePointer
  private var output = [UInt8](repeating: 0, count: ZSTD_DStreamOutSize())
  /// Whether the bytes so far end where a frame ends.
  private(set) var isComplete = true

  init() throws {
    guard let context = ZSTD_createDCtx() else { throw ZstdFailure(message: "out of memory") }
    self.context = context
  }

  deinit { ZSTD_freeDCtx(context) }

  /// Takes in compressed bytes and passes on what they decode to.
  mutating func decode(
    _ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
    var full = false
    while input.pos < input.size || full {
      let (hint, size) = output.withUnsafeMutableBytes { space in
        var target = ZSTD_outBuffer(dst: space.baseAddress, size: space.count, pos: 0)
        let hint = ZSTD_decompressStream(context, &target, &input)
        return (hint, target.pos)
      }
      try ZstdFailure.check(hint)
      isComplete = hint == 0
      full = size == output.count && hint != 0
      try output.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0.prefix(size))) }
    }
  }
}

/// What zstd says went wrong; callers add the file and the place.
struct ZstdFailure: Error {
  let message: String

  static func check(_ result: Int) throws {
    guard ZSTD_isError(result) != 0 else { return }
    throw ZstdFailure(message: String(cString: ZSTD_getErrorName(result)))
  }
}

/// The length in bytes of the zstd frame at the start of `bytes`; nil if it is not whole and sound.
func zstdFrameSize(_ bytes: UnsafeRawBufferPointer) -> Int? {
  let size = ZSTD_findFrameCompressedSize(bytes.baseAddress, bytes.count)
  return ZSTD_isError(size) == 0 ? size : nil
}

/// Whether `bytes` could begin a zstd frame that goes on beyond them.
func zstdIsCutShort(_ bytes: UnsafeRawBufferPointer) -> Bool {
  ZSTD_getErrorCode(ZSTD_findFrameCompressedSize(bytes.baseAddress, bytes.count))
    == ZSTD_error_srcSize_wrong
}

/// The content size that the frame header at the start of `bytes` declares; nil if it does not.
func zstdContentSize(_ bytes: UnsafeRawBufferPointer) -> Int? {
  // The two highest values stand for "unknown" and "error".
  let size = ZSTD_getFrameContentSize(bytes.baseAddress, bytes.count)
  return size < UInt64(Int.max) ? Int(size) : nil
}

/// Whether the frame header at the start of `bytes` promises a content checksum.
func zstdHasChecksum(_ bytes: UnsafeRawBufferPointer) -> Bool {
  bytes.count > 8 && bytes[4] & 0b100 != 0
}
