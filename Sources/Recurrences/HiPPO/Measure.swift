/// The measures of HiPPO (Gu et al. 2020, arXiv:2008.07669, Theorems 1 and 2; Gu et al. 2022,
/// arXiv:2206.12037, for the Fourier basis) and their matrices.

extension HiPPO {
  /// What part of the past counts, by which weight, and in which orthonormal basis it is remembered.
  public enum Measure: String, Codable, Sendable, CaseIterable {
    /// Scaled Legendre: the whole past alike. Time-invariant, with a window: weighted by exp(−age / window),
    /// in Legendre polynomials of that weight.
    case legs
    /// Translated Legendre: the last window.
    case legt
    /// Translated Laguerre: weighted by exp(−age / window).
    case lagt
    /// Truncated Fourier: the last window, in sines and cosines.
    case fourier
  }

  /// A [N N], row by row, and B [N] of dc/dt = −A c + B f, for a window of one. (The 2022 paper writes −A for
  /// A.)
  ///
  /// The coefficients are those of the orthonormal basis, which for LegT are (−1)ⁿ / √(2n+1) times those of
  /// Theorem 1 of the 2020 paper (there λ_n, Appendix D.1). Fourier states are 1, cos 2πτ, sin 2πτ, cos 4πτ,
  /// … (times √2): with an even N the last would be a cosine without its sine, so it stays zero.
  public static func matrices(_ measure: Measure, _ N: Int) -> (A: [Double], B: [Double]) {
    precondition(N > 0, "HiPPO: \(N) states; there must be at least one")
    func matrix(_ entry: (_ n: Int, _ k: Int) -> Double) -> [Double] {
      (0..<N * N).map { entry($0 / N, $0 % N) }
    }
    let root = (0..<N).map { Double(2 * $0 + 1).squareRoot() }
    switch measure {
    case .legs:
      return (matrix { n, k in n > k ? root[n] * root[k] : n == k ? Double(n + 1) : 0 }, root)
    case .legt:
      return (matrix { n, k in (k > n && (k - n) % 2 == 1 ? -1 : 1) * root[n] * root[k] }, root)
    case .lagt:
      return (matrix { n, k in n >= k ? 1 : 0 }, Array(repeating: 1, count: N))
    case .fourier:
      // The values of the basis at age zero, and at age one, which is the same point of the circle.
      let end = (0..<N).map { n in n == 0 ? 1 : n % 2 == 1 && n + 1 < N ? 2.0.squareRoot() : 0 }
      func turn(_ n: Int, _ k: Int) -> Double {
        guard end[min(n, k)] > 0, min(n, k) % 2 == 1, abs(n - k) == 1 else { return 0 }
        return (n > k ? -1 : 1) * Double.pi * Double(min(n, k) + 1)
      }
      return (matrix { n, k in 2 * end[n] * end[k] + turn(n, k) }, end.map { 2 * $0 })
    }
  }
}
