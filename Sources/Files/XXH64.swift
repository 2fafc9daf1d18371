// XXH64: the checksum of what this library writes, and what tells documents apart.

private let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
private let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
private let prime3: UInt64 = 0x1656_67B1_9E37_79F9
private let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
private let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

/// The 64-bit xxHash of `bytes`. With seed 0 its low 32 bits are zstd's content checksum.
package func xxh64(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
  var hash = XXH64(seed: seed)
  hash.update(bytes)
  return hash.finish()
}

/// The 64-bit xxHash of bytes that come in pieces.
package struct XXH64: Sendable {
  private var a, b, c, d: UInt64
  private let seed: UInt64
  private var count = 0
  /// The bytes behind the last whole block of 32.
  private var rest = SIMD32<UInt8>()

  package init(seed: UInt64 = 0) {
    (a, b, c, d) = (seed &+ prime1 &+ prime2, seed &+ prime2, seed, seed &- prime1)
    self.seed = seed
  }

  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    var offset = 0
    let kept = count & 31
    count += bytes.count
    if kept > 0 || bytes.count < 32 {
      offset = min(32 - kept, bytes.count)
      for i in 0..<offset { rest[kept + i] = bytes[i] }
      guard kept + offset == 32 else { return }
      withUnsafeBytes(of: rest) { mix($0, from: 0) }
    }
    while offset + 32 <= bytes.count {
      mix(bytes, from: offset)
      offset += 32
    }
    for i in offset..<bytes.count { rest[i - offset] = bytes[i] }
  }

  @inline(__always) private mutating func mix(_ bytes: UnsafeRawBufferPointer, from offset: Int) {
    a = round(a, word(bytes, offset))
    b = round(b, word(bytes, offset + 8))
    c = round(c, word(bytes, offset + 16))
    d = round(d, word(bytes, offset + 24))
  }

  package func finish() -> UInt64 {
    var hash: UInt64
    if count >= 32 {
      hash = rotate(a, 1) &+ rotate(b, 7) &+ rotate(c, 12) &+ rotate(d, 18)
      for lane in [a, b, c, d] { hash = (hash ^ round(0, lane)) &* prime1 &+ prime4 }
    } else {
      hash = seed &+ prime5
    }
    hash &+= UInt64(count)
    withUnsafeBytes(of: rest) { bytes in
      let end = count & 31
      var offset = 0
      while offset + 8 <= end {
        hash = rotate(hash ^ round(0, word(bytes, offset)), 27) &* prime1 &+ prime4
        offset += 8
      }
      if offset + 4 <= end {
        let half = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        hash = rotate(hash ^ (UInt64(half) &* prime1), 23) &* prime2 &+ prime3
        offset += 4
      }
      while offset < end {
        hash = rotate(hash ^ (UInt64(bytes[offset]) &* prime5), 11) &* prime1
        offset += 1
      }
    }
    hash = (hash ^ (hash >> 33)) &* prime2
    hash = (hash ^ (hash >> 29)) &* prime3
    return hash ^ (hash >> 32)
  }
}

@inline(__always) private func rotate(_ x: UInt64, _ n: UInt64) -> UInt64 {
  (x &<< n) | (x &>> (64 &- n))
}

@inline(__always) private func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
  rotate(lane &+ word &* prime2, 31) &* prime1
}

@inline(__always) private func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
  UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
}
