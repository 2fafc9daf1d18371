/// flash-linear-attention's `linear_attn`: feature maps without a decay, a norm behind each head.

import RunnelMixers
import RunnelModels
import RunnelTensors

extension ForeignFamily {
  private static let maps: [String: FeatureMap] = [
    "elementwise_product": .product, "hedgehog": .hedgehog, "t2r": .projectedReLU, "elu": .eluPlusOne,
    "relu": .relu, "identity": .identity,
  ]

  static let linearAttention = flashLinearAttention(
    "linear_attn", mixers: ["linear-attention"],
    writing: .flash(LinearAttention.self, "LinearAttentionForCausalLM") { mixer in
      [
        "num_heads": .count(mixer.heads), "num_kv_heads": .count(mixer.keyValueHeads),
        "expand_k": .ratio(mixer.heads * mixer.featureWidth, of: mixer.width),
        "expand_v": .ratio(mixer.heads * mixer.valueWidth, of: mixer.width),
        "feature_map": .word(for: mixer.featureMap, in: maps),
        "norm_feature_map": .flag(mixer.hasNormalizer == true),
        "elementwise_affine": .flag(mixer.hasNormScale),
        "norm_q": .flag(mixer.queriesSumToOne), "norm_k": .flag(mixer.keysSumToOne),
      ]
    }
  ) { json in
    let heads = try json.count("num_heads", default: 4)
    let map = try json.choice("feature_map", among: maps, default: "elementwise_product")
    guard try !json.flag("tie_feature_map_qk", default: false) else {
      throw json.error("tie_feature_map_qk", expected: "false: a map shared by queries and keys is not built")
    }
    var model = try json.flashModel(
      MixerChoice(
        LinearAttention.self,
        try LinearAttention.Configuration(width: try json.count("hidden_size")) {
          $0.heads = heads
          $0.keyValueHeads = try json.count("num_kv_heads", default: heads, null: heads)
          $0.valueWidth = try json.expanded("expand_v", default: 1, heads: heads)
          $0.epsilon = 1e-10
          $0.rotates = false
          $0.featureMap = map
          $0.featureWidth = try json.expanded("expand_k", default: 1, heads: heads)
          $0.hasNormalizer = try json.flag("norm_feature_map", default: false)
          $0.hasNorm = true
          $0.hasNormScale = try json.flag("elementwise_affine", default: true, null: false)
          $0.normEpsilon = Float(try json.number("norm_eps", default: 1e-6))
          $0.queriesSumToOne = try json.flag("norm_q", default: false)
          $0.keysSumToOne = try json.flag("norm_k", default: false)
          $0.scalesQueries = true
        }))
    if map != .product {
      for operand in ["q", "k"] {
        for kind in ["weight", "bias"] {
          model.names.renamed["mixer.feature_map_\(operand).layer1.\(kind)"] =
            "feature_map_\(operand).layer.\(kind)"
        }
      }
    }
    return model
  }
}
