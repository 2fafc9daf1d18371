/// flash-linear-attention's `hgrn2`: its table of lower bounds becomes a row of each layer.

import RunnelKernels
import RunnelMixers
import RunnelModels
import RunnelTensors

extension ForeignFamily {
  static let hgrn2 = flashLinearAttention("hgrn2", mixers: ["hgrn2"]) { json in
    let width = try json.count("hidden_size")
    var ratio = try json.count("expand_ratio", default: 128)
    if !json.contains("expand_ratio"), json.contains("num_heads") {
      ratio = width / max(1, try json.count("num_heads"))
    }
    guard ratio > 0, width % ratio == 0 else {
      throw json.error("expand_ratio", expected: "a divisor of the width \(width)")
    }
    var model = try json.flashModel(
      MixerChoice(
        HGRN2.self,
        HGRN2.Configuration(
          width: width, heads: width / ratio, keyWidth: ratio,
          hasLowerBound: try json.flag("use_lower_bound", default: true),
          convolutionWidth: try json.convolutionWidth(isDefault: false),
          // The fused norm and projection there takes no other ε.
          hasNormScale: try json.flag("elementwise_affine", default: true), normEpsilon: 1e-5)))
    let table: Shape = [model.configuration.layers, width]
    model.names.derived["mixer.lower_bound_logit"] = { layer in
      ForeignOrigin(name: "model.lower_bounds", shape: table) {
        boundLogit($0.reshaped(table), layer: layer)
      }
    }
    return model
  }
}

/// The logit of β_l = Σ_{1 ≤ i ≤ l} p_i for p = softmax over the layers of the table [L D].
private func boundLogit(_ table: Tensor, layer: Int) -> Tensor {
  let (layers, width) = (table.shape[0], table.shape[1])
  let values = table.scalars.map(Double.init)
  return Tensor(
    (0..<width).map { channel in
      let column = (0..<layers).map { values[$0 * width + channel] }
      let largest = column.max() ?? 0
      let weights = column.map { exponential($0 - largest) }
      let bound = weights[1...layer].reduce(0, +), rest = weights.reduce(0, +) - bound
      return Float(naturalLogarithm(bound / rest))
    })
}
