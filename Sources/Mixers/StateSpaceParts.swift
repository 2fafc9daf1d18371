/// What the state-space mixers share: the gated unit behind the system.

import RunnelTensors

/// a ⊙ σ(b) for (a, b) = W gelu(y) + bias: the output of S4, S4D, LRU and the HiPPO cell.
struct GatedUnit: Sendable {
  /// [2D E].
  let weight: Weight
  /// [2D].
  let bias: Tensor

  init(width D: Int, channels E: Int, from p: Parameters) {
    weight = p.matrix("output_linear.weight", [2 * D, E], .residual)
    bias = p.tensor("output_linear.bias", [2 * D])
  }

  /// [B T E] → [B T D].
  func callAsFunction(_ y: Tensor) -> Tensor {
    let D = bias.count / 2
    let halves = linear(activate(y, .gelu), weight, bias: bias, sizes: [D, D])
    return gated(halves[0], by: halves[1], .sigmoid)
  }
}

extension Beginning {
  /// The same row of numbers over and over.
  static func repeated(_ row: @escaping @Sendable () -> [Double]) -> Beginning {
    made { shape, _ in
      let row = row()
      return Tensor((0..<shape.elements).map { Float(row[$0 % row.count]) }, shape)
    }
  }
}
