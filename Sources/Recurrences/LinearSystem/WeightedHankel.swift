/// The Hankel matrix of a filter, weighted so that its Frobenius norm is the filter's own norm: what tells how
/// many states a recurrence needs, and where its poles lie.
///
///     H_ij = k_{i+j+1}        M = diag(w) H diag(w),   w_i² = C(2i, i) / 4^i
///
/// The impulse response of N states has a Hankel matrix of rank N (Kronecker; Ho and Kalman 1966). The w_i² are
/// the coefficients of (1 − z)^(−1/2), whose square is 1 + z + z² + …: so Σ_{i+j=t} w_i² w_j² = 1, and
/// ‖M‖_F = ‖k‖₂ over the taps whose antidiagonals are whole, at most that with the others. For the error e = k − k̂
/// of any N states, M − M̂ is its matrix and M̂ has rank N, hence by Eckart and Young
///
///     ‖e‖₂ ≥ ‖M − M̂‖_F ≥ (Σ_{n>N} σ_n(M)²)^(1/2):
///
/// a bound that no recurrence of N states can pass, as σ_{N+1} of the plain H bounds the Hankel norm (Adamjan,
/// Arov and Krein 1971). The leading singular vectors come from a random sketch (Halko et al. 2011, algorithm 4.4
/// with one iteration), whose singular values are never larger than the true ones, so the bound holds for them.

import RunnelKernels
import RunnelTensors

struct WeightedHankel {
  /// k_1, k_2, …: the taps behind the direct term.
  private let taps: [Double]
  private let rows, columns: Int
  private let weights: [Double]
  /// The leading singular values, largest first.
  private(set) var singularValues: [Double] = []
  /// What the poles are read from: least squares for the shift of the singular vectors, and their last row.
  private var shift = ColumnMatrix(rows: 0, columns: 0)
  private var lastRow: [Double] = []

  /// Of at least one tap.
  init(taps: [Double]) {
    self.taps = taps
    rows = taps.count / 2 + 1
    columns = taps.count + 1 - rows
    var square = 1.0
    weights = (0..<rows).map { i in
      if i > 0 { square *= Double(2 * i - 1) / Double(2 * i) }
      return square.squareRoot()
    }
  }

  /// The most states that the matrix can tell of.
  var largestOrder: Int { min(rows - 1, columns) }

  /// A lower bound of ‖k − k̂‖₂ for every k̂ of this many states.
  func leastError(states: Int) -> Double {
    singularValues.dropFirst(states).reduce(0) { $0 + $1 * $1 }.squareRoot()
  }

  /// M X, or Mᵀ X. H is never stored: a block of its rows is copied out of the taps and multiplied.
  private func product(transposed: Bool, _ X: ColumnMatrix) -> ColumnMatrix {
    let (m, n) = transposed ? (columns, rows) : (rows, columns)
    var weighted = X
    for j in 0..<X.columns { for i in 0..<n { weighted[i, j] *= weights[i] } }
    var Y = ColumnMatrix(rows: m, columns: X.columns)
    let height = min(m, 64)
    var block = [Double](repeating: 0, count: height * n)
    for first in stride(from: 0, to: m, by: height) {
      let count = min(height, m - first)
      block.withUnsafeMutableBufferPointer { block in
        for i in 0..<count {
          for j in 0..<n { block[i * n + j] = taps[first + i + j] }
        }
      }
      // Rows of H are columns to LAPACK.
      Lapack.multiply(block, rows: n, columns: count, transposed: true, weighted, into: &Y, row: first)
    }
    for j in 0..<Y.columns { for i in 0..<m { Y[i, j] *= weights[i] } }
    return Y
  }

  /// Finds at least `rank` leading singular vectors, or all there are.
  mutating func sketch(rank: Int) {
    let size = min(rank + 8, rows, columns)
    guard size > singularValues.count else { return }
    var generator = SeededGenerator(seed: 1)
    var Q = product(
      transposed: false,
      ColumnMatrix(rows: columns, columns: size, (0..<columns * size).map { _ in generator.normal() }))
    Lapack.factorQR(&Q)
    var Z = product(transposed: true, Q)
    Lapack.factorQR(&Z)
    Q = product(transposed: false, Z)
    Lapack.factorQR(&Q)
    // Qᵀ M = (Z R)ᵀ = Rᵀ Zᵀ: the left singular vectors are Q times those of Rᵀ.
    Z = product(transposed: true, Q)
    let R = Lapack.factorQR(&Z, makesQ: false)
    guard let (values, left) = Lapack.singularVectors(R.transposed) else { return }
    let U = Lapack.product(Q, left)
    singularValues = values
    makeShift(U)
  }

  /// The column space of H is spanned by O = diag(1/w) U, and moves on by one row as the state by one step: O A
  /// without its last row is O without its first (Kung 1978). Weighted by w, least squares for A are
  ///
  ///     U₋ᵀ U₋ A = U₋ᵀ diag(w_i / w_{i+1}) U₊,   U₋ᵀ U₋ = I − u uᵀ
  ///
  /// with U₋ and U₊ U without its last and its first row, u its last row. For fewer states these are the leading
  /// blocks.
  private mutating func makeShift(_ U: ColumnMatrix) {
    let r = U.columns
    var before = ColumnMatrix(rows: rows - 1, columns: r), after = before
    for j in 0..<r {
      for i in 0..<rows - 1 {
        before[i, j] = U[i, j]
        after[i, j] = weights[i] / weights[i + 1] * U[i + 1, j]
      }
    }
    shift = Lapack.product(before, transposed: true, after)
    lastRow = (0..<r).map { U[rows - 1, $0] }
  }

  /// The eigenvalues of A for so many states; of conjugates the one above the real axis.
  func poles(states N: Int) -> [Complex] {
    var A = shift.leading(rows: N, columns: N)
    let u = lastRow.prefix(N), rest = max(1 - u.reduce(0) { $0 + $1 * $1 }, 1e-12)
    for j in 0..<N {
      let along = (0..<N).reduce(0) { $0 + u[$1] * A[$1, j] } / rest
      for i in 0..<N { A[i, j] += u[i] * along }
    }
    return (Lapack.eigenvalues(A) ?? []).filter { $0.imaginary >= 0 }.map { Complex($0.real, $0.imaginary) }
  }
}
