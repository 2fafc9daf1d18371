/// Factorisations of real matrices that are stored by columns, as LAPACK does: what fitting a system needs.

import COpenBLAS

/// A real matrix by columns.
package struct ColumnMatrix: Sendable {
  package let rows, columns: Int
  package var values: [Double]

  package init(rows: Int, columns: Int, _ values: [Double]? = nil) {
    (self.rows, self.columns) = (rows, columns)
    self.values = values ?? Array(repeating: 0, count: rows * columns)
    precondition(
      self.values.count == rows * columns,
      "ColumnMatrix: \(self.values.count) numbers for \(rows) × \(columns)")
  }
  package subscript(row: Int, column: Int) -> Double {
    get { values[column * rows + row] }
    set { values[column * rows + row] = newValue }
  }
  package var transposed: ColumnMatrix {
    var result = ColumnMatrix(rows: columns, columns: rows)
    for j in 0..<columns { for i in 0..<rows { result[j, i] = self[i, j] } }
    return result
  }
  /// The rows and columns from zero up to these.
  package func leading(rows: Int, columns: Int) -> ColumnMatrix { block(0, 0, rows: rows, columns: columns) }

  package func block(_ row: Int, _ column: Int, rows: Int, columns: Int) -> ColumnMatrix {
    var result = ColumnMatrix(rows: rows, columns: columns)
    for j in 0..<columns { for i in 0..<rows { result[i, j] = self[row + i, column + j] } }
    return result
  }
}

extension Lapack {
  /// A B, or Aᵀ B.
  package static func product(
    _ A: ColumnMatrix, transposed: Bool = false, _ B: ColumnMatrix
  ) -> ColumnMatrix {
    let (m, k) = transposed ? (A.columns, A.rows) : (A.rows, A.columns)
    precondition(k == B.rows, "product: \(m) × \(k) by \(B.rows) × \(B.columns)")
    var C = ColumnMatrix(rows: m, columns: B.columns)
    multiply(A.values, rows: A.rows, columns: A.columns, transposed: transposed, B, into: &C, row: 0)
    return C
  }

  /// Rows `row` and on of C become A B, or Aᵀ B, for the columns of A that lie back to back in `values`.
  package static func multiply(
    _ values: UnsafePointer<Double>, rows: Int, columns: Int, transposed: Bool, _ B: ColumnMatrix,
    into C: inout ColumnMatrix, row: Int
  ) {
    let (m, k) = transposed ? (columns, rows) : (rows, columns)
    precondition(row >= 0 && row + m <= C.rows && k == B.rows && C.columns == B.columns, "multiply: extents")
    guard m > 0, B.columns > 0, k > 0 else { return }
    Gemm.useOneThread()
    let stride = C.rows
    C.values.withUnsafeMutableBufferPointer { C in
      cblas_dgemm(
        CblasColMajor, transposed ? CblasTrans : CblasNoTrans, CblasNoTrans, blasint(m), blasint(B.columns),
        blasint(k), 1, values, blasint(rows), B.values, blasint(k), 0, C.baseAddress.map { $0 + row },
        blasint(stride))
    }
  }

  /// The eigenvalues of a square matrix, conjugates side by side; nil where the routine did not converge.
  package static func eigenvalues(_ A: ColumnMatrix) -> [(real: Double, imaginary: Double)]? {
    precondition(A.rows == A.columns, "eigenvalues: \(A.rows) × \(A.columns) is not square")
    guard A.rows > 0 else { return [] }
    Gemm.useOneThread()
    var matrix = A.values, n = Int32(A.rows), info: Int32 = 0, one: Int32 = 1, size = Int32(8 * A.rows)
    var real = [Double](repeating: 0, count: A.rows), imaginary = real, unused = [0.0], unusedToo = [0.0]
    var work = [Double](repeating: 0, count: Int(size))
    dgeev_(
      "N", "N", &n, &matrix, &n, &real, &imaginary, &unused, &one, &unusedToo, &one, &work, &size, &info)
    return info == 0 ? zip(real, imaginary).map { ($0, $1) } : nil
  }

  /// A = Q R for at least as many rows as columns: R, and Q in the place of A where it is asked for.
  @discardableResult
  package static func factorQR(_ A: inout ColumnMatrix, makesQ: Bool = true) -> ColumnMatrix {
    precondition(A.rows >= A.columns, "factorQR: \(A.rows) × \(A.columns) has too few rows")
    var R = ColumnMatrix(rows: A.columns, columns: A.columns)
    guard A.columns > 0 else { return R }
    Gemm.useOneThread()
    var m = Int32(A.rows), n = Int32(A.columns), size = Int32(64 * A.columns), info: Int32 = 0
    var tau = [Double](repeating: 0, count: A.columns), work = [Double](repeating: 0, count: Int(size))
    dgeqrf_(&m, &n, &A.values, &m, &tau, &work, &size, &info)
    for j in 0..<A.columns { for i in 0...j { R[i, j] = A[i, j] } }
    if makesQ { dorgqr_(&m, &n, &n, &A.values, &m, tau, &work, &size, &info) }
    return R
  }

  /// The singular values of a square matrix, largest first, and its left singular vectors; nil where the
  /// routine did not converge.
  package static func singularVectors(_ A: ColumnMatrix) -> (values: [Double], left: ColumnMatrix)? {
    precondition(A.rows == A.columns, "singularVectors: \(A.rows) × \(A.columns) is not square")
    guard A.rows > 0 else { return ([], A) }
    Gemm.useOneThread()
    let count = A.rows
    var matrix = A.values, n = Int32(count), info: Int32 = 0, size = Int32(6 * count * count + 8 * count)
    var values = [Double](repeating: 0, count: count), left = A, right = A.values
    var work = [Double](repeating: 0, count: Int(size)), whole = [Int32](repeating: 0, count: 8 * count)
    dgesdd_("A", &n, &n, &matrix, &n, &values, &left.values, &n, &right, &n, &work, &size, &whole, &info)
    return info == 0 ? (values, left) : nil
  }

  /// The x of smallest norm that minimises ‖A x − b‖; singular values below `cutoff` times the largest count
  /// as zero. Nil where the routine did not converge.
  package static func leastSquares(_ A: ColumnMatrix, _ b: [Double], cutoff: Double) -> [Double]? {
    precondition(b.count == A.rows, "leastSquares: \(b.count) numbers for \(A.rows) rows")
    guard A.columns > 0 else { return [] }
    Gemm.useOneThread()
    var m = Int32(A.rows), n = Int32(A.columns), one: Int32 = 1, larger = max(m, n), info: Int32 = 0
    var matrix = A.values, right = b + Array(repeating: 0, count: Int(larger) - b.count)
    var values = [Double](repeating: 0, count: Int(min(m, n))), rank: Int32 = 0, cutoff = cutoff
    // The first call only asks how much room the routine needs.
    var size: Int32 = -1, work = [0.0], whole: [Int32] = [0]
    for _ in 0..<2 {
      dgelsd_(
        &m, &n, &one, &matrix, &m, &right, &larger, &values, &cutoff, &rank, &work, &size, &whole, &info)
      guard info == 0, size < 0 else { break }
      size = Int32(work[0])
      work = Array(repeating: 0, count: Int(size))
      whole = Array(repeating: 0, count: Int(max(1, whole[0])))
    }
    return info == 0 ? Array(right.prefix(A.columns)) : nil
  }
}
