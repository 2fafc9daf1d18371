/// What the state-space mixers share: step sizes to start from, and the gated unit behind the system.

import RunnelKernels
import RunnelTensors

/// a ⊙ σ(b) for (a, b) = W gelu(y) + bias: the output of S4, S4D, LRU and the HiPPO cell.
struct GatedUnit: Sendable {
  /// [2D E].
  var weight: Weight
  /// [2D].
  var bias: Tensor

  init(width D: Int, channels E: Int, using generator: inout some RandomNumberGenerator) {
    weight = .weight(2 * D, E, using: &generator)
    bias = Tensor(zeros: [2 * D])
  }

  /// [B T E] → [B T D].
  func callAsFunction(_ y: Tensor) -> Tensor {
    let D = bias.count / 2
    let halves = linear(activate(y, .gelu), weight, bias: bias, sizes: [D, D])
    return gated(halves[0], by: halves[1], .sigmoid)
  }
}

extension Tensor {
  /// log Δ for steps that are log-uniform between the two.
  static func logSteps(
    _ shape: Shape, from smallest: Double, to largest: Double,
    using generator: inout some RandomNumberGenerator
  ) -> Tensor {
    .uniform(
      shape, in: Float(naturalLogarithm(smallest))...Float(naturalLogarithm(largest)), using: &generator)
  }
}
