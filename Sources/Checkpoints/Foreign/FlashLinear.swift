/// flash-linear-attention's `linear_attn`: feature maps without a decay, a norm behind each head.

import RunnelMixers

extension ForeignFamily {
  static let linearAttention = flash(
    "linear_attn", "LinearAttentionForCausalLM", LinearAttention.self,
    [
      .fixed {
        $0.epsilon = 1e-10
        $0.rotates = false
        $0.hasNorm = true
        $0.scalesQueries = true
      },
      .count("num_heads", \.heads, default: 4),
      .count("num_kv_heads", \.keyValueHeads, orNull: \.heads),
      .expanded("expand_k", \.featureWidth, by: \.heads, default: 1),
      .expanded("expand_v", \.valueWidth, by: \.heads, default: 1),
      .word(
        "feature_map", \.featureMap,
        in: [
          "elementwise_product": .product, "hedgehog": .hedgehog, "t2r": .projectedReLU, "elu": .eluPlusOne,
          "relu": .relu, "identity": .identity,
        ], default: "elementwise_product"),
      .refused("tie_feature_map_qk", but: false, because: "a map shared by queries and keys is not built"),
      ForeignKey(
        "norm_feature_map", \.hasNormalizer, write: { .flag($0 == true) },
        read: { json, _ in
          try json.flag("norm_feature_map", default: false)
        }),
      .flag("elementwise_affine", \.hasNormScale, default: true, null: false), .epsilon(\.normEpsilon),
      .flag("norm_q", \.queriesSumToOne, default: false), .flag("norm_k", \.keysSumToOne, default: false),
    ]
  ) { names, _, model in
    guard model.first(LinearAttention.self)?.featureMap != .product else { return }
    for map in ["q", "k"].map({ "feature_map_\($0).layer" }) {
      for kind in ["weight", "bias"] { names.renamed["mixer.\(map)1.\(kind)"] = "\(map).\(kind)" }
    }
  }
}
