/// flash-linear-attention's `rwkv6` and `rwkv7`: the authors' functions under other names, matrices of low rank
/// transposed, the shares of the token before in another order.

import RunnelMixers
import RunnelModels
import RunnelTensors

extension ForeignFamily {
  static let rwkv6 = flash(
    "rwkv6", "RWKV6ForCausalLM", RWKV6.self,
    restated: { try $0.withValuesForNorm6() },
    [
      .count("num_heads", \.heads, default: 4),
      .expanded("expand_k", \.keyWidth, by: \.heads, default: 0.5),
      .expanded("expand_v", \.valueWidth, by: \.heads, default: 1),
      .count("proj_low_rank_dim", \.shareRank, default: 32),
      .count("gate_low_rank_dim", \.decayRank, default: 64),
      .epsilon(\.groupNormEpsilon, default: 1e-5),
    ], model: .channelMix(ratio: 3.5),
    names: { names, _, _ in
      names.nameChannelMix()
      let renamed = [
        "time_maa_x": "x_proj.0.mu", "time_decay": "w_proj.linear.lora.2.bias", "time_faaaa": "bonus",
        "receptance.weight": "r_proj.linear.weight", "key.weight": "k_proj.linear.weight",
        "value.weight": "v_proj.linear.weight", "gate.weight": "g_proj.linear.weight",
        "time_maa_w1": "x_proj.0.linear.weight", "time_maa_w2": "x_proj.2.weight",
      ]
      for (ours, theirs) in renamed { names.renamed["mixer." + ours] = theirs }
      for (ours, theirs) in ["k": "key", "r": "receptance"] {
        names.renamed["mlp.time_maa_" + ours] = theirs + ".mu"
        names.renamed["mlp.\(theirs).weight"] = theirs + ".linear.weight"
      }
      // There r, w, k, v, g; here w, k, v, r, g.
      let order = [1, 2, 3, 0, 4], inverse = [3, 0, 1, 2, 4]
      // The five vectors are one tensor there; they come in our order.
      for (name, row) in zip(["w", "k", "v", "r", "g"], order) {
        names.renamed["mixer.time_maa_" + name] = "x_bias"
        names.shaped["mixer.time_maa_" + name] = { [5, $0[0]] }
        names.changed["mixer.time_maa_" + name] = ForeignChange(
          read: { $0.rows(row..<row + 1) },
          write: { rows in Tensor(inverse.flatMap { rows[$0].scalars }, [5, rows[0].count]) })
      }
      // [D 5R] and [5 R D], there [5R D] and [D 5R].
      names.shaped["mixer.time_maa_w1"] = { [$0[1], $0[0]] }
      names.changed["mixer.time_maa_w1"] = .pair(
        { transposed(blocks(order, of: $0)) }, { blocks(inverse, of: transposed($0)) })
      names.shaped["mixer.time_maa_w2"] = { [$0[2], $0[0] * $0[1]] }
      names.changed["mixer.time_maa_w2"] = .pair(
        { blocks(order, of: transposed($0)) },
        { transposed(blocks(inverse, of: $0.reshaped([$0.shape[0] * $0.shape[1], $0.shape[2]]))) })
      names.transpose("mixer.time_decay_w1", as: "w_proj.linear.lora.0.weight")
      names.transpose("mixer.time_decay_w2", as: "w_proj.linear.lora.2.weight")
    })

