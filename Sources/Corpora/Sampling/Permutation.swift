// A shuffled order of any size that nothing has to remember.

/// A seeded permutation of 0 ..< `count`: O(1) memory, and O(1) time for each index.
///
/// Four rounds of a Feistel network permute the 4ʰ numbers of 2h bits, the fewest that are at
/// least `count`; a result outside is permuted again until it falls inside ("cycle walking", Black
/// and Rogaway 2002), fewer than four times in the mean.
struct Permutation: Sendable {
  let count: Int
  private let keys: [UInt64]
  private let half: UInt64
  private let mask: UInt64

  /// - Parameter count: at least 1.
  init(count: Int, seed: UInt64) {
    precondition(count > 0, "a permutation of \(count) elements is empty")
    self.count = count
    let bits = UInt64(Int.bitWidth - (count - 1).leadingZeroBitCount)
    half = (bits + 1) / 2
    mask = (1 << half) - 1
    var generator = SplitMix64(seed: seed)
    keys = (0..<4).map { _ in generator.next() }
  }

  /// What stands at place `index`.
  subscript(index: Int) -> Int {
    precondition((0..<count).contains(index), "index \(index) of a permutation of \(count)")
    var x = UInt64(index)
    repeat {
      var (left, right) = (x >> half, x & mask)
      for key in keys {
        var generator = SplitMix64(seed: right ^ key)
        (left, right) = (right, left ^ (generator.next() & mask))
      }
      x = left << half | right
    } while x >= UInt64(count)
    return Int(x)
  }
}
