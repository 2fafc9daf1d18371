/// flash-linear-attention's `rwkv6` and `rwkv7`: the authors' functions under other names, matrices of low rank
/// transposed, the shares of the token before in another order.

import RunnelMixers
import RunnelModels
import RunnelTensors

extension ForeignFamily {
  static let rwkv6 = flashLinearAttention("rwkv6", mixers: ["rwkv6"]) { json in
    let (D, heads) = (try json.count("hidden_size"), try json.count("num_heads", default: 4))
    let R = try json.count("proj_low_rank_dim", default: 32)
    let G = try json.count("gate_low_rank_dim", default: 64)
    let epsilon = Float(try json.number("norm_eps", default: 1e-5))
    let K = try json.expanded("expand_k", default: 0.5, heads: heads)
    let choice = MixerChoice(
      RWKV6.self,
      RWKV6.Configuration(
        width: D, heads: heads, keyWidth: K,
        valueWidth: try json.expanded("expand_v", default: 1, heads: heads), shareRank: R, decayRank: G,
        groupNormEpsilon: epsilon))
    var model = try json.flashRWKV(choice, ratio: 3.5)
    let renamed = [
      "time_maa_x": "x_proj.0.mu", "time_decay": "w_proj.linear.lora.2.bias", "time_faaaa": "bonus",
      "receptance.weight": "r_proj.linear.weight", "key.weight": "k_proj.linear.weight",
      "value.weight": "v_proj.linear.weight", "gate.weight": "g_proj.linear.weight",
    ]
    for (ours, theirs) in renamed { model.names.renamed["mixer." + ours] = theirs }
    for (ours, theirs) in ["time_maa_k": "key.mu", "time_maa_r": "receptance.mu"] {
      model.names.renamed["mlp." + ours] = theirs
    }
    for weight in ["key", "receptance"] {
      model.names.renamed["mlp.\(weight).weight"] = weight + ".linear.weight"
    }
    // There r, w, k, v, g; here w, k, v, r, g.
    let order = [1, 2, 3, 0, 4]
    func derive(
      _ ours: String, _ theirs: String, _ shape: Shape, _ make: @escaping @Sendable (Tensor) -> Tensor
    ) {
      model.names.derived["mixer." + ours] = { layer in
        ForeignOrigin(name: "model.layers.\(layer).attn." + theirs, shape: shape) {
          make($0.reshaped(shape))
        }
      }
    }
    for (name, row) in zip(["w", "k", "v", "r", "g"], order) {
      derive("time_maa_" + name, "x_bias", [5, D]) { $0.rows(row..<row + 1) }
    }
    derive("time_maa_w1", "x_proj.0.linear.weight", [5 * R, D]) { weight in
      let parts = order.map { weight.rows($0 * R..<($0 + 1) * R).scalars }
      return transposed(Tensor(parts.flatMap { $0 }, [5 * R, D]))
    }
    derive("time_maa_w2", "x_proj.2.weight", [D, 5 * R]) { weight in
      let columns = transposed(weight)
      return Tensor(order.flatMap { columns.rows($0 * R..<($0 + 1) * R).scalars }, [5, R, D])
    }
    derive("time_decay_w1", "w_proj.linear.lora.0.weight", [G, D], transposed)
    derive("time_decay_w2", "w_proj.linear.lora.2.weight", [heads * K, G], transposed)
    return model
  }

  static let rwkv7 = flashLinearAttention("rwkv7", mixers: ["rwkv7"]) { json in
    let D = try json.count("hidden_size")
    let heads =
      json.contains("num_heads")
      ? try json.count("num_heads") : D / max(1, try json.count("head_dim", default: 64))
    guard heads > 0, D % heads == 0 else { throw json.error("num_heads", expected: "a divisor of \(D)") }
    for width in try json.numbers("value_dim") ?? [] where Int(width) != D {
      throw json.error("value_dim", expected: "the width \(D) in every layer")
    }
    let epsilon = try json.number("norm_eps", default: 1e-5)
    let ranks = (
      decay: try json.count("decay_low_rank_dim", default: 64),
      rate: try json.count("a_low_rank_dim", default: 64),
      value: try json.count("v_low_rank_dim", default: 16),
      gate: try json.count("gate_low_rank_dim", default: 128)
    )
    let choice = MixerChoice(
      RWKV7.self,
      RWKV7.Configuration(
        width: D, heads: heads, headWidth: D / heads, decayRank: ranks.decay, rateRank: ranks.rate,
        valueRank: ranks.value, gateRank: ranks.gate,
        groupNormEpsilon: Float(Double(D / heads) * epsilon),
        keyNormEpsilon: try json.flag("fuse_norm", default: true) ? 1e-6 : 1e-24))
    var model = try json.flashRWKV(choice, ratio: 4)
    for (ours, theirs) in ["receptance": "r_proj", "key": "k_proj", "value": "v_proj"] {
      model.names.renamed["mixer.\(ours).weight"] = theirs + ".weight"
    }
    for (ours, rank) in [("w", ranks.decay), ("a", ranks.rate), ("v", ranks.value), ("g", ranks.gate)] {
      let lora = ours + "_lora.lora."
      model.names.renamed["mixer.\(ours)0"] = lora + "2.bias"
      for (number, name, shape) in [
        ("1", lora + "0.weight", [rank, D] as Shape), ("2", lora + "2.weight", [D, rank]),
      ] {
        model.names.derived["mixer." + ours + number] = { layer in
          ForeignOrigin(name: "model.layers.\(layer).attn." + name, shape: shape) {
            transposed($0.reshaped(shape))
          }
        }
      }
    }
    return model
  }
}

extension ForeignConfiguration {
  /// A model of layers `model.layers.N.{attn_norm, attn, ffn_norm, ffn}` with RWKV's channel mix.
  fileprivate func flashRWKV(_ choice: MixerChoice, ratio: Double) throws -> ForeignModel {
    try require("attn", isAbsentBecause: "layers of softmax attention between the others are not read")
    guard try activation("hidden_act", default: "sqrelu") == .squaredReLU else {
      throw error("hidden_act", expected: "sqrelu")
    }
    let D = try count("hidden_size")
    // In whole multiples of 32, unless it is given.
    let hidden = (Int(Double(D) * (try number("hidden_ratio", default: ratio))) + 31) / 32 * 32
    var configuration = ModelConfiguration(
      [choice], vocabularySize: try count("vocab_size"), width: D, layers: try count("num_hidden_layers"),
      tiesEmbedding: try flag("tie_word_embeddings", default: false),
      normEpsilon: Float(try number("norm_eps", default: 1e-5)),
      hiddenWidth: try count("intermediate_size", default: hidden))
    configuration.normalizesEmbedding = try flag("norm_first", default: true)
    configuration.hasNormBias = try flag("norm_bias", default: true)
    var names = ForeignNames(
      embedding: "model.embeddings.weight", embeddingNorm: "model.layers.0.pre_norm", norm: "model.norm",
      head: "lm_head.weight", layer: { "model.layers.\($0)." },
      part: { _, part in
        ["norm": "attn_norm", "mixer": "attn", "mlp_norm": "ffn_norm", "mlp": "ffn"][part] ?? part
      })
    names.renamed["mixer.output.weight"] = "o_proj.weight"
    for kind in ["weight", "bias"] { names.renamed["mixer.ln_x." + kind] = "g_norm." + kind }
    if configuration.tiesEmbedding { names.isIgnored = { $0 == "lm_head.weight" } }
    return ForeignModel(configuration: configuration, names: names)
  }
}
