/// A filter as the impulse response of a diagonal recurrence: how a long convolution becomes a stream.
///
///     h_t = λ ⊙ h_{t−1} + u_t        y_t = Re(c · h_t) + d u_t        k_0 = d + Re Σ c_n,   k_t = Re Σ c_n λ_n^t
///
/// Of conjugate poles one is kept, and its residue doubled; a pair counts as two states, a real pole as one.

/// A diagonal system that has a given kernel, within an error.
public struct DiagonalRealization: Sendable {
  /// λ, [n], none outside the unit circle.
  package let poles: [Complex]
  /// c, [n].
  package let residues: [Complex]
  /// d.
  public let direct: Double

  package init(poles: [Complex], residues: [Complex], direct: Double) {
    (self.poles, self.residues, self.direct) = (poles, residues, direct)
  }

  /// N, in real numbers.
  public var states: Int { poles.reduce(0) { $0 + ($1.imaginary == 0 ? 1 : 2) } }

  /// The impulse response.
  public func kernel(length: Int) -> [Double] {
    var kernel = [Double](repeating: 0, count: length)
    for (pole, residue) in zip(poles, residues) {
      var term = residue
      for t in 0..<length {
        kernel[t] += term.real
        term = term * pole
      }
    }
    if length > 0 { kernel[0] += direct }
    return kernel
  }

  /// How the numbers are kept. Where they are rounded, what is measured is what the rounded ones give.
  public enum Precision: Sendable {
    case single, double

    var epsilon: Double { self == .single ? 0x1p-23 : 0x1p-52 }
    /// Poles are looked for from here on: those of nearly nothing stand for taps at the start, which no decay
    /// gives, and want residues of the size of their inverse powers.
    var smallestPole: Double { self == .single ? 0.05 : 1e-3 }

    func rounded(_ x: Double) -> Double { self == .single ? Double(Float(x)) : x }

    /// Rounded, and inside or on the unit circle still.
    func rounded(pole: Complex) -> Complex {
      var shrunk = pole, result = Complex(rounded(pole.real), rounded(pole.imaginary))
      while result.size > 1 {
        shrunk = (1 - epsilon) * shrunk
        result = Complex(rounded(shrunk.real), rounded(shrunk.imaginary))
      }
      return result
    }
  }
}

extension DiagonalRealization {
  /// The best residues in the given precision for poles as that precision keeps them.
  init(poles: [Complex], kernel: [Double], precision: Precision) {
    let poles = poles.map { precision.rounded(pole: $0) }
    let fit = ModalFit(poles: poles, taps: Array(kernel.dropFirst()), precision: precision.epsilon)
    let residues = fit.residues.map {
      Complex(precision.rounded($0.real), precision.rounded($0.imaginary))
    }
    let direct = (kernel.first ?? 0) - residues.reduce(0) { $0 + $1.real }
    self.init(poles: poles, residues: residues, direct: precision.rounded(direct))
  }
}
