// How fast a corpus is read, beside bare decompression of the same frames in the same run.

import RunnelFiles

/// What ``Corpus/bench(seconds:)`` found.
package struct CorpusBench: Sendable {
  /// Bytes of ids per second when frames are only read and decompressed, as `zstd -d` does; the median.
  package let decompression: Double
  /// The same with every check, and ids widened to 32 bits.
  package let reading: Double
  /// The median of reading over decompression, each pair measured back to back.
  package let share: Double
  /// Bytes of ids per second when every checksum is checked by all cores.
  package let verification: Double
  /// The median time of reading 512 tokens at a random place, in seconds.
  package let access: Double
  /// The most frames decoded for one of them: 2 only where it lies across a border.
  package let framesPerAccess: Int
}

extension Corpus {
  /// Reads the corpus over and over for about `seconds`.
  ///
  /// - Throws: `CorpusError` when a frame is damaged.
  package func bench(seconds: Double) throws -> CorpusBench {
    guard let first = frames.first else {
      throw CorpusError(path, "holds no tokens to read")
    }
    let clock = ContinuousClock()
    func time(_ body: () throws -> Void) rethrows -> Double {
      let start = clock.now
      try body()
      return (clock.now - start) / .seconds(1)
    }
    // Pieces of about 64 MB, so that a pair of measurements sees the same machine.
    let some = frames.prefix(max(1, (64 << 20) / max(1, first.entry.contentSize)))
    let range = first.tokens.lowerBound..<some[some.endIndex - 1].tokens.upperBound
    let bytes = Double(range.count * header.dtype.width)
    var bare: [Double] = []
    var read: [Double] = []
    var checksum: Int32 = 0
    try decompress(some)
    let begin = clock.now
    repeat {
      bare.append(try time { try decompress(some) })
      read.append(try time { try forEachPiece(of: range) { checksum &+= $0[$0.count - 1] } })
    } while (clock.now - begin) / .seconds(1) < 0.6 * seconds || bare.count < 5
    let verified = time { _ = verify() }

    var random = SplitMix64(seed: UInt64(bitPattern: Int64(checksum)))
    let length = min(512, count)
    var tokens: [Int32] = []
    var accesses: [Double] = []
    var most = 0
    // A corpus of its own, so that nothing is in the cache.
    let cold = try Corpus(path: path, cacheBytes: 0)
    while accesses.count < 2000 && accesses.reduce(0, +) < 0.2 * seconds || accesses.count < 5 {
      let place = random.next(below: count - length + 1)
      accesses.append(try time { try cold.read(place..<place + length, into: &tokens) })
      most = max(most, frameIndices(of: place..<place + length).count)
    }
    return CorpusBench(
      decompression: bytes / median(bare), reading: bytes / median(read),
      share: median(zip(bare, read).map { $0 / $1 }),
      verification: Double(count * header.dtype.width) / verified,
      access: median(accesses), framesPerAccess: most)
  }

  /// Reads and decompresses frames, and nothing more.
  private func decompress(_ frames: ArraySlice<DataFrame>) throws {
    let decompressor = try ZstdDecompressor()
    var packed = [UInt8](repeating: 0, count: frames.reduce(0) { max($0, $1.entry.size) })
    var output = [UInt8](repeating: 0, count: frames.reduce(0) { max($0, $1.entry.contentSize) })
    for frame in frames {
      try packed.withUnsafeMutableBytes { packed in
        let part = UnsafeMutableRawBufferPointer(rebasing: packed[..<frame.entry.size])
        try file.read(at: frame.entry.offset, into: part)
        try output.withUnsafeMutableBytes { output in
          try decompressor.decode(
            UnsafeRawBufferPointer(part),
            into: UnsafeMutableRawBufferPointer(rebasing: output[..<frame.entry.contentSize]))
        }
      }
    }
  }

  private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}
