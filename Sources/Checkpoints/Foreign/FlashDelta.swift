/// flash-linear-attention's `delta_net` and `gated_deltanet`.

import RunnelMixers

extension ForeignFamily {
  static let deltaNet = flash(
    "delta_net", "DeltaNetForCausalLM", DeltaNet.self,
    [
      .count("num_heads", \.heads, default: 16),
      .expanded("expand_k", \.keyWidth, by: \.heads, default: 1),
      .expanded("expand_v", \.valueWidth, by: \.heads, default: 1),
      .shortConvolution(\.convolutionWidth, isDefault: true),
      .word(
        "qk_activation", \.keyActivation,
        in: ["silu": .silu, "relu": .relu, "elu": .eluPlusOne, "identity": .identity], default: "silu"),
      .word("qk_norm", \.keyNorm, in: ["l2": .length, "sum": .sum], default: "l2"),
      .flag("use_beta", \.hasStrength, default: true),
      .flag("allow_neg_eigval", \.allowsNegativeEigenvalues, default: false),
      .flag("use_gate", \.hasGate, default: false), .epsilon(\.normEpsilon),
      // Its chunkwise kernel refuses 32 bits.
      .constant("attn_mode", "fused_recurrent"),
    ])

  static let gatedDeltaNet = flash(
    "gated_deltanet", "GatedDeltaNetForCausalLM", GatedDeltaNet.self,
    [
      .count("num_heads", \.heads, default: 6),
      .count("num_v_heads", \.valueHeads, orNull: \.heads),
      .count("head_dim", \.keyWidth, default: 256),
      .ratio("expand_v", \.valueWidth, of: \.keyWidth, default: 2),
      .shortConvolution(\.convolutionWidth, isDefault: true),
      .flag("allow_neg_eigval", \.allowsNegativeEigenvalues, default: false),
      .flag("use_gate", \.hasGate, default: true),
      .word(
        "output_gate_activation", \.gateActivation,
        in: ["swish": .silu, "silu": .silu, "sigmoid": .sigmoid], default: "swish"),
      .epsilon(\.normEpsilon),
    ])
}
