/// A data-dependent vector from two thin matrices, as RWKV-6 and RWKV-7 make decays, gates and rates.

import RunnelTensors

/// bias + f(x W₁) W₂, the matrices stored [in out].
struct LowRank: Sendable {
  /// W₁ [D R] and W₂ [R E].
  var inner, outer: Weight
  /// [E], or absent.
  var bias: Tensor

  init(inner: Weight, outer: Weight, bias: Tensor) {
    (self.inner, self.outer, self.bias) = (inner, outer, bias)
  }
  /// W₁ of zeros, and W₂ as `makeOuter` gives it, as the authors of RWKV start them.
  init<Generator: RandomNumberGenerator>(
    _ D: Int, _ R: Int, _ E: Int, bias: Tensor, using generator: inout Generator,
    makeOuter: (inout Generator) -> Tensor
  ) {
    inner = .zeros([D, R], .inputByOutput, using: &generator)
    outer = .made([R, E], .inputByOutput, using: &generator, by: makeOuter)
    self.bias = bias
  }

  static var absent: LowRank { LowRank(inner: .absent, outer: .absent, bias: .absent) }

  func callAsFunction(_ x: Tensor, _ activation: Activation = .identity) -> Tensor {
    let y = product(activate(product(x, inner), activation), outer)
    return bias.isEmpty ? y : added(y, bias)
  }
}

extension Tensor {
  /// A matrix whose shorter side is orthonormal, times `gain`; Gram-Schmidt in Double, so for low ranks.
  static func orthogonal(
    _ rows: Int, _ columns: Int, gain: Double = 1, using generator: inout some RandomNumberGenerator
  ) -> Tensor {
    let (count, length) = (min(rows, columns), max(rows, columns))
    var vectors: [[Double]] = []
    for _ in 0..<count {
      var vector = (0..<length).map { _ in generator.normal() }
      // Twice, since once leaves what rounding put back.
      for _ in 0..<2 {
        for other in vectors {
          let part = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
          for i in 0..<length { vector[i] -= part * other[i] }
        }
      }
      let size = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      vectors.append(vector.map { $0 / size })
    }
    return Tensor(
      (0..<rows * columns).map { index in
        let (row, column) = (index / columns, index % columns)
        return Float(gain * (rows <= columns ? vectors[row][column] : vectors[column][row]))
      }, [rows, columns])
  }
}
