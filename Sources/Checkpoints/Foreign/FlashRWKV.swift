/// flash-linear-attention's `rwkv6` and `rwkv7`: the authors' functions under other names, matrices of low rank
/// transposed, the shares of the token before in another order.

import RunnelMixers
import RunnelModels
import RunnelTensors

extension ForeignFamily {
  static let rwkv6 = flashLinearAttention(
    "rwkv6", mixers: ["rwkv6"],
    writing: .flashRWKV(RWKV6.self, "RWKV6ForCausalLM", restated: { try $0.withValuesForNorm6() }) {
      mixer, _ in
      [
        "num_heads": .count(mixer.heads), "expand_k": .ratio(mixer.heads * mixer.keyWidth, of: mixer.width),
        "expand_v": .ratio(mixer.heads * mixer.valueWidth, of: mixer.width),
        "proj_low_rank_dim": .count(mixer.shareRank), "gate_low_rank_dim": .count(mixer.decayRank),
      ]
    }
  ) { json in
    let (D, heads) = (try json.count("hidden_size"), try json.count("num_heads", default: 4))
    let R = try json.count("proj_low_rank_dim", default: 32)
    let G = try json.count("gate_low_rank_dim", default: 64)
    let epsilon = Float(try json.number("norm_eps", default: 1e-5))
    let K = try json.expanded("expand_k", default: 0.5, heads: heads)
    let choice = MixerChoice(
      RWKV6.self,
      try RWKV6.Configuration(width: D) {
        $0.heads = heads
        $0.keyWidth = K
        $0.valueWidth = try json.expanded("expand_v", default: 1, heads: heads)
        $0.shareRank = R
        $0.decayRank = G
        $0.groupNormEpsilon = epsilon
      })
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
      _ ours: String, _ theirs: String, _ shape: Shape, _ change: ForeignChange
    ) {
      model.names.derived["mixer." + ours] = { layer in
        ForeignOrigin(name: "model.layers.\(layer).attn." + theirs, shape: shape, change: change)
      }
    }
    /// The five blocks of rows of a matrix in another order; `blocks[i]` goes to place i.
    @Sendable func ordered(_ matrix: Tensor, _ blocks: [Int]) -> Tensor {
      let rows = matrix.shape[0] / 5
      return Tensor(blocks.flatMap { matrix.rows($0 * rows..<($0 + 1) * rows).scalars }, matrix.shape)
    }
    let inverse = (0..<5).map { theirs in order.firstIndex(of: theirs) ?? theirs }
    // The five vectors are one tensor there; they come in our order.
    for (name, row) in zip(["w", "k", "v", "r", "g"], order) {
      derive(
        "time_maa_" + name, "x_bias", [5, D],
        ForeignChange(
          read: { $0.rows(row..<row + 1) },
          write: { rows in Tensor(inverse.flatMap { rows[$0].scalars }, [5, D]) }))
    }
    derive(
      "time_maa_w1", "x_proj.0.linear.weight", [5 * R, D],
      .pair({ transposed(ordered($0, order)) }, { ordered(transposed($0), inverse) }))
    derive(
      "time_maa_w2", "x_proj.2.weight", [D, 5 * R],
      .pair(
        { ordered(transposed($0), order).reshaped([5, R, D]) },
        { transposed(ordered($0.reshaped([5 * R, D]), inverse)) }))
    derive("time_decay_w1", "w_proj.linear.lora.0.weight", [G, D], .transposition)
    derive("time_decay_w2", "w_proj.linear.lora.2.weight", [heads * K, G], .transposition)
    return model
  }

  static let rwkv7 = flashLinearAttention(
    "rwkv7", mixers: ["rwkv7"],
    writing: .flashRWKV(RWKV7.self, "RWKV7ForCausalLM", restated: { try $0.withValuesForNorm7() }) {
      mixer, layers in
      [
        "num_heads": .count(mixer.heads), "head_dim": .count(mixer.headWidth),
        "decay_low_rank_dim": .count(mixer.decayRank), "a_low_rank_dim": .count(mixer.rateRank),
        "v_low_rank_dim": .count(mixer.valueRank), "gate_low_rank_dim": .count(mixer.gateRank),
        "value_dim": .list(Array(repeating: .count(mixer.width), count: layers)),
        "fuse_norm": .flag(mixer.keyNormEpsilon == fusedKeyNormEpsilon),
      ]
    }
  ) { json in
    let D = try json.count("hidden_size")
    // Without a width of heads their number says it; where both are there the layers go by the width.
    let headWidth =
      json.value("head_dim") == .null
      ? D / max(1, try json.count("num_heads")) : try json.count("head_dim", default: 64)
    guard headWidth > 0, D % headWidth == 0 else {
      throw json.error("head_dim", expected: "a divisor of \(D)")
    }
    let heads = D / headWidth
    let widths = [json.value("value_dim")?.number].compactMap(\.self)
    for width in try widths.isEmpty ? json.numbers("value_dim", null: []) : widths where width != Double(D) {
      throw json.error("value_dim", expected: "the width \(D) in every layer")
    }
    let epsilon = try json.number("norm_eps", default: 1e-5)
    /// A rank of null is the layer's own choice: a factor on √D, in multiples of 32, and more for wide heads.
    func rank(_ name: String, default standard: Int, _ factor: Double, isPerHead: Bool = true) throws -> Int {
      let own = factor * Double(D).squareRoot() * (isPerHead ? Double(headWidth) / 64 : 1) / 32
      return try json.count(name, default: standard, null: max(32, Int(own.rounded(.toNearestOrEven)) * 32))
    }
    let ranks = (
      decay: try rank("decay_low_rank_dim", default: 64, 2.5),
      rate: try rank("a_low_rank_dim", default: 64, 2.5),
      value: try rank("v_low_rank_dim", default: 16, 1.7),
      gate: try rank("gate_low_rank_dim", default: 128, 5, isPerHead: false)
    )
    let choice = MixerChoice(
      RWKV7.self,
      try RWKV7.Configuration(width: D) {
        $0.heads = heads
        $0.headWidth = headWidth
        $0.decayRank = ranks.decay
        $0.rateRank = ranks.rate
        $0.valueRank = ranks.value
        $0.gateRank = ranks.gate
        $0.groupNormEpsilon = ForeignConfiguration.headNormEpsilon(epsilon, width: headWidth)
        $0.keyNormEpsilon = try json.flag("fuse_norm", default: true) ? fusedKeyNormEpsilon : 1e-24
      })
    var model = try json.flashRWKV(choice, ratio: 4)
    model.names.shapeRows(["r", "w", "k", "v", "a", "g"].map { "mixer.x_" + $0 })
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
          ForeignOrigin(name: "model.layers.\(layer).attn." + name, shape: shape, change: .transposition)
        }
      }
    }
    return model
  }
}

