/// Least squares for a filter as a sum of decaying waves: the residues for given poles, and steps that move the
/// poles (variable projection: Golub and Pereyra 1973, in Kaufman's form of 1975).
///
///     k_t ≈ Re Σ_n c_n λ_n^t,   t = 1, 2, …
///
/// What is minimised is ‖k − k̂‖² + ε² Σ_n |c_n|² ‖column n‖²: the second term is what rounding the c_n to numbers of
/// precision ε will cost, so poles that lie so close that their waves cancel are moved apart where that pays.

import RunnelKernels

struct ModalFit {
  /// One of each conjugate pair, above or on the real axis, none outside the unit circle.
  private(set) var poles: [Complex]
  /// Of a pair, doubled: the real part alone counts.
  private(set) var residues: [Complex] = []
  /// The square root of what is minimised.
  private(set) var objective = Double.infinity
  private let taps: [Double]
  private let precision: Double
  /// Basis · coefficients = taps; a real pole has one column, a pair two. Each column has length one with the
  /// tap at t = 0, whose sum the direct term must cancel.
  private var basis: ColumnMatrix
  private var coefficients: [Double] = []
  private var scales: [Double] = []

  /// - Parameters: taps: k_1, k_2, …; precision: the relative rounding of residues.
  init(poles: [Complex], taps: [Double], precision: Double) {
    (self.poles, self.taps, self.precision) = (poles, taps, precision)
    basis = ColumnMatrix(rows: taps.count, columns: poles.reduce(0) { $0 + ($1.imaginary == 0 ? 1 : 2) })
    makeBasis()
    solve()
  }

  /// The states, in real numbers.
  var order: Int { basis.columns }

  private mutating func makeBasis() {
    let T = taps.count, poles = poles
    scales = []
    var column = 0
    basis.values.withUnsafeMutableBufferPointer { values in
      for pole in poles {
        let first = column * T, isReal = pole.imaginary == 0
        var power = pole, (sum, sumToo) = (1.0, 1.0)
        for t in 0..<T {
          values[first + t] = power.real
          sum += power.real * power.real
          if !isReal {
            values[first + T + t] = -power.imaginary
            sumToo += power.imaginary * power.imaginary
          }
          power = power * pole
        }
        for (offset, sum) in isReal ? [(0, sum)] : [(0, sum), (T, sumToo)] {
          let scale = sum.squareRoot()
          scales.append(scale)
          for t in 0..<T { values[first + offset + t] /= scale }
        }
        column += isReal ? 1 : 2
      }
    }
  }

  /// The basis over ε I, with as many more columns of zeros.
  private func system(extra: Int) -> ColumnMatrix {
    let T = taps.count, N = order
    var A = ColumnMatrix(rows: T + N, columns: N + extra)
    for j in 0..<N {
      for t in 0..<T { A[t, j] = basis[t, j] }
      A[T + j, j] = precision
    }
    return A
  }

  private mutating func solve() {
    let T = taps.count, N = order
    guard N > 0 else {
      objective = taps.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return
    }
    var A = system(extra: 1)
    for t in 0..<T { A[t, N] = taps[t] }
    let R = Lapack.factorQR(&A, makesQ: false)
    objective = abs(R[N, N])
    coefficients =
      Lapack.leastSquares(
        R.leading(rows: N, columns: N), (0..<N).map { R[$0, N] }, cutoff: 0x1p-52)
      ?? Array(repeating: 0, count: N)
    if !objective.isFinite { objective = .infinity }
    var column = 0
    residues = poles.map { pole in
      let re = coefficients[column] / scales[column]
      defer { column += pole.imaginary == 0 ? 1 : 2 }
      return Complex(re, pole.imaginary == 0 ? 0 : coefficients[column + 1] / scales[column + 1])
    }
  }

