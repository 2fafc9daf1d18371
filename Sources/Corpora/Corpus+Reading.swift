// Token ids of any range; a short range costs one frame, a cached one no decoding.

import Foundation

extension Corpus {
  /// The ids of the tokens in `range`.
  ///
  /// - Throws: `CorpusError` when the range leaves the corpus or a frame is damaged.
  public func read(_ range: Range<Int>) throws -> [Int32] {
    try check(range)
    return try [Int32](unsafeUninitializedCapacity: range.count) { buffer, filled in
      try fill(buffer, from: range)
      filled = range.count
    }
  }

  /// Replaces `tokens` by the ids of the tokens in `range`, reusing its storage.
  ///
  /// - Throws: `CorpusError` when the range leaves the corpus or a frame is damaged.
  public func read(_ range: Range<Int>, into tokens: inout [Int32]) throws {
    try check(range)
    if tokens.count != range.count { tokens = [Int32](repeating: 0, count: range.count) }
    try tokens.withUnsafeMutableBufferPointer { try fill($0, from: range) }
  }

  /// Fills the front of `buffer`, at least `range.count` long, with the ids in `range`.
  package func read(_ range: Range<Int>, into buffer: UnsafeMutableBufferPointer<Int32>) throws {
    try check(range)
    try fill(buffer, from: range)
  }

  /// Passes the tokens of `range` on in pieces of at most 16,384, in order and constant memory.
  ///
  /// - Throws: `CorpusError` where the range is not in the corpus or a frame is damaged, and what `body` throws.
  public func forEachPiece(
    of range: Range<Int>, _ body: ([Int32]) throws -> Void
  ) throws {
    try check(range)
    // Small enough to stay in the core's cache until `body` has seen it.
    let most = 1 << 14
    var ids: [Int32] = []
    try forEachFrame(of: range) { frame, bytes, part in
      for first in stride(from: part.lowerBound, to: part.upperBound, by: most) {
        let count = min(most, part.upperBound - first)
        // A piece that nobody kept makes room for the next.
        if ids.count != count { ids = [Int32](repeating: 0, count: count) }
        ids.withUnsafeMutableBufferPointer {
          convert(bytes, from: first - frame.tokens.lowerBound, into: $0[...])
        }
        try body(ids)
      }
    }
  }

  /// Passes on the bare little-endian ids of `range`, a frame at a time: for a corpus of bytes, the text itself.
  ///
  /// - Throws: `CorpusError` when a frame is damaged.
  package func forEachStretch(
    of range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    try check(range)
    let width = header.dtype.width
    try forEachFrame(of: range) { frame, bytes, part in
      let first = (part.lowerBound - frame.tokens.lowerBound) * width
      try bytes.withUnsafeBytes {
        try body(UnsafeRawBufferPointer(rebasing: $0[first..<first + part.count * width]))
      }
    }
  }

  /// The ids of `part`, which lies inside the decoded `frame`.
  func ids(in bytes: [UInt8], of frame: DataFrame, _ part: Range<Int>) -> [Int32] {
    [Int32](unsafeUninitializedCapacity: part.count) { buffer, filled in
      convert(bytes, from: part.lowerBound - frame.tokens.lowerBound, into: buffer[...])
      filled = part.count
    }
  }

  /// Decodes the frames under `range` one after the other, past the cache.
  private func forEachFrame(
    of range: Range<Int>, _ body: (DataFrame, [UInt8], Range<Int>) throws -> Void
  ) throws {
    var frame = FrameBuffer()
    for index in frameIndices(of: range) {
      try decode(frames[index], into: &frame)
      try body(frames[index], frame.bytes, range.clamped(to: frames[index].tokens))
    }
  }

  private func fill(
    _ buffer: UnsafeMutableBufferPointer<Int32>, from range: Range<Int>
  ) throws {
    for index in frameIndices(of: range) {
      let frame = frames[index]
      let part = range.clamped(to: frame.tokens)
      let bytes: [UInt8]
      if let kept = cache.frame(index) {
        bytes = kept
      } else {
        bytes = try decode(frame)
        // Frames that are read to their end in one go are not read again soon.
        if part != frame.tokens { cache.keep(bytes, as: index) }
      }
      let target = part.lowerBound - range.lowerBound
      convert(
        bytes, from: part.lowerBound - frame.tokens.lowerBound,
        into: buffer[target..<target + part.count])
    }
  }

  /// Widens the ids from token `first` of a decoded frame on, as many as `slice` takes.
  private func convert(
    _ bytes: [UInt8], from first: Int, into slice: Slice<UnsafeMutableBufferPointer<Int32>>
  ) {
    let target = UnsafeMutableBufferPointer(rebasing: slice)
    bytes.withUnsafeBytes { bytes in
      switch header.dtype {
      case .u8: widen(bytes, from: first, UInt8.self, into: target)
      case .u16: widen(bytes, from: first, UInt16.self, into: target)
      case .u32: widen(bytes, from: first, UInt32.self, into: target)
      }
    }
  }

