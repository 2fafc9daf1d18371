// Token ids as the bytes they are stored as, cut into frames of equal content.

import RunnelFiles

/// Cuts the bytes of one part of a corpus into frames.
struct FrameFiller {
  /// Bytes in a full frame.
  let frameBytes: Int
  private(set) var pending: [UInt8] = []

  init(frameBytes: Int) { self.frameBytes = frameBytes }

  /// Takes in bytes and gives out the frames that they fill.
  mutating func take(_ bytes: UnsafeRawBufferPointer) -> [[UInt8]] {
    var full: [[UInt8]] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      if pending.isEmpty { pending.reserveCapacity(frameBytes) }
      let piece = rest.prefix(frameBytes - pending.count)
      pending.append(contentsOf: UnsafeRawBufferPointer(rebasing: piece))
      rest = rest.dropFirst(piece.count)
      if pending.count == frameBytes { full += flush() }
    }
    return full
  }

  /// What is left, if anything is.
  mutating func flush() -> [[UInt8]] {
    defer { pending = [] }
    return pending.isEmpty ? [] : [pending]
  }
}

/// A zstd frame of token ids as it stands in a corpus.
struct CompressedFrame: Sendable {
  var bytes: [UInt8]
  /// The bytes that it decodes to.
  var contentSize: Int

  init(bytes: [UInt8], contentSize: Int) {
    (self.bytes, self.contentSize) = (bytes, contentSize)
  }

  init(of content: [UInt8], by compressor: ZstdCompressor, for path: String) throws {
    do {
      bytes = try content.withUnsafeBytes { try compressor.withFrame(of: $0) { Array($0) } }
    } catch let failure as ZstdFailure {
      throw CorpusError(path, "cannot be compressed: \(failure.message)")
    }
    contentSize = content.count
  }

  /// zstd ends a frame with the checksum that the seek table repeats.
  var checksum: UInt32 { bytes.integer(at: bytes.count - 4, as: UInt32.self) }
}

extension CorpusHeader.TokenType {
  /// Appends ids as they are stored.
  ///
  /// - Returns: the index of the first one outside the vocabulary; nothing is appended then.
  func pack(
    _ ids: UnsafeBufferPointer<Int32>, below vocabularySize: Int, into bytes: inout [UInt8]
  ) -> Int? {
    var highest: UInt32 = 0
    for id in ids { highest = max(highest, UInt32(bitPattern: id)) }
    guard ids.isEmpty || Int(highest) < vocabularySize else {
      return ids.firstIndex { $0 < 0 || Int($0) >= vocabularySize }
    }
    switch self {
    case .u8: append(ids, as: UInt8.self, to: &bytes)
    case .u16: append(ids, as: UInt16.self, to: &bytes)
    case .u32: append(ids, as: UInt32.self, to: &bytes)
    }
    return nil
  }

  private func append<T: FixedWidthInteger>(
    _ ids: UnsafeBufferPointer<Int32>, as type: T.Type, to bytes: inout [UInt8]
  ) {
    withUnsafeTemporaryAllocation(of: T.self, capacity: min(ids.count, 4096)) { buffer in
      var rest = ids[...]
      while !rest.isEmpty {
        let part = UnsafeBufferPointer(rebasing: rest.prefix(4096))
        for i in 0..<part.count { buffer[i] = T(truncatingIfNeeded: part[i]).littleEndian }
        bytes.append(
          contentsOf: UnsafeRawBufferPointer(UnsafeMutableBufferPointer(rebasing: buffer[..<part.count])))
        rest = rest.dropFirst(part.count)
      }
    }
  }
}
