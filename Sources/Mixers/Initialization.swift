/// The distributions that parameters start from.

import RunnelKernels
import RunnelTensors

extension Tensor {
  /// A weight [out in], uniform on ±1/√in: the default of the frameworks in which these architectures were published.
  package static func weight(
    _ output: Int, _ input: Int, using generator: inout some RandomNumberGenerator
  ) -> Tensor {
    let bound = 1 / Float(input).squareRoot()
    return uniform([output, input], in: -bound...bound, using: &generator)
  }

  /// The inverse softplus of step sizes that are log-uniform on [low, high], clamped from below (Mamba §3.6).
  package static func softplusSteps(
    _ count: Int, low: Double, high: Double, floor: Double, using generator: inout some RandomNumberGenerator
  ) -> Tensor {
    let (from, to) = (naturalLogarithm(low), naturalLogarithm(high))
    return Tensor(
      (0..<count).map { _ in
        let dt = max(exponential(from + (to - from) * generator.uniform()), floor)
        // softplus⁻¹(dt) = dt + log(1 − exp(−dt))
        return Float(dt + naturalLogarithm(1 - exponential(-dt)))
      })
  }

  /// A matrix whose shorter side is orthonormal, times `gain`; Gram-Schmidt in Double, so for low ranks.
  package static func orthogonal(
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
