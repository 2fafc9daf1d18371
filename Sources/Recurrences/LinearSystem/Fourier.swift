/// Convolution by the fast Fourier transform, in Double: the parallel form of time-invariant systems.

import RunnelKernels

/// A complex number; planar arrays hold the many, this the few.
package struct Complex: Sendable, Equatable {
  package var real: Double
  package var imaginary: Double

  package init(_ real: Double, _ imaginary: Double) {
    self.real = real
    self.imaginary = imaginary
  }
  package static func + (x: Complex, y: Complex) -> Complex {
    Complex(x.real + y.real, x.imaginary + y.imaginary)
  }
  package static func - (x: Complex, y: Complex) -> Complex {
    Complex(x.real - y.real, x.imaginary - y.imaginary)
  }
  package static func * (x: Complex, y: Complex) -> Complex {
    Complex(x.real * y.real - x.imaginary * y.imaginary, x.real * y.imaginary + x.imaginary * y.real)
  }
}

package enum Fourier {
  /// The first `x.count` terms of the convolution of two real sequences of equal length. O(T log T).
  package static func convolution(_ kernel: [Double], _ x: [Double]) -> [Double] {
    precondition(
      kernel.count == x.count, "convolution: \(kernel.count) and \(x.count) terms; they must be equal")
    guard !x.isEmpty else { return [] }
    var size = 1
    while size < 2 * x.count { size *= 2 }
    // Two real sequences are one complex one, and their spectra are its even and odd parts.
    var z = (0..<size).map { $0 < x.count ? Complex(kernel[$0], x[$0]) : Complex(0, 0) }
    transform(&z, inverse: false)
    var product = z
    for i in 0..<size {
      let a = z[i], b = z[(size - i) % size]
      let even = Complex((a.real + b.real) / 2, (a.imaginary - b.imaginary) / 2)
      let odd = Complex((a.imaginary + b.imaginary) / 2, (b.real - a.real) / 2)
      product[i] = even * odd
    }
    transform(&product, inverse: true)
    return product.prefix(x.count).map { $0.real / Double(size) }
  }

  /// In place, radix 2, not scaled; the count must be a power of two.
  package static func transform(_ z: inout [Complex], inverse: Bool) {
    let count = z.count
    precondition(count & (count - 1) == 0, "transform: \(count) terms are not a power of two")
    var j = 0
    for i in 1..<max(1, count) {
      var bit = count >> 1
      while j & bit != 0 {
        j ^= bit
        bit >>= 1
      }
      j ^= bit
      if i < j { z.swapAt(i, j) }
    }
    let turns = (0..<max(1, count / 2)).map { k in
      let angle = 2 * Double.pi * Double(k) / Double(count)
      return Complex(cosine(angle), inverse ? sine(angle) : -sine(angle))
    }
    var length = 2
    while length <= count {
      let half = length / 2, stride = count / length
      for start in Swift.stride(from: 0, to: count, by: length) {
        for k in 0..<half {
          let a = z[start + k], b = z[start + k + half] * turns[k * stride]
          z[start + k] = a + b
          z[start + k + half] = a - b
        }
      }
      length *= 2
    }
  }
}
