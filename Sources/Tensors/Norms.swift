/// Normalisation along the last axis, the scale, bias and gate fused in.
///
/// The last axis D is cut into `groups` equal parts, each normalised by itself: one for the norms of a block, the
/// heads for a norm per head. `scale` and `bias` are [D], or absent.

import CKernels
import RunnelKernels

/// x / √(mean(x²) + ε) · scale.
public func rmsNorm(_ x: Tensor, scale: Tensor = .absent, epsilon: Float, groups: Int = 1) -> Tensor {
  let width = groupWidth(x, groups, scale, nil, "rmsNorm")
  Profiler.begin(.norms)
  defer { Profiler.end() }
  let s = filled(scale, 1, x.shape.width)
  let y = Tensor(x.shape) { y in
    splitRows(x.shape.rows, width: x.shape.width) {
      let i = $0.lowerBound * x.shape.width
      runnel_rms_norm($0.count, groups, width, epsilon, x.base + i, s.base, y + i)
    }
  }
  guard isTracked(x, scale) else { return y }
  return record(y, from: [x, scale]) { [x = x.detached, s = s.detached, hasScale = scale.isTracked] dy in
    let dx = Tensor(uninitialized: x.shape)
    let dscale = sumOverRowBlocks(rows: x.shape.rows, width: x.shape.width) { range, dscale in
      let i = range.lowerBound * x.shape.width
      runnel_rms_norm_backward(
        range.count, groups, width, epsilon, x.base + i, s.base, dy.base + i, dx.storage.base + i, dscale)
    }
    return [dx, hasScale ? dscale : nil]
  }
}

/// (x − mean(x)) / √(variance(x) + ε) · scale + bias.
public func layerNorm(
  _ x: Tensor, scale: Tensor = .absent, bias: Tensor? = nil, epsilon: Float, groups: Int = 1
) -> Tensor {
  let width = groupWidth(x, groups, scale, bias, "layerNorm")
  let bias = bias ?? .absent
  Profiler.begin(.norms)
  defer { Profiler.end() }
  let s = filled(scale, 1, x.shape.width)
  let b = filled(bias, 0, x.shape.width)
  let y = Tensor(x.shape) { y in
    splitRows(x.shape.rows, width: x.shape.width) {
      let i = $0.lowerBound * x.shape.width
      runnel_layer_norm($0.count, groups, width, epsilon, x.base + i, s.base, b.base, y + i)
    }
  }
  guard isTracked(x, scale, bias) else { return y }
  let (hasScale, hasBias) = (scale.isTracked, bias.isTracked)
  return record(y, from: [x, scale, bias]) { [x = x.detached, s = s.detached] dy in
    let d = x.shape.width
    let dx = Tensor(uninitialized: x.shape)
    let sums = sumOverRowBlocks(rows: x.shape.rows, width: 2 * d) { range, sums in
      let i = range.lowerBound * d
      runnel_layer_norm_backward(
        range.count, groups, width, epsilon, x.base + i, s.base, dy.base + i, dx.storage.base + i, sums,
        sums + d)
    }.reshaped([2, d])
    return [
      dx, hasScale ? sums.rows(0..<1).reshaped([d]) : nil, hasBias ? sums.rows(1..<2).reshaped([d]) : nil,
    ]
  }
}

/// The gated norms before an output projection: rmsNorm(x · silu(gate)) as in Mamba-2, or with `normBeforeGate`
/// rmsNorm(x) · silu(gate) as in RetNet.
public func gatedRMSNorm(
  _ x: Tensor, gate: Tensor, scale: Tensor = .absent, epsilon: Float, groups: Int = 1, normBeforeGate: Bool
) -> Tensor {
  precondition(
    x.shape == gate.shape, "gatedRMSNorm: \(x.shape) by a gate of \(gate.shape); they must be equal")
  let width = groupWidth(x, groups, scale, nil, "gatedRMSNorm")
  let normFirst: Int32 = normBeforeGate ? 1 : 0
  Profiler.begin(.norms)
  defer { Profiler.end() }
  let s = filled(scale, 1, x.shape.width)
  let y = Tensor(x.shape) { y in
    splitRows(x.shape.rows, width: x.shape.width) {
      let i = $0.lowerBound * x.shape.width
      runnel_gated_rms_norm(
        normFirst, $0.count, groups, width, epsilon, x.base + i, gate.base + i, s.base, y + i)
    }
  }
  guard isTracked(x, gate, scale) else { return y }
  let hasScale = scale.isTracked
  return record(y, from: [x, gate, scale]) { [x = x.detached, gate = gate.detached, s = s.detached] dy in
    let dx = Tensor(uninitialized: x.shape)
    let dgate = Tensor(uninitialized: x.shape)
    let dscale = sumOverRowBlocks(rows: x.shape.rows, width: x.shape.width) { range, dscale in
      let i = range.lowerBound * x.shape.width
      runnel_gated_rms_norm_backward(
        normFirst, range.count, groups, width, epsilon, x.base + i, gate.base + i, s.base, dy.base + i,
        dx.storage.base + i, dgate.storage.base + i, dscale)
    }
    return [dx, dgate, hasScale ? dscale : nil]
  }
}

/// The width of a group, after the shapes have been checked.
private func groupWidth(
  _ x: Tensor, _ groups: Int, _ scale: Tensor, _ bias: Tensor?, _ name: StaticString
) -> Int {
  let d = x.shape.width
  precondition(
    groups > 0 && d % groups == 0, "\(name): \(groups) groups do not divide the last axis of \(x.shape)")
  precondition(
    scale.isEmpty || scale.count == d, "\(name): a scale of \(scale.shape) for \(x.shape); it must be [\(d)]")
  precondition(
    bias?.isEmpty != false || bias?.count == d,
    "\(name): a bias of \(bias?.count ?? 0) elements for \(x.shape); it must be [\(d)]")
  return d / groups
}

/// An absent vector as the constant that changes nothing, so that the loops know one case only.
private func filled(_ vector: Tensor, _ value: Float, _ width: Int) -> Tensor {
  vector.isEmpty ? Tensor(repeating: value, [width]) : vector
}
