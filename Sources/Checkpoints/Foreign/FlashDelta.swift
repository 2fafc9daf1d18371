/// flash-linear-attention's `delta_net` and `gated_deltanet`.

import RunnelMixers
import RunnelModels
import RunnelTensors

extension ForeignFamily {
  static let deltaNet = flashLinearAttention("delta_net", mixers: ["deltanet"]) { json in
    let heads = try json.count("num_heads", default: 4)
    let activations: [String: Activation] = [
      "silu": .silu, "relu": .relu, "elu": .eluPlusOne, "identity": .identity,
    ]
    guard let activation = activations[try json.text("qk_activation", default: "silu")] else {
      throw json.error("qk_activation", expected: "silu, relu, elu or identity")
    }
    let norms: [String: DeltaNet.KeyNorm] = ["l2": .length, "sum": .sum]
    guard let norm = norms[try json.text("qk_norm", default: "l2")] else {
      throw json.error("qk_norm", expected: "l2 or sum")
    }
    return try json.flashModel(
      MixerChoice(
        DeltaNet.self,
        DeltaNet.Configuration(
          width: try json.count("hidden_size"), heads: heads,
          keyWidth: try json.expanded("expand_k", default: 1, heads: heads),
          valueWidth: try json.expanded("expand_v", default: 1, heads: heads),
          convolutionWidth: try json.convolutionWidth(isDefault: true), keyActivation: activation,
          keyNorm: norm, hasStrength: try json.flag("use_beta", default: true),
          allowsNegativeEigenvalues: try json.flag("allow_neg_eigval", default: false),
          hasGate: try json.flag("use_gate", default: false),
          normEpsilon: Float(try json.number("norm_eps", default: 1e-6)))))
  }

  static let gatedDeltaNet = flashLinearAttention("gated_deltanet", mixers: ["gated-deltanet"]) { json in
    let heads = try json.count("num_heads", default: 6)
    let keyWidth = try json.count("head_dim", default: 256)
    let gate = try json.activation("output_gate_activation", default: "swish")
    return try json.flashModel(
      MixerChoice(
        GatedDeltaNet.self,
        GatedDeltaNet.Configuration(
          width: try json.count("hidden_size"), heads: heads,
          valueHeads: try json.count("num_v_heads", default: heads), keyWidth: keyWidth,
          valueWidth: Int((Double(keyWidth) * (try json.number("expand_v", default: 2))).rounded()),
          convolutionWidth: try json.convolutionWidth(isDefault: true),
          allowsNegativeEigenvalues: try json.flag("allow_neg_eigval", default: false),
          hasGate: try json.flag("use_gate", default: true), gateActivation: gate,
          normEpsilon: Float(try json.number("norm_eps", default: 1e-6)))))
  }
}
