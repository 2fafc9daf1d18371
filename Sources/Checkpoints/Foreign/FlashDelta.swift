/// flash-linear-attention's `delta_net` and `gated_deltanet`.

import RunnelMixers
import RunnelModels
import RunnelTensors

extension ForeignFamily {
  private static let activations: [String: Activation] = [
    "silu": .silu, "relu": .relu, "elu": .eluPlusOne, "identity": .identity,
  ]
  private static let norms: [String: DeltaNet.KeyNorm] = ["l2": .length, "sum": .sum]

  static let deltaNet = flashLinearAttention(
    "delta_net", mixers: ["deltanet"],
    writing: .flash(DeltaNet.self, "DeltaNetForCausalLM") { mixer in
      var fields = ForeignWriting.convolutions(mixer.convolutionWidth)
      fields["num_heads"] = .count(mixer.heads)
      fields["expand_k"] = .ratio(mixer.heads * mixer.keyWidth, of: mixer.width)
      fields["expand_v"] = .ratio(mixer.heads * mixer.valueWidth, of: mixer.width)
      fields["qk_activation"] = .word(for: mixer.keyActivation, in: activations)
      fields["qk_norm"] = .word(for: mixer.keyNorm, in: norms)
      fields["use_beta"] = .flag(mixer.hasStrength)
      fields["allow_neg_eigval"] = .flag(mixer.allowsNegativeEigenvalues)
      fields["use_gate"] = .flag(mixer.hasGate)
      // Its chunkwise kernel refuses 32 bits.
      fields["attn_mode"] = "fused_recurrent"
      return fields
    }
  ) { json in
    let heads = try json.count("num_heads", default: 4)
    let activation = try json.choice("qk_activation", among: activations, default: "silu")
    let norm = try json.choice("qk_norm", among: norms, default: "l2")
    return try json.flashModel(
      MixerChoice(
        DeltaNet.self,
        try DeltaNet.Configuration(width: try json.count("hidden_size")) {
          $0.heads = heads
          $0.keyWidth = try json.expanded("expand_k", default: 1, heads: heads)
          $0.valueWidth = try json.expanded("expand_v", default: 1, heads: heads)
          $0.convolutionWidth = try json.convolutionWidth(isDefault: true)
          $0.keyActivation = activation
          $0.keyNorm = norm
          $0.hasStrength = try json.flag("use_beta", default: true)
          $0.allowsNegativeEigenvalues = try json.flag("allow_neg_eigval", default: false)
          $0.hasGate = try json.flag("use_gate", default: false)
          $0.normEpsilon = Float(try json.number("norm_eps", default: 1e-6))
        }))
  }

  private static let gates: [String: Activation] = ["swish": .silu, "silu": .silu, "sigmoid": .sigmoid]

  static let gatedDeltaNet = flashLinearAttention(
    "gated_deltanet", mixers: ["gated-deltanet"],
    writing: .flash(GatedDeltaNet.self, "GatedDeltaNetForCausalLM") { mixer in
      var fields = ForeignWriting.convolutions(mixer.convolutionWidth)
      fields["num_heads"] = .count(mixer.heads)
      fields["num_v_heads"] = .count(mixer.valueHeads)
      fields["head_dim"] = .count(mixer.keyWidth)
      fields["expand_v"] = .ratio(mixer.valueWidth, of: mixer.keyWidth)
      fields["allow_neg_eigval"] = .flag(mixer.allowsNegativeEigenvalues)
      fields["use_gate"] = .flag(mixer.hasGate)
      fields["output_gate_activation"] = .word(for: mixer.gateActivation, in: gates)
      return fields
    }
  ) { json in
    let heads = try json.count("num_heads", default: 6)
    let keyWidth = try json.count("head_dim", default: 256)
    let gate = try json.choice("output_gate_activation", among: gates, default: "swish")
    return try json.flashModel(
      MixerChoice(
        GatedDeltaNet.self,
        try GatedDeltaNet.Configuration(width: try json.count("hidden_size")) {
          $0.heads = heads
          $0.valueHeads = try json.count("num_v_heads", default: heads, null: heads)
          $0.keyWidth = keyWidth
          $0.valueWidth = try json.whole("expand_v", default: 2, of: keyWidth)
          $0.convolutionWidth = try json.convolutionWidth(isDefault: true)
          $0.allowsNegativeEigenvalues = try json.flag("allow_neg_eigval", default: false)
          $0.hasGate = try json.flag("use_gate", default: true)
          $0.gateActivation = gate
          $0.normEpsilon = Float(try json.number("norm_eps", default: 1e-6))
        }))
  }
}
