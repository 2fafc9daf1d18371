/// A data-dependent vector from two thin matrices, as RWKV-6 and RWKV-7 make decays, gates and rates.

import RunnelTensors

/// bias + f(x W₁) W₂, the matrices stored [in out].
struct LowRank: Sendable {
  /// W₁ [D R] and W₂ [R E].
  let inner, outer: Weight
  /// [E], or absent.
  let bias: Tensor

  /// W₁ begins as zeros, as the authors of RWKV start it.
  ///
  /// - Parameter names: of the bias, of W₁ and of W₂.
  init(
    _ names: (bias: String, inner: String, outer: String), _ D: Int, _ R: Int, _ E: Int,
    bias: (traits: ParameterTraits, beginning: Beginning)?, outer: Beginning, if present: Bool = true,
    from p: Parameters
  ) {
    self.bias = p.tensor(
      names.bias, [E], bias?.traits ?? .exempt, bias?.beginning ?? .zeros, if: present && bias != nil)
    inner = p.matrix(names.inner, [D, R], .exempt, .zeros, layout: .inputByOutput, if: present)
    self.outer = p.matrix(names.outer, [R, E], .exempt, outer, layout: .inputByOutput, if: present)
  }

  func callAsFunction(_ x: Tensor, _ activation: Activation = .identity) -> Tensor {
    let y = product(activate(product(x, inner), activation), outer)
    return bias.isEmpty ? y : added(y, bias)
  }
}

extension Beginning {
  /// A matrix whose shorter side is orthonormal, times `gain`; Gram-Schmidt in Double, so for low ranks.
  static func orthogonal(gain: Double = 1) -> Beginning {
    made { shape, generator in
      let (rows, columns) = (shape[0], shape[1])
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
        }, shape)
    }
  }
}
