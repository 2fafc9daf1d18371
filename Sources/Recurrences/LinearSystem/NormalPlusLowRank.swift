/// The HiPPO-LegS matrix as a normal matrix less one of rank one (Gu et al. 2022, "Efficiently modeling long
/// sequences with structured state spaces", §3.2 and appendix C.1):
///
///     A = V Λ V* − p pᵀ,   p_n = √(n + ½),   Λ_k = −½ + i f_k
///
/// because A + p pᵀ = −½ I + S with S real and skew-symmetric. Its eigenvalues come in conjugate pairs, and
/// so do the entries of V* p and V* b; only the half with f_k > 0 is kept.

import RunnelKernels
import Synchronization

package struct NormalPlusLowRank: Sendable {
  /// N, even.
  package let order: Int
  /// f, the imaginary parts of Λ, ascending, [N/2]; the real parts are −½.
  package let frequencies: [Double]
  /// V, N rows of N/2 numbers; its columns have length one.
  package let vectors: [Complex]
  /// V* p and V* b, [N/2].
  package let lowRank: [Complex]
  package let input: [Complex]

  private static let last = Mutex<NormalPlusLowRank?>(nil)

  /// LegS of order N with its input matrix b_n = √(2n + 1). The last is kept: the layers of a model ask for one order, each
  /// several times.
  package static func legS(order N: Int) -> NormalPlusLowRank {
    if let known = last.withLock({ $0 }), known.order == N { return known }
    let made = decomposed(order: N)
    last.withLock { $0 = made }
    return made
  }

  private static func decomposed(order N: Int) -> NormalPlusLowRank {
    precondition(N > 0 && N % 2 == 0, "NormalPlusLowRank: an order of \(N) has no conjugate pairs")
    func root(_ n: Int) -> Double { Double(2 * n + 1).squareRoot() }
    var S = [Double](repeating: 0, count: N * N)
    for n in 0..<N {
      for k in 0..<N where k != n { S[n * N + k] = (k < n ? -0.5 : 0.5) * root(n) * root(k) }
    }
    let (frequencies, all) = Lapack.skewEigenvectors(S, order: N)
    // The positive half of ascending frequencies is the upper one.
    let half = N / 2
    var vectors: [Complex] = []
    vectors.reserveCapacity(N * half)
    for n in 0..<N {
      for k in half..<N { vectors.append(Complex(all[2 * (k * N + n)], all[2 * (k * N + n) + 1])) }
    }
    func projected(_ x: (Int) -> Double) -> [Complex] {
      (0..<half).map { k in
        (0..<N).reduce(Complex(0, 0)) { $0 + x($1) * vectors[$1 * half + k].conjugate }
      }
    }
    return NormalPlusLowRank(
      order: N, frequencies: Array(frequencies[half...]), vectors: vectors,
      lowRank: projected { root($0) / 2.0.squareRoot() }, input: projected(root))
  }
}
