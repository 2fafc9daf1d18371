/// The fused operations again, as plain Double loops: what the tests of RunnelTensors compare with.

import RunnelKernels
import RunnelTensors

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

package func siluReference(_ x: [Double]) -> [Double] { x.map { $0 / (1 + exponential(-$0)) } }

package func gatedNormReference(
  _ x: [Double], gate: [Double], scale: [Double], epsilon: Double, groups: Int, normBeforeGate: Bool
) -> [Double] {
  let silu = siluReference(gate)
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

/// One channel-wise filter over time, token by token: `x` [B T D], `weight` [D W], `window` [B W−1 D] → the sums before
/// the activation [B T D] and the window behind the segment.
package func causalConvolutionReference(
  _ x: [Double], weight: [Double], bias: [Double], window: [Double], resets: Resets, batch: Int, taps: Int
) -> (sums: [Double], window: [Double]) {
  let width = bias.count
  let length = x.count / (batch * width)
  var y = x
  var window = window
  let stride = (taps - 1) * width
  for row in 0..<batch {
    var memory = Array(window[row * stride..<(row + 1) * stride])
    for t in 0..<length {
      if resets.starts(row: row).contains(t) { memory = memory.map { _ in 0 } }
      let start = (row * length + t) * width
      memory += x[start..<start + width]
      for d in 0..<width {
        y[start + d] = (0..<taps).reduce(bias[d]) { $0 + weight[d * taps + $1] * memory[$1 * width + d] }
      }
      memory.removeFirst(width)
    }
    window.replaceSubrange(row * stride..<(row + 1) * stride, with: memory)
  }
  return (y, window)
}

/// `x` [positions H K] with pair i of each head turned by position · frequency i.
package func rotaryReference(
  _ x: [Double], positions: [Int32], frequencies: [Double], heads: Int, interleaved: Bool
) -> [Double] {
  let half = frequencies.count
  var y = x
  for row in 0..<positions.count * heads {
    for i in 0..<half {
      let a = row * 2 * half + (interleaved ? 2 * i : i)
      let b = row * 2 * half + (interleaved ? 2 * i + 1 : half + i)
      let angle = Double(positions[row / heads]) * frequencies[i]
      y[a] = x[a] * cosine(angle) - x[b] * sine(angle)
      y[b] = x[a] * sine(angle) + x[b] * cosine(angle)
    }
  }
  return y
}
