/// flash-linear-attention's `hgrn2`: its table of lower bounds becomes a row of each layer.

import RunnelKernels
import RunnelMixers
import RunnelModels
import RunnelTensors

extension ForeignFamily {
  static let hgrn2 = flash(
    "hgrn2", "HGRN2ForCausalLM", HGRN2.self,
    [
      .headWidth("expand_ratio", \.keyWidth, or: "num_heads", \.heads, default: 128),
      .flag("use_lower_bound", \.hasLowerBound, default: true),
      .shortConvolution(\.convolutionWidth, isDefault: false),
      .flag("elementwise_affine", \.hasNormScale, default: true, null: false),
      // The fused norm and projection there takes no other ε.
      .fixed { $0.normEpsilon = 1e-5 },
    ]
  ) { names, _, model in
    let name = "model.lower_bounds", table: Shape = [model.layers, model.width]
    names.derived["mixer.lower_bound_logit"] = { layer in
      ForeignOrigin(
        name: name, shape: table,
        change: ForeignChange(read: { boundLogit($0, layer: layer) }, write: boundTable))
    }
    // The table of a single layer bounds nothing.
    if model.layers == 1, model.first(HGRN2.self)?.hasLowerBound == true { names.unused[name] = table }
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

/// The table [L D] whose softmax has these bounds as its sums, from the logits [D] of β_l for the layers behind the
/// first: p_l = β_l − β_{l−1}, and p_0 is what is left.
private func boundTable(_ logits: [Tensor]) throws -> Tensor {
  func share(_ x: Double) -> Double { 1 / (1 + exponential(-x)) }
  let width = logits.first?.count ?? 0
  var table = [Float](repeating: 0, count: (logits.count + 1) * width)
  for channel in 0..<width {
    let bounds = logits.map { share(Double($0[channel])) }
    table[channel] = Float(naturalLogarithm(share(-Double(logits[logits.count - 1][channel]))))
    for (row, bound) in bounds.enumerated() {
      let part = row == 0 ? bound : bound - bounds[row - 1]
      guard part > 0 else {
        throw ForeignWritingError(
          "hgrn2 of flash-linear-attention has lower bounds that rise from layer to layer; that of layer \(row + 1), "
            + "channel \(channel), is \(bound) after \(row == 0 ? 0 : bounds[row - 1]); keep it in this library's form"
        )
      }
      table[(row + 1) * width + channel] = Float(naturalLogarithm(part))
    }
  }
  return Tensor(table, [logits.count + 1, width])
}
