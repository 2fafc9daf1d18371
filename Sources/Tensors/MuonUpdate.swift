/// Muon (Jordan et al. 2024): momentum whose step is made orthogonal, for the matrices inside a model.

import CKernels
import RunnelKernels

/// One step on a matrix [m n]:
///
///     v ← μ v + (1 − μ) g,   u = μ v + (1 − μ) g,   O ≈ U Vᵀ of u = U Σ Vᵀ
///     w ← (1 − lr · decay) w − lr · 0.2 √max(m, n) · O
///
/// The factor is that of Moonlight (Liu et al. 2025): with it the elements of a step are on average as large as AdamW's, so that
/// one rate and one decay serve the matrices and what AdamW moves beside them.
package func muonUpdate(
  _ weight: inout Tensor, gradient: Tensor, velocity: inout Tensor, momentum: Double, _ scale: UpdateScale
) {
  check("muonUpdate", weight, gradient, [velocity])
  precondition(weight.shape.rank == 2, "muonUpdate: \(weight.shape) is not a matrix")
  var step = Tensor(uninitialized: weight.shape)
  velocity.mutate { v in
    step.changeElements {
      runnel_nesterov($0, gradient.base + $1, v + $1, $2, momentum, scale.gradient)
    }
  }
  step.orthogonalize()
  let rate = scale.learningRate * muonScale(weight.shape)
  let keep = 1 - scale.learningRate * scale.weightDecay
  weight.changeElements { runnel_move($0, $2, step.base + $1, keep, rate) }
}

/// 0.2 √max(m, n): the root of the mean square of AdamW's steps by that of an orthogonal matrix.
private func muonScale(_ shape: Shape) -> Double { 0.2 * Double(max(shape[0], shape[1])).squareRoot() }

extension Tensor {
  /// How often the polynomial is applied.
  private static let iterations = 5

  /// Replaces a matrix [m n] by about the nearest one whose singular values are equal: five times
  ///
  ///     X ← a X + (b A + c A²) X,   A = X Xᵀ,   a, b, c = 3.4445, −4.7750, 2.0315
  ///
  /// of X = G / ‖G‖, whose singular values end between 0.7 and 1.2, as the authors chose the polynomial for steepness at zero. Where
  /// m > n it is the same of the transposed: X ← a X + X (b A + c A²), A = Xᵀ X. How `Gemm.parallel` cuts the products changes no bit, so
  /// the bits do not depend on the number of threads.
  package mutating func orthogonalize() {
    let (m, n) = (shape[0], shape[1]), isWide = m <= n, (k, long) = (min(m, n), max(m, n))
    let (a, b, c): (Float, Float, Float) = (3.4445, -4.7750, 2.0315)
    // Where weights begin as zeros, norms behind them are small at first: a sum with a bound would make such steps shorter.
    scale(by: Float(1 / max(sumOfSquares.squareRoot(), 1e-7)))
    let gram = Tensor(uninitialized: [k, k]), polynomial = Tensor(uninitialized: [k, k])
    var next = Tensor(uninitialized: shape)
    func view(_ tensor: Tensor, _ transposition: Transposition = .none) -> MatrixView {
      MatrixView(tensor.base, rowStride: tensor.shape[1], transposition)
    }
    for _ in 0..<Self.iterations {
      Gemm.parallel(
        m: k, n: k, k: long, view(self, isWide ? .none : .transposed),
        view(self, isWide ? .transposed : .none), into: gram.storage.base, rowStride: k)
      polynomial.copyElements(of: gram)
      Gemm.parallel(
        m: k, n: k, k: k, alpha: c, view(gram), view(gram), beta: b, into: polynomial.storage.base,
        rowStride: k)
      next.copyElements(of: self)
      let (left, right) = isWide ? (polynomial, self) : (self, polynomial)
      Gemm.parallel(
        m: m, n: n, k: k, view(left), view(right), beta: a, into: next.storage.base, rowStride: n)
      swap(&self, &next)
    }
  }

  /// Writes the elements of an equally large tensor over those of one that nobody else holds.
  private func copyElements(of other: Tensor) {
    (storage.base + offset).update(from: other.base, count: count)
  }

  /// The floats that a step of Muon needs beside, for a matrix of this shape.
  package static func muonScratch(_ shape: Shape) -> Int {
    2 * (shape.elements + min(shape[0], shape[1]) * min(shape[0], shape[1]))
  }
}
