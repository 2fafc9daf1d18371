/// transformers' `recurrent_gemma`: Griffin, recurrent and local-attention layers in a pattern.

import RunnelMixers
import RunnelModels
import RunnelTensors

extension ForeignFamily {
  static let recurrentGemma = ForeignFamily(
    "recurrent_gemma", of: "transformers",
    ForeignForm(
      architecture: "RecurrentGemmaForCausalLM",
      mixers: [ForeignMixer(RGLRU.self, recurrentBlock), ForeignMixer(Attention.self, attentionBlock)],
      model: .common { _ in true } + griffin
    ) { _, _ in
      var names = ForeignNames(
        embedding: "model.embed_tokens.weight", norm: "model.final_norm", head: "lm_head.weight",
        layers: "model.layers.",
        parts: [
          "norm": "temporal_pre_norm", "mixer": "temporal_block", "mlp_norm": "channel_pre_norm",
          "mlp": "mlp_block",
        ])
      for part in ["gate", "up", "down"] {
        for kind in ["weight", "bias"] { names.renamed["mlp.\(part).\(kind)"] = "\(part)_proj.\(kind)" }
      }
      // Norms there are scaled by one plus their weight.
      for norm in ["norm.weight", "mlp_norm.weight"] { names.changed[norm] = .pair(adding(1), adding(-1)) }
      names.shapeConvolutions(["mixer.conv_1d.weight"])
      return names
    })

  private static let activations: [String: Activation] = [
    "gelu_pytorch_tanh": .gelu, "gelu_new": .gelu, "silu": .silu, "swish": .silu, "relu": .relu,
    "sigmoid": .sigmoid, "tanh": .tanh, "relu2": .squaredReLU,
  ]

  private static let recurrentBlock: [ForeignKey<RGLRU.Configuration>] = [
    .count("lru_width", \.expandedWidth, orNull: \.width), .count("num_attention_heads", \.heads),
    .count("conv1d_width", \.convolutionWidth, default: 4),
    // That of the feed-forward parts acts on the gate of the recurrent block, too; gelu is its own.
    .word(
      "hidden_activation", \.gateActivation, in: activations.mapValues { $0 == .gelu ? nil : $0 },
      default: "gelu_pytorch_tanh"),
  ]

  private static let attentionBlock: [ForeignKey<Attention.Configuration>] = [
    .count("num_attention_heads", \.heads), .count("num_key_value_heads", \.keyValueHeads, orNull: \.heads),
    ForeignKey("head_dim", \.headWidth) { json, own in
      try json.count("head_dim", default: own.width / own.heads, least: 1)
    },
    .either("attention_window_size", "sliding_window") { .count($0, \.window, default: 2048) },
    ForeignKey(
      "rope_parameters",
      read: { own, json in
        let rotary = try json.object("rope_parameters")
        for rope in [rotary, try json.object("rope_scaling")] {
          for key in ["rope_type", "type"] where try rope.text(key, default: "default") != "default" {
            throw rope.error(key, expected: "default: the library has no other positions for this family")
          }
        }
        // Older files have these beside it.
        own.rotaryFraction = try rotary.number(
          "partial_rotary_factor", default: json.number("partial_rotary_factor", default: 0.5))
        own.rotaryBase = try rotary.number("rope_theta", default: json.number("rope_theta", default: 10_000))
      },
      write: { own in
        .object([
          "rope_type": "default", "rope_theta": .number(own.rotaryBase),
          "partial_rotary_factor": .number(own.rotaryFraction),
        ])
      }),
    .flag("attention_bias", \.hasBias, default: false), .fixed { $0.hasOutputBias = true },
  ]

  private static let griffin: [ForeignKey<ModelConfiguration>] = [
    .refused("layer_types", because: "the library takes the kinds of layers from block_types"),
    ForeignKey(
      "block_types", \.mixers, write: { .list($0.map(kind)) },
      read: { json, own in
        let kinds = ["recurrent": own.mixers[0], "attention": own.mixers[1]]
        let pattern = try json.list("block_types", default: ["recurrent", "recurrent", "attention"]).map {
          guard case .text(let name) = $0, let kind = kinds[name] else {
            throw json.error("block_types", expected: "only recurrent and attention")
          }
          return kind
        }
        return Array(pattern.prefix(max(1, own.layers)))
      }),
    .decimal("rms_norm_eps", \.normEpsilon, default: 1e-6),
    // It is split between gate and value.
    ForeignKey(
      "intermediate_size", \.hiddenWidth, write: { .count(2 * $0) },
      read: { json, own in
        try json.count("intermediate_size", default: 3 * own.width) / 2
      }),
    .word("hidden_activation", \.activation, in: activations, default: "gelu_pytorch_tanh"),
    ForeignKey(
      "logits_soft_cap", \.logitCap, write: { $0 > 0 ? .decimal($0) : nil },
      read: { json, _ in
        let cap = Float(try json.number("logits_soft_cap", default: 30))
        guard cap > 0 else { throw json.error("logits_soft_cap", expected: "a positive number") }
        return cap
      }),
    .fixed {
      $0.hasFeedForwardBias = true
      // √D as the authors have it, rounded to sixteen bits.
      $0.embeddingScale = roundedToBFloat16(Float($0.width).squareRoot())
    },
  ]
}

private func kind(_ mixer: MixerChoice) -> ForeignValue {
  mixer.configuration is RGLRU.Configuration ? "recurrent" : "attention"
}

private func adding(_ number: Float) -> @Sendable (Tensor) -> Tensor {
  { added($0.reshaped([$0.count, 1]), Tensor([number])) }
}

private func roundedToBFloat16(_ x: Float) -> Float {
  // To the nearest, ties to even.
  let bits = x.bitPattern
  return Float(bitPattern: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) & 0xFFFF_0000)
}