/// ε of the norm of RWKV-7's keys, where it is one kernel with others.
private let fusedKeyNormEpsilon: Float = 1e-6

extension ForeignWriting {
  fileprivate static func flashRWKV<Mixer: SequenceMixer>(
    _ mixer: Mixer.Type, _ architecture: String,
    restated: @escaping @Sendable (LanguageModel) throws -> LanguageModel,
    fields: @escaping @Sendable (Mixer.Configuration, _ layers: Int) -> [String: ForeignValue]
  ) -> ForeignWriting {
    of(mixer, architecture, restated: restated) { model, mixer in
      fields(mixer, model.layers).merging([
        "norm_eps": .decimal(model.normEpsilon), "intermediate_size": .count(model.hiddenWidth),
        "hidden_act": "sqrelu", "norm_first": .flag(model.normalizesEmbedding),
        "norm_bias": .flag(model.hasNormBias),
      ]) { own, _ in own }
    }
  }
}

extension ForeignConfiguration {
  /// ε of RWKV-7's norm of heads.
  static func headNormEpsilon(_ epsilon: Double, width: Int) -> Float {
    Float(Double(width) * epsilon)
  }

  /// A model of layers `model.layers.N.{attn_norm, attn, ffn_norm, ffn}` with RWKV's channel mix.
  fileprivate func flashRWKV(_ choice: MixerChoice, ratio: Double) throws -> ForeignModel {
    try require("attn", isAbsentBecause: "layers of softmax attention between the others are not read")
    try self.choice("hidden_act", among: ["sqrelu": ()], default: "sqrelu")
    let D = try count("hidden_size")
    // In whole multiples of 32, unless it is given.
    let wanted = Double(D) * (try number("hidden_ratio", default: ratio, null: ratio))
    guard wanted >= 0, wanted < 0x1p32 else { throw error("hidden_ratio", expected: "a ratio of two widths") }
    let hidden = (Int(wanted) + 31) / 32 * 32
    var configuration = ModelConfiguration(
      [choice], vocabularySize: try count("vocab_size"), width: D, layers: try count("num_hidden_layers"),
      tiesEmbedding: try flag("tie_word_embeddings", default: false),
      normEpsilon: Float(try number("norm_eps", default: 1e-5)),
      hiddenWidth: try count("intermediate_size", default: hidden, null: hidden))
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
    return ForeignModel(configuration: configuration, names: names)
  }
}
