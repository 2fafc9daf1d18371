/// transformers' `recurrent_gemma`: Griffin, recurrent and local-attention layers in a pattern.

import RunnelMixers
import RunnelModels
import RunnelTensors

extension ForeignFamily {
  static let recurrentGemma = ForeignFamily(
    modelType: "recurrent_gemma", library: "transformers", mixers: ["rg-lru", "attention"],
    writing: ForeignWriting(architecture: "RecurrentGemmaForCausalLM", fields: recurrentGemmaFields)
  ) { json, _ in
    let width = try json.count("hidden_size")
    let heads = try json.count("num_attention_heads")
    guard heads > 0 else { throw json.error("num_attention_heads", expected: "at least one head") }
    // It acts on the gate of the recurrent block, too.
    let activation = try json.choice(
      "hidden_activation",
      among: griffinActivations.merging(["swish": .silu, "gelu_new": .gelu]) { own, _ in own },
      default: "gelu_pytorch_tanh")
    var block = try RGLRU.Configuration(width: width) {
      $0.expandedWidth = try json.count("lru_width", default: width, null: width)
      $0.heads = heads
      $0.convolutionWidth = try json.count("conv1d_width", default: 4)
    }
    if activation != .gelu { block.gateActivation = activation }
    let recurrent = MixerChoice(RGLRU.self, block)
    let rotary = try json.object("rope_parameters")
    for rope in [rotary, try json.object("rope_scaling")] {
      for key in ["rope_type", "type"] where try rope.text(key, default: "default") != "default" {
        throw rope.error(key, expected: "default: the library has no other positions for this family")
      }
    }
    try json.require("layer_types", isAbsentBecause: "the library takes the kinds of layers from block_types")
    let attention = MixerChoice(
      Attention.self,
      try Attention.Configuration(width: width) {
        $0.heads = heads
        $0.keyValueHeads = try json.count("num_key_value_heads", default: heads, null: heads)
        $0.headWidth = try json.count("head_dim", default: width / heads)
        $0.window = try json.count(json.agreed("attention_window_size", "sliding_window"), default: 2048)
        $0.rotaryFraction = try rotary.number(
          "partial_rotary_factor", default: json.number("partial_rotary_factor", default: 0.5))
        $0.rotaryBase = try rotary.number("rope_theta", default: json.number("rope_theta", default: 10_000))
        $0.hasBias = try json.flag("attention_bias", default: false)
        $0.hasOutputBias = true
      })
    let kinds = try json.texts("block_types", default: ["recurrent", "recurrent", "attention"])
    let pattern = try kinds.map {
      switch $0 {
      case "recurrent": recurrent
      case "attention": attention
      default: throw json.error("block_types", expected: "only recurrent and attention")
      }
    }
    let layers = try json.count("num_hidden_layers")
    // The hidden size is split between gate and value.
    var configuration = ModelConfiguration(
      Array(pattern.prefix(max(1, layers))), vocabularySize: try json.count("vocab_size"), width: width,
      layers: layers, tiesEmbedding: try json.flag("tie_word_embeddings", default: true),
      normEpsilon: Float(try json.number("rms_norm_eps", default: 1e-6)),
      hiddenWidth: try json.count("intermediate_size", default: 3 * width) / 2)
    configuration.activation = activation
    configuration.hasFeedForwardBias = true
    // √D as the authors have it, rounded to sixteen bits.
    configuration.embeddingScale = roundedToBFloat16(Float(width).squareRoot())
    configuration.logitCap = Float(try json.number("logits_soft_cap", default: 30))
    guard configuration.logitCap > 0 else {
      throw json.error("logits_soft_cap", expected: "a positive number")
    }

    let addOne: @Sendable (Tensor) -> Tensor = { added($0.reshaped([$0.count, 1]), Tensor([1])) }
    let subtractOne: @Sendable (Tensor) -> Tensor = { added($0.reshaped([$0.count, 1]), Tensor([-1])) }
    var names = ForeignNames(
      embedding: "model.embed_tokens.weight", norm: "model.final_norm", head: "lm_head.weight",
      layer: { "model.layers.\($0)." },
      part: { _, part in
        [
          "norm": "temporal_pre_norm", "mixer": "temporal_block", "mlp_norm": "channel_pre_norm",
          "mlp": "mlp_block",
        ][part] ?? part
      })
    for part in ["gate", "up", "down"] {
      for kind in ["weight", "bias"] { names.renamed["mlp.\(part).\(kind)"] = "\(part)_proj.\(kind)" }
    }
    // Norms there are scaled by one plus their weight.
    for norm in ["norm.weight", "mlp_norm.weight"] { names.changed[norm] = .pair(addOne, subtractOne) }
    names.shapeConvolutions("mixer.conv_1d.weight")
    return ForeignModel(configuration: configuration, names: names)
  }
}

private let griffinActivations: [String: Activation] = [
  "gelu_pytorch_tanh": .gelu, "silu": .silu, "relu": .relu, "sigmoid": .sigmoid, "tanh": .tanh,
  "relu2": .squaredReLU,
]

/// There is one number of heads, and the output of attention has a bias.
private func recurrentGemmaFields(_ model: ModelConfiguration) -> [String: ForeignValue] {
  let (recurrent, attention) = (model.first(RGLRU.self), model.first(Attention.self))
  var fields: [String: ForeignValue] = [
    "intermediate_size": .count(2 * model.hiddenWidth), "rms_norm_eps": .decimal(model.normEpsilon),
    "hidden_activation": .word(for: model.activation ?? .gelu, in: griffinActivations),
    "block_types": .list(
      model.mixers.map { .text($0.configuration is RGLRU.Configuration ? "recurrent" : "attention") }),
    "num_attention_heads": .count(attention?.heads ?? recurrent?.heads ?? 0),
  ]
  if model.logitCap != 0 { fields["logits_soft_cap"] = .decimal(model.logitCap) }
  if let recurrent {
    fields["lru_width"] = .count(recurrent.expandedWidth)
    fields["conv1d_width"] = .count(recurrent.convolutionWidth)
  }
  if let attention {
    fields["num_key_value_heads"] = .count(attention.keyValueHeads)
    fields["attention_window_size"] = .count(attention.window)
    fields["attention_bias"] = .flag(attention.hasBias)
    fields["rope_parameters"] = .object([
      "rope_type": "default", "rope_theta": .number(attention.rotaryBase),
      "partial_rotary_factor": .number(attention.rotaryFraction),
    ])
  }
  return fields
}

private func roundedToBFloat16(_ x: Float) -> Float {
  // To the nearest, ties to even.
  let bits = x.bitPattern
  return Float(bitPattern: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) & 0xFFFF_0000)
}
