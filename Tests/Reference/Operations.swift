/// The fused operations again, as plain Double loops: what the tests of RunnelTensors compare with.

import RunnelKernels

/// Shapes as in `rmsNorm` and `layerNorm`: rows of `scale.count` elements in `groups` groups.
package func normReference(
  _ x: [Double], scale: [Double], bias: [Double]? = nil, epsilon: Double, groups: Int, centred: Bool
) -> [Double] {
  let width = scale.count / groups
  var y = x
  for start in stride(from: 0, to: x.count, by: width) {
    let group = x[start..<start + width]
    let mean = centred ? group.reduce(0, +) / Double(width) : 0
    let variance = group.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
    for i in group.indices {
      let d = i % scale.count
      y[i] = (x[i] - mean) / (variance + epsilon).squareRoot() * scale[d] + (bias?[d] ?? 0)
    }
  }
  return y
}

package func gatedNormReference(
  _ x: [Double], gate: [Double], scale: [Double], epsilon: Double, groups: Int, normBeforeGate: Bool
) -> [Double] {
  let silu = gate.map { $0 / (1 + exponential(-$0)) }
  func norm(_ x: [Double]) -> [Double] {
    normReference(x, scale: scale, epsilon: epsilon, groups: groups, centred: false)
  }
  return normBeforeGate ? product(norm(x), silu) : norm(product(x, silu))
}

private func product(_ x: [Double], _ y: [Double]) -> [Double] { zip(x, y).map { $0 * $1 } }

/// The losses in nats per row of `logits` [rows V], zero for a target of −1, after their mean over the other rows.
package func crossEntropyReference(_ logits: [Double], targets: [Int32]) -> [[Double]] {
  let vocabulary = logits.count / max(1, targets.count)
  let losses = targets.enumerated().map { row, target in
    guard target >= 0 else { return 0.0 }
    let z = logits[row * vocabulary..<(row + 1) * vocabulary]
    return naturalLogarithm(z.reduce(0) { $0 + exponential($1) }) - z[z.startIndex + Int(target)]
  }
  let valid = targets.count { $0 >= 0 }
  return [[losses.reduce(0, +) / Double(max(1, valid))], losses]
}
