/// Seeded randomness: the same numbers for a seed on every machine.

import RunnelKernels

/// xoshiro256++ (Blackman and Vigna 2019), whose state can be stored and restored.
public struct SeededGenerator: RandomNumberGenerator, Codable, Sendable, Equatable {
  /// The four words of the state, to be stored; not all are zero.
  public private(set) var words: [UInt64]

  /// Spreads the seed over the state with splitmix64, as its authors advise.
  public init(seed: UInt64) {
    var x = seed
    words = (0..<4).map { _ in
      x &+= 0x9E37_79B9_7F4A_7C15
      var z = x
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
  }

  /// Restores a stored state of four words; nil if it cannot be one.
  public init?(words: [UInt64]) {
    guard words.count == 4, words.contains(where: { $0 != 0 }) else { return nil }
    self.words = words
  }

  public mutating func next() -> UInt64 {
    func rotated(_ x: UInt64, _ k: UInt64) -> UInt64 { (x << k) | (x >> (64 - k)) }
    let result = rotated(words[0] &+ words[3], 23) &+ words[0]
    let t = words[1] << 17
    words[2] ^= words[0]
    words[3] ^= words[1]
    words[1] ^= words[2]
    words[0] ^= words[3]
    words[2] ^= t
    words[3] = rotated(words[3], 45)
    return result
  }
}

extension RandomNumberGenerator {
  /// Uniform on [0, 1), in steps of 2⁻⁵³.
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Standard normal, by the polar method of Marsaglia.
  public mutating func normal() -> Double {
    while true {
      let x = 2 * uniform() - 1
      let y = 2 * uniform() - 1
      let s = x * x + y * y
      if s > 0 && s < 1 { return x * (-2 * naturalLogarithm(s) / s).squareRoot() }
    }
  }
}

extension Tensor {
  /// Independent normal numbers with this standard deviation.
  public static func normal(
    _ shape: Shape, deviation: Float = 1, using generator: inout some RandomNumberGenerator
  ) -> Tensor {
    Tensor(shape) { values in
      for i in 0..<shape.elements { values[i] = deviation * Float(generator.normal()) }
    }
  }

  /// Independent numbers, uniform on the range.
  public static func uniform(
    _ shape: Shape, in range: ClosedRange<Float>, using generator: inout some RandomNumberGenerator
  ) -> Tensor {
    Tensor(shape) { values in
      for i in 0..<shape.elements {
        values[i] = range.lowerBound + (range.upperBound - range.lowerBound) * Float(generator.uniform())
      }
    }
  }
}
