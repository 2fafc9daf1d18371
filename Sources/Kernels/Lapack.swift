/// The little dense linear algebra that initialisations need, from LAPACK.

import COpenBLAS

package enum Lapack {
  /// The eigenvalues, ascending, of the Hermitian matrix i·S for a real skew-symmetric S [n n]: those of S
  /// are ∓i times these. Throws nothing: the routine cannot fail to converge on finite input, and an empty
  /// result says that it did.
  package static func skewFrequencies(_ S: [Double], order n: Int) -> [Double] {
    skewEigen(S, order: n, job: "N").frequencies
  }

  /// The eigenvectors of a real skew-symmetric S [n n]: S v_k = i f_k v_k, f ascending, each v_k of length
  /// one.
  ///
  /// - Returns: the f_k, and v_k at 2 n k ..< 2 n (k + 1) as pairs of a real and an imaginary part; both
  ///   empty where the routine did not converge, which finite input cannot bring about.
  package static func skewEigenvectors(
    _ S: [Double], order n: Int
  ) -> (frequencies: [Double], vectors: [Double]) {
    skewEigen(S, order: n, job: "V")
  }

  private static func skewEigen(
    _ S: [Double], order n: Int, job: String
  ) -> (frequencies: [Double], vectors: [Double]) {
    precondition(S.count == n * n, "skewEigen: \(S.count) numbers are not a matrix of order \(n)")
    Gemm.useOneThread()
    // LAPACK reads by columns, so it is handed the transpose of i·S, which is −i·S: Hermitian, with
    // eigenvalues f.
    var matrix = [Double](repeating: 0, count: 2 * n * n)
    for i in 0..<n * n { matrix[2 * i + 1] = S[i] }
    var order = Int32(n), size = Int32(max(1, 4 * n)), info: Int32 = 0
    var values = [Double](repeating: 0, count: n)
    var work = [Double](repeating: 0, count: 2 * Int(size))
    var realWork = [Double](repeating: 0, count: max(1, 3 * n))
    // From the upper triangle OpenBLAS 0.3.21 reads past the end of the matrix for orders of 63 and more.
    zheev_(job, "L", &order, &matrix, &order, &values, &work, &size, &realWork, &info)
    return info == 0 ? (values, matrix) : ([], [])
  }
}
