/// Remembers the ids of short strings of bytes.

/// A table with one place for each hash: a line of the processor's cache with the string and its ids. What
/// comes later replaces what was there, so memory is fixed and what is found is always right.
struct WordCache: Sendable {
  /// The longest string and the most ids that fit.
  static let maximumLength = 31
  static let maximumIDs = 7

  /// Four words of string with its length as the last byte, four words of ids with their count first.
  private var words: [UInt64]
  private let shift: UInt64

  /// - Parameter bits: the places are 2 to this power, of 64 bytes each.
  init(bits: Int) {
    words = Array(repeating: 0, count: 8 << bits)
    shift = UInt64(64 - bits)
  }

  struct Key {
    fileprivate var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    fileprivate var place = 0
  }

  /// - Parameter string: of 1 to 31 bytes.
  @inline(__always)
  func key(_ string: UnsafeRawBufferPointer) -> Key {
    var key = Key()
    withUnsafeMutableBytes(of: &key.words) {
      $0.copyMemory(from: string)
      $0[31] = UInt8(string.count)
    }
    let (a, b, c, d) = key.words
    let low = (a ^ b &* 0x9E37_79B9_7F4A_7C15) &* 0xD6E8_FEB8_6659_FD93
    let high = (c ^ d &* 0xA24B_AED4_963E_E407) &* 0x9FB2_1C65_1E98_DF25
    key.place = Int((((low ^ low >> 31) &+ high) &* 0x9E37_79B9_7F4A_7C15) >> shift) * 8
    return key
  }

  /// Appends the ids; returns false if the string is not there. The first is left out if it is `dropped`.
  @inline(__always)
  func append(_ key: Key, dropping dropped: Int32, to ids: inout [Int32]) -> Bool {
    let (a, b, c, d) = key.words
    let place = key.place
    guard words[place] == a, words[place + 1] == b, words[place + 2] == c, words[place + 3] == d else {
      return false
    }
    let first = words[place + 4]
    let count = Int(first & 0xFFFF_FFFF)
    for index in 1..<count + 1 {
      let id = Int32(truncatingIfNeeded: words[place + 4 + index >> 1] >> UInt64(32 * (index & 1)))
      if index > 1 || id != dropped { ids.append(id) }
    }
    return true
  }

  /// - Parameter ids: at most seven.
  mutating func set(_ key: Key, _ ids: [Int32]) {
    let place = key.place
    (words[place], words[place + 1], words[place + 2], words[place + 3]) = key.words
    words[place + 4] = UInt64(ids.count)
    for index in 1..<ids.count + 1 {
      let id = UInt64(UInt32(bitPattern: ids[index - 1]))
      // The upper half follows the lower one.
      if index & 1 == 0 {
        words[place + 4 + index >> 1] = id
      } else {
        words[place + 4 + index >> 1] |= id << 32
      }
    }
  }
}
