/// What all tests share: random numbers, relative errors, central differences.

import RunnelTensors

extension Tensor {
  package var doubles: [Double] { scalars.map(Double.init) }
  package init(_ values: [Double], _ shape: Shape) { self.init(values.map(Float.init), shape) }
}

/// Random values for a test, the same for a seed.
package func random(_ shape: Shape, seed: UInt64, _ range: ClosedRange<Float> = -1...1) -> Tensor {
  var generator = SeededGenerator(seed: seed)
  return Tensor.uniform(shape, in: range, using: &generator)
}

/// ‖a − b‖ / ‖b‖ in Euclidean norm; infinite for a NaN or unequal counts, so that no comparison passes by it.
package func relativeError(_ a: [Double], _ b: [Double]) -> Double {
  guard a.count == b.count else { return .infinity }
  var difference = 0.0
  var norm = 0.0
  for (x, y) in zip(a, b) {
    difference += (x - y) * (x - y)
    norm += y * y
  }
  let error = difference.squareRoot() / max(norm.squareRoot(), 1e-30)
  return error.isNaN ? .infinity : (difference == 0 ? 0 : error)
}

package func relativeError(_ a: Tensor, _ b: Tensor) -> Double { relativeError(a.doubles, b.doubles) }
package func relativeError(_ a: Tensor, _ b: [Double]) -> Double { relativeError(a.doubles, b) }

package func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

/// The gradient of `f` at `x` by central differences in Double, whose step balances cut-off and rounding.
package func centralDifferences(at x: [Double], _ f: ([Double]) -> Double) -> [Double] {
  var x = x
  return x.indices.map { i in
    let old = x[i]
    let h = 1e-5 * max(1, abs(old))
    x[i] = old + h
    let above = f(x)
    x[i] = old - h
    let below = f(x)
    x[i] = old
    return (above - below) / (2 * h)
  }
}