  static let rwkv7 = flash(
    "rwkv7", "RWKV7ForCausalLM", RWKV7.self,
    restated: { try $0.withValuesForNorm7() },
    [
      .headWidth("head_dim", \.headWidth, or: "num_heads", \.heads, default: 64),
      ForeignKey(
        "value_dim",
        read: { own, json in
          // One for all layers, or one for each.
          let value = json.value("value_dim") ?? .null
          let widths = if case .list(let widths) = value { widths } else { [value] }
          guard value == .null || widths.allSatisfy({ $0.number == Double(own.width) }) else {
            throw json.error("value_dim", expected: "the width \(own.width) in every layer")
          }
        }),
      .rank("decay_low_rank_dim", \.decayRank, default: 64, factor: 2.5),
      .rank("a_low_rank_dim", \.rateRank, default: 64, factor: 2.5),
      .rank("v_low_rank_dim", \.valueRank, default: 16, factor: 1.7),
      .rank("gate_low_rank_dim", \.gateRank, default: 128, factor: 5, isPerHead: false),
      ForeignKey("norm_eps", \.groupNormEpsilon) { json, own in
        ForeignConfiguration.headNormEpsilon(
          try json.number("norm_eps", default: 1e-5), width: own.headWidth)
      },
      // ε of the norm of keys, where it is one kernel with others, and where not.
      ForeignKey(
        "fuse_norm", \.keyNormEpsilon, write: { .flag($0 == 1e-6) },
        read: { json, _ in
          try json.flag("fuse_norm", default: true) ? 1e-6 : 1e-24
        }),
    ], model: .channelMix(ratio: 4),
    names: { names, _, _ in
      names.nameChannelMix()
      names.shapeRows(["r", "w", "k", "v", "a", "g"].map { "mixer.x_" + $0 })
      for (ours, theirs) in ["receptance": "r_proj", "key": "k_proj", "value": "v_proj"] {
        names.renamed["mixer.\(ours).weight"] = theirs + ".weight"
      }
      for kind in ["w", "a", "v", "g"] {
        let lora = kind + "_lora.lora."
        names.renamed["mixer.\(kind)0"] = lora + "2.bias"
        names.transpose("mixer.\(kind)1", as: lora + "0.weight")
        names.transpose("mixer.\(kind)2", as: lora + "2.weight")
      }
    })
}

/// The five blocks of rows of a matrix in another order; `order[i]` goes to place i.
private func blocks(_ order: [Int], of matrix: Tensor) -> Tensor {
  let rows = matrix.shape[0] / 5
  return Tensor(order.flatMap { matrix.rows($0 * rows..<($0 + 1) * rows).scalars }, matrix.shape)
}

extension ForeignConfiguration {
  /// ε of RWKV-7's norm of heads.
  static func headNormEpsilon(_ epsilon: Double, width: Int) -> Float {
    Float(Double(width) * epsilon)
  }
}

extension ForeignKey<RWKV7.Configuration> {
  /// A rank of null is the layer's own choice: a factor on √D, in multiples of 32, and more for wide heads.
  fileprivate static func rank(
    _ name: String, _ path: any Path<Int>, default standard: Int,
    factor: Double, isPerHead: Bool = true
  ) -> Self {
    .count(name, path, default: standard) { own in
      let own = factor * Double(own.width).squareRoot() * (isPerHead ? Double(own.headWidth) / 64 : 1) / 32
      return max(32, Int(own.rounded(.toNearestOrEven)) * 32)
    }
  }
}

extension [ForeignKey<ModelConfiguration>] {
  fileprivate static func channelMix(ratio: Double) -> Self {
    [
      .epsilon(\.normEpsilon, default: 1e-5), .hiddenWidth(ratio: ratio, isGated: false),
      .required("hidden_act", among: "sqrelu"),
      .flag("norm_first", \.normalizesEmbedding, default: true),
      .flag("norm_bias", \.hasNormBias, default: true),
    ]
  }
}

extension ForeignNames {
  /// The names of layers `model.layers.N.{attn_norm, attn, ffn_norm, ffn}` with RWKV's channel mix.
  fileprivate mutating func nameChannelMix() {
    embeddingNorm = "model.layers.0.pre_norm"
    (parts["mlp_norm"], parts["mlp"]) = ("ffn_norm", "ffn")
    renamed["mixer.output.weight"] = "o_proj.weight"
    for kind in ["weight", "bias"] { renamed["mixer.ln_x." + kind] = "g_norm." + kind }
  }
}