  /// Moves the poles until the objective is at most `target`, gains little, or `limit` steps are done.
  mutating func refine(to target: Double, limit: Int) {
    var damping = 1e-3
    for _ in 0..<limit where objective > target && order > 0 {
      guard let (R, right, lengths) = linearised() else { return }
      var next: ModalFit?
      for _ in 0..<4 {
        if let moved = step(R, right, lengths, damping), moved.objective < objective {
          next = moved
          break
        }
        damping *= 10
      }
      guard let next else { return }
      let gain = next.objective / objective
      self = next
      damping = max(damping / 10, 1e-12)
      if gain > (objective > 3 * target ? 0.95 : 0.99) { return }
    }
  }

  /// The residual against moves of log λ, with what the residues can follow taken out: R d ≈ right.
  private func linearised() -> (R: ColumnMatrix, right: [Double], lengths: [Double])? {
    let T = taps.count, N = order
    var A = system(extra: N + 1), lengths: [Double] = [], column = 0
    for (pole, c) in zip(poles, residues) {
      // d Re(c λ^t) / d log λ = t c λ^t, whose real part moves with Re log λ and −imaginary part with Im log λ.
      let isReal = pole.imaginary == 0, (s, sToo) = (scales[column], isReal ? 0 : scales[column + 1])
      for t in 0..<T {
        let wave = Complex(basis[t, column] * s, isReal ? 0 : -basis[t, column + 1] * sToo)
        let slope = Double(t + 1) * (c * wave)
        A[t, N + column] = slope.real
        if !isReal { A[t, N + column + 1] = -slope.imaginary }
      }
      column += isReal ? 1 : 2
    }
    for j in N..<2 * N {
      let length = (0..<T).reduce(0) { $0 + A[$1, j] * A[$1, j] }.squareRoot()
      lengths.append(length)
      if length > 0 { for t in 0..<T { A[t, j] /= length } }
    }
    for t in 0..<T { A[t, 2 * N] = taps[t] }
    for j in 0..<N { for t in 0..<T { A[t, 2 * N] -= basis[t, j] * coefficients[j] } }
    for j in 0..<N { A[T + j, 2 * N] = -precision * coefficients[j] }
    guard A.rows >= A.columns else { return nil }
    let R = Lapack.factorQR(&A, makesQ: false)
    return (R.block(N, N, rows: N, columns: N), (0..<N).map { R[N + $0, 2 * N] }, lengths)
  }

  /// The fit whose poles the damped step leads to.
  private func step(
    _ R: ColumnMatrix, _ right: [Double], _ lengths: [Double], _ damping: Double
  ) -> ModalFit? {
    let N = order
    var A = ColumnMatrix(rows: 2 * N, columns: N)
    for j in 0..<N {
      for i in 0...j { A[i, j] = R[i, j] }
      A[N + j, j] = damping.squareRoot()
    }
    guard
      let move = Lapack.leastSquares(A, right + Array(repeating: 0, count: N), cutoff: 0x1p-52),
      move.allSatisfy(\.isFinite)
    else { return nil }
    func change(_ j: Int) -> Double { lengths[j] > 0 ? move[j] / lengths[j] : 0 }
    var column = 0
    let moved = poles.map { pole in
      let isReal = pole.imaginary == 0
      defer { column += isReal ? 1 : 2 }
      return pole * .exponential(Complex(change(column), isReal ? 0 : change(column + 1)))
    }
    return ModalFit(poles: moved.map(\.stable), taps: taps, precision: precision)
  }
}

extension Complex {
  var size: Double { (real * real + imaginary * imaginary).squareRoot() }

  /// Above or on the real axis and inside or on the unit circle, onto which what grows is moved: over the taps
  /// that are known, that changes it less than to mirror it there.
  var stable: Complex {
    guard real.isFinite, imaginary.isFinite else { return Complex(0.5, 0) }
    let above = Complex(real, abs(imaginary))
    if size <= 1 { return above }
    var inside = (1 / size) * above
    while inside.size > 1 { inside = (1 - 0x1p-52) * inside }
    return inside
  }
}
