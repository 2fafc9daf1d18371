/// A data-dependent vector from two thin matrices, as RWKV-6 and RWKV-7 make decays, gates and rates.

import RunnelTensors

/// bias + f(x W₁) W₂, the matrices stored [in out].
struct LowRank: Sendable {
  /// W₁ [D R] and W₂ [R E].
  var inner, outer: Tensor
  /// [E], or absent.
  var bias: Tensor

  static var absent: LowRank { LowRank(inner: .absent, outer: .absent, bias: .absent) }

  func callAsFunction(_ x: Tensor, _ activation: Activation = .identity) -> Tensor {
    let hidden = product(x, inner)
    let y = product(activation == .identity ? hidden : activate(hidden, activation), outer)
    return bias.isEmpty ? y : added(y, bias)
  }
}
