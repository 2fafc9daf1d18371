/// The little dense linear algebra that initialisations need, from LAPACK.

import COpenBLAS

package enum Lapack {
  /// The eigenvalues, ascending, of the Hermitian matrix i·S for a real skew-symmetric S [n n]: those of S are ∓i times
  /// these. Throws nothing: the routine cannot fail to converge on finite input, and an empty result says that it did.
  package static func skewFrequencies(_ S: [Double], order n: Int) -> [Double] {
    precondition(S.count == n * n, "skewFrequencies: \(S.count) numbers are not a matrix of order \(n)")
    var matrix = [Double](repeating: 0, count: 2 * n * n)
    for i in 0..<n * n { matrix[2 * i + 1] = S[i] }
    var order = Int32(n), size = Int32(max(1, 4 * n)), info: Int32 = 0
    var values = [Double](repeating: 0, count: n)
    var work = [Double](repeating: 0, count: 2 * Int(size))
    var realWork = [Double](repeating: 0, count: max(1, 3 * n))
    zheev_("N", "U", &order, &matrix, &order, &values, &work, &size, &realWork, &info)
    return info == 0 ? values : []
  }
}
