/// What flash-linear-attention's families have in common: the model around the mixer, its feed-forward part, names.

import RunnelMixers
import RunnelModels

extension ForeignFamily {
  static let flashLinearAttention: [ForeignFamily] = [
    retnet, gla, linearAttention, deltaNet, gatedDeltaNet, hgrn2, rwkv6, rwkv7,
  ]

  /// A family of layers `model.layers.N.{attn_norm, attn, mlp_norm, mlp}`.
  ///
  /// - Parameters:
  ///   - model: the keys beside those that every family has; with a gated feed-forward part, if not said otherwise.
  ///   - complete: what the names of the family are besides.
  static func flash<Mixer: SequenceMixer>(
    _ modelType: String, _ architecture: String, _ mixer: Mixer.Type,
    restated: @escaping @Sendable (LanguageModel) throws -> LanguageModel = { $0 },
    _ keys: [ForeignKey<Mixer.Configuration>], model: [ForeignKey<ModelConfiguration>] = .gated(ratio: 4),
    names complete:
      @escaping @Sendable (inout ForeignNames, ForeignConfiguration, ModelConfiguration) throws -> Void = {
        _, _, _ in
      }
  ) -> ForeignFamily {
    let reason = "layers of softmax attention between the others are not read"
    return ForeignFamily(
      modelType, of: "flash-linear-attention",
      ForeignForm(
        architecture: architecture, mixers: [ForeignMixer(mixer, keys)],
        model: [.refused("attn", because: reason)] + .common() + model, restated: restated
      ) { json, configuration in
        var names = ForeignNames(
          embedding: "model.embeddings.weight", norm: "model.norm", head: "lm_head.weight",
          layers: "model.layers.", parts: ["norm": "attn_norm", "mixer": "attn"])
        for part in ["gate", "up", "down"] { names.renamed["mlp.\(part).weight"] = "\(part)_proj.weight" }
        names.shapeConvolutions(["q", "k", "v", "f", "i"].map { "mixer.\($0)_conv1d.weight" })
        try complete(&names, json, configuration)
        return names
      })
  }
}

extension [ForeignKey<ModelConfiguration>] {
  /// - Parameter ratio: the family's default `hidden_ratio`.
  static func gated(ratio: Double) -> Self {
    [
      .refused("attnres_block_size", because: "attention over residual streams is not built"),
      .epsilon(\.normEpsilon), .hiddenWidth(ratio: ratio, isGated: true),
      .word("hidden_act", \.activation, in: ["swish": .silu], default: "swish"),
    ]
  }
}

extension ForeignKey {
  /// ε of all norms.
  static func epsilon(_ path: any Path<Float>, default standard: Double = 1e-6) -> Self {
    .decimal("norm_eps", path, default: standard)
  }
}

extension ForeignKey<ModelConfiguration> {
  /// Unless it is given, two thirds of a ratio in whole multiples of 256, or without a gate the ratio in multiples of 32.
  /// A ratio of null is 4 in all families with a gate.
  static func hiddenWidth(ratio: Double, isGated: Bool) -> Self {
    let multiple = isGated ? 256 : 32
    return ForeignKey("intermediate_size", \.hiddenWidth, write: ForeignValue.count) { json, own in
      let whole =
        Double(own.width) * (try json.number("hidden_ratio", default: ratio, null: isGated ? 4 : ratio))
      let hidden = isGated ? whole * 2 / 3 : whole
      guard hidden >= 0, hidden < 0x1p32 else {
        throw json.error("hidden_ratio", expected: "a ratio of two widths")
      }
      let standard = (Int(hidden) + multiple - 1) / multiple * multiple
      return try json.count("intermediate_size", default: standard, null: standard)
    }
  }
}