  /// The data frames that hold `range`, as indices into `frames`; none for an empty range.
  func frameIndices(of range: Range<Int>) -> Range<Int> {
    guard !range.isEmpty else { return 0..<0 }
    let first = partition(frames.count) { frames[$0].tokens.upperBound > range.lowerBound }
    let end = partition(frames.count) { frames[$0].tokens.lowerBound >= range.upperBound }
    return first..<max(first, end)
  }

  func check(_ range: Range<Int>) throws {
    guard range.lowerBound >= 0, range.upperBound <= count else {
      throw CorpusError(
        path, "tokens \(range.lowerBound)..<\(range.upperBound) asked for, it holds 0..<\(count)")
    }
  }

  /// Reads, decodes and checks one frame.
  func decode(_ frame: DataFrame) throws -> [UInt8] {
    var buffer = FrameBuffer()
    try decode(frame, into: &buffer)
    return buffer.bytes
  }

  /// Reads, decodes and checks one frame into buffers that are used again.
  func decode(_ frame: DataFrame, into buffer: inout FrameBuffer) throws {
    let entry = frame.entry
    func fail(_ message: String) -> CorpusError {
      CorpusError(path, message, frame: frame.number, offset: entry.offset)
    }
    buffer.resize(packed: entry.size, bytes: entry.contentSize)
    try buffer.packed.withUnsafeMutableBytes { try file.read(at: entry.offset, into: $0) }
    do {
      try buffer.packed.withUnsafeBytes { packed in
        guard zstdHasChecksum(packed), zstdFrameSize(packed) == packed.count else {
          throw ZstdFailure(message: "not one whole zstd frame with a checksum")
        }
        try cache.withDecompressor { decompressor in
          try buffer.bytes.withUnsafeMutableBytes { try decompressor.decode(packed, into: $0) }
        }
      }
    } catch let failure as ZstdFailure {
      throw fail("damaged: \(failure.message)")
    }
    // zstd has compared the content with the checksum in the frame; here the table's is compared.
    guard buffer.packed.integer(at: entry.size - 4, as: UInt32.self) == entry.checksum else {
      throw fail("damaged: its checksum is not the one in the seek table")
    }
    if let id = buffer.bytes.withUnsafeBytes({ highestID(in: $0) }), id >= header.vocabularySize {
      throw fail("holds token id \(id), the vocabulary has \(header.vocabularySize)")
    }
  }

  /// The highest id in a decoded frame; nil where every value of the type is in the vocabulary.
  private func highestID(in bytes: UnsafeRawBufferPointer) -> UInt32? {
    switch header.dtype {
    case .u8 where header.vocabularySize == 1 << 8: nil
    case .u16 where header.vocabularySize == 1 << 16: nil
    case .u8: highest(bytes, UInt8.self)
    case .u16: highest(bytes, UInt16.self)
    case .u32: highest(bytes, UInt32.self)
    }
  }
}

/// A frame as it lies in the file, and decoded.
struct FrameBuffer {
  fileprivate(set) var packed: [UInt8] = []
  fileprivate(set) var bytes: [UInt8] = []

  fileprivate mutating func resize(packed size: Int, bytes contentSize: Int) {
    if packed.count != size { packed.resize(size) }
    if bytes.count != contentSize { bytes.resize(contentSize) }
  }
}

extension [UInt8] {
  fileprivate mutating func resize(_ size: Int) {
    if size < count {
      removeLast(count - size)
    } else {
      append(contentsOf: repeatElement(0, count: size - count))
    }
  }
}

/// Widens little-endian ids of type `Stored`, from the `first` on, into `target`.
private func widen<Stored: FixedWidthInteger>(
  _ bytes: UnsafeRawBufferPointer, from first: Int, _ type: Stored.Type,
  into target: UnsafeMutableBufferPointer<Int32>
) {
  // Without sums that could overflow in it, the loop becomes vector instructions.
  guard let ids = bytes.baseAddress?.assumingMemoryBound(to: Stored.self).advanced(by: first),
    let to = target.baseAddress
  else { return }
  for i in 0..<target.count { to[i] = Int32(truncatingIfNeeded: Stored(littleEndian: ids[i])) }
}

private func highest<Stored: FixedWidthInteger>(
  _ bytes: UnsafeRawBufferPointer, _ type: Stored.Type
) -> UInt32 {
  guard let ids = bytes.baseAddress?.assumingMemoryBound(to: Stored.self) else { return 0 }
  var highest: Stored = 0
  for i in 0..<bytes.count / MemoryLayout<Stored>.size {
    highest = max(highest, Stored(littleEndian: ids[i]))
  }
  return UInt32(truncatingIfNeeded: highest)
}

/// The first index in 0 ..< count at which a condition holds that never ceases to; `count` if none.
func partition(_ count: Int, where holds: (Int) -> Bool) -> Int {
  var (low, high) = (0, count)
  while low < high {
    let middle = (low + high) / 2
    if holds(middle) { high = middle } else { low = middle + 1 }
  }
  return low
}
