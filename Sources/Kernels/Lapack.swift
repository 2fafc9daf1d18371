/// The little dense linear algebra that initialisations need, from LAPACK.

import COpenBLAS

package enum Lapack {
  /// The eigenvectors of a real skew-symmetric S [n n]: S v_k = i f_k v_k, f ascending, each v_k of length
  /// one.
  ///
  /// - Returns: the f_k, and v_k at 2 n k ..< 2 n (k + 1) as pairs of a real and an imaginary part; both
  ///   empty where the routine did not converge, which finite input cannot bring about.
  package static func skewEigenvectors(
    _ S: [Double], order n: Int
  ) -> (frequencies: [Double], vectors: [Double]) {
    precondition(S.count == n * n, "skewEigenvectors: \(S.count) numbers are not a matrix of order \(n)")
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
    zheev_("V", "L", &order, &matrix, &order, &values, &work, &size, &realWork, &info)
    return info == 0 ? (values, matrix) : ([], [])
  }

  /// X with A X = B, for row-major A [n n] and B [n m]; nil where A is singular.
  package static func solve(_ A: [Double], order n: Int, _ B: [Double], columns m: Int) -> [Double]? {
    precondition(
      A.count == n * n && B.count == n * m, "solve: \(A.count) and \(B.count) numbers for n = \(n)")
    Gemm.useOneThread()
    var matrix = transposed(A, rows: n, columns: n), right = transposed(B, rows: n, columns: m)
    var order = Int32(n), columns = Int32(m), info: Int32 = 0
    var pivots = [Int32](repeating: 0, count: n)
    dgesv_(&order, &columns, &matrix, &order, &pivots, &right, &order, &info)
    return info == 0 ? transposed(right, rows: m, columns: n) : nil
  }

  private static func transposed(_ A: [Double], rows: Int, columns: Int) -> [Double] {
    (0..<A.count).map { A[$0 % rows * columns + $0 / rows] }
  }

  /// A B for row-major A [m k] and B [k n].
  package static func product(_ A: [Double], _ B: [Double], m: Int, n: Int, k: Int) -> [Double] {
    precondition(A.count == m * k && B.count == k * n, "product: \(A.count) and \(B.count) numbers")
    Gemm.useOneThread()
    var C = [Double](repeating: 0, count: m * n)
    cblas_dgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(m), blasint(n), blasint(k), 1, A, blasint(k), B,
      blasint(n), 0, &C, blasint(n))
    return C
  }

  /// y = A x + beta y for row-major A [rows columns], on the calling thread.
  package static func apply(
    _ A: [Double], rows: Int, columns: Int, _ x: UnsafePointer<Double>, beta: Double = 0,
    into y: UnsafeMutablePointer<Double>
  ) {
    Gemm.useOneThread()
    cblas_dgemv(
      CblasRowMajor, CblasNoTrans, blasint(rows), blasint(columns), 1, A, blasint(columns), x, 1, beta, y, 1)
  }

  /// exp(A) for row-major A [n n]: scaled until its norm is at most ½, the Padé approximant of degree 8, squared back
  /// (Golub and Van Loan, "Matrix Computations", §9.3). The approximant's own error is below the rounding.
  package static func exponential(_ A: [Double], order n: Int) -> [Double] {
    let norm = (0..<n).map { row in (0..<n).reduce(0) { $0 + abs(A[row * n + $1]) } }.max() ?? 0
    var squarings = 0, scale = 1.0
    while norm * scale > 0.5 { (squarings, scale) = (squarings + 1, scale / 2) }
    let X = A.map { $0 * scale }, degree = 8
    var numerator = [Double](repeating: 0, count: n * n)
    for i in 0..<n { numerator[i * n + i] = 1 }
    var denominator = numerator, power = numerator, coefficient = 1.0
    for j in 1...degree {
      coefficient *= Double(degree - j + 1) / Double(j * (2 * degree - j + 1))
      power = product(power, X, m: n, n: n, k: n)
      for i in power.indices {
        numerator[i] += coefficient * power[i]
        denominator[i] += (j % 2 == 0 ? coefficient : -coefficient) * power[i]
      }
    }
    // The denominator is close to exp(−X / 2), whose norm is at most 1.3: it is never singular.
    guard var result = solve(denominator, order: n, numerator, columns: n) else {
      preconditionFailure("exponential: the matrix holds numbers that are not finite")
    }
    for _ in 0..<squarings { result = product(result, result, m: n, n: n, k: n) }
    return result
  }
}
