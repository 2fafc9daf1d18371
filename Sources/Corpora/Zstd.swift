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

/// Decodes a stream of frames piece by piece, in constant memory but for the window that a frame asks for.
final class ZstdStream {
  /// The largest window that zstd writes, `--long=31`: 2 GiB, of which no more is touched than the text is long.
  static let largestWindow = 31

  private let path: String
  private let reader: String
  private let context: OpaquePointer
  private var input: [UInt8] = []
  private var place = 0
  /// Bytes of the stream before `input`.
  private var offset = 0
  /// Whether the bytes so far end where a frame ends.
  private var isComplete = true
  private var mayHoldMore = false

  /// - Parameter path: of the file, and `reader` a command that text can be piped into, for errors.
  init(of path: String, reader: String) throws {
    guard let context = ZSTD_createDCtx() else { throw ZstdFailure(message: "out of memory") }
    (self.path, self.reader, self.context) = (path, reader, context)
    try ZstdFailure.check(
      ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, Int32(Self.largestWindow)))
  }

  deinit { ZSTD_freeDCtx(context) }

  var isReady: Bool { place < input.count || mayHoldMore }

  /// Takes in the next compressed bytes, once those before have been decoded.
  func take(_ bytes: [UInt8]) {
    precondition(place == input.count, "the bytes before have not been decoded")
    (offset, input, place) = (offset + input.count, bytes, 0)
  }

  /// Up to 128 KiB of what the bytes so far decode to; nil when more bytes are needed.
  func next() throws -> [UInt8]? {
    while isReady {
      if isComplete { frameStart = offset + place }
      var result = 0
      let piece = [UInt8](unsafeUninitializedCapacity: ZSTD_DStreamOutSize()) { space, filled in
        input.withUnsafeBytes { bytes in
          var source = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: place)
          var target = ZSTD_outBuffer(dst: space.baseAddress, size: space.count, pos: 0)
          result = ZSTD_decompressStream(context, &target, &source)
          (place, filled) = (source.pos, target.pos)
        }
      }
      guard ZSTD_isError(result) == 0 else { throw failure(result) }
      isComplete = result == 0
      mayHoldMore = piece.count == ZSTD_DStreamOutSize() && !isComplete
      if !piece.isEmpty { return piece }
    }
    return nil
  }

  /// No bytes follow.
  func finish() throws {
    guard isComplete else {
      throw CorpusError(path, "ends inside a zstd frame: it was cut short", offset: offset + input.count)
    }
  }

  private var frameStart = 0

  private func failure(_ result: Int) -> CorpusError {
    let message: String
    switch ZSTD_getErrorCode(result) {
    case ZSTD_error_dictionary_wrong:
      message =
        "its zstd frame needs the dictionary it was packed with; unpack it with that: zstd -dc -D DICTIONARY FILE | "
        + reader
    case ZSTD_error_frameParameter_windowTooLarge:
      message =
        "its zstd frame needs a window above \(1 << (Self.largestWindow - 30)) GiB, more than zstd itself writes"
    case ZSTD_error_memory_allocation:
      message =
        "there is no memory for the window of its zstd frame, up to \(1 << (Self.largestWindow - 30)) GiB; pack it anew "
        + "without --long"
    default: message = "is not sound zstd data: " + String(cString: ZSTD_getErrorName(result))
    }
    return CorpusError(path, message, offset: frameStart)
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
