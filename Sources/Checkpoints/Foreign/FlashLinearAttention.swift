/// What flash-linear-attention's families have in common: the model around the mixer, its feed-forward part, names.

import RunnelMixers
import RunnelModels
import RunnelTensors

extension ForeignFamily {
  static let flashLinearAttention: [ForeignFamily] = [
    retnet, gla, linearAttention, deltaNet, gatedDeltaNet, hgrn2, rwkv6, rwkv7,
  ]

  static func flashLinearAttention(
    _ modelType: String, mixers: [String], writing: ForeignWriting,
    read: @escaping @Sendable (ForeignConfiguration) throws -> ForeignModel
  ) -> ForeignFamily {
    ForeignFamily(
      modelType: modelType, library: "flash-linear-attention", mixers: mixers, writing: writing
    ) { json, _ in
      try read(json)
    }
  }
}

extension ForeignWriting {
  /// The fields of a model with a gated feed-forward part, and the mixer's own.
  static func flash<Mixer: SequenceMixer>(
    _ mixer: Mixer.Type, _ architecture: String,
    restated: @escaping @Sendable (LanguageModel) throws -> LanguageModel = { $0 },
    fields: @escaping @Sendable (Mixer.Configuration) -> [String: ForeignValue]
  ) -> ForeignWriting {
    of(mixer, architecture, restated: restated) { model, mixer in
      fields(mixer).merging([
        "norm_eps": .decimal(model.normEpsilon), "intermediate_size": .count(model.hiddenWidth),
        "hidden_act": "swish",
      ]) { own, _ in own }
    }
  }

  /// The fields of short convolutions of W taps, 0 for none.
  static func convolutions(_ width: Int) -> [String: ForeignValue] {
    width == 0 ? ["use_short_conv": false] : ["use_short_conv": true, "conv_size": .count(width)]
  }
}

extension ForeignConfiguration {
  /// A model of layers `model.layers.N.{attn_norm, attn, mlp_norm, mlp}` with a gated feed-forward part.
  ///
  /// - Parameter ratio: the family's default `hidden_ratio`.
  func flashModel(_ choice: MixerChoice, ratio: Double = 4) throws -> ForeignModel {
    try require("attn", isAbsentBecause: "layers of softmax attention between the others are not read")
    try require("attnres_block_size", isAbsentBecause: "attention over residual streams is not built")
    var configuration = ModelConfiguration(
      [choice], vocabularySize: try count("vocab_size"), width: try count("hidden_size"),
      layers: try count("num_hidden_layers"),
      tiesEmbedding: try flag("tie_word_embeddings", default: false),
      normEpsilon: Float(try number("norm_eps", default: 1e-6)), hiddenWidth: try hiddenWidth(ratio: ratio))
    configuration.activation = try self.choice("hidden_act", among: ["swish": .silu], default: "swish")
    var names = ForeignNames(
      embedding: "model.embeddings.weight", norm: "model.norm", head: "lm_head.weight",
      layer: { "model.layers.\($0)." },
      part: { _, part in ["norm": "attn_norm", "mixer": "attn"][part] ?? part })
    for part in ["gate", "up", "down"] { names.renamed["mlp.\(part).weight"] = "\(part)_proj.weight" }
    names.shapeConvolutions(
      "mixer.q_conv1d.weight", "mixer.k_conv1d.weight", "mixer.v_conv1d.weight", "mixer.f_conv1d.weight",
      "mixer.i_conv1d.weight")
    return ForeignModel(configuration: configuration, names: names)
  }

  /// Two thirds of the ratio, in whole multiples of 256, unless it is given. A ratio of null is 4 in all families.
  private func hiddenWidth(ratio: Double) throws -> Int {
    let hidden =
      Double(try count("hidden_size")) * (try number("hidden_ratio", default: ratio, null: 4)) * 2 / 3
    guard hidden >= 0, hidden < 0x1p32 else { throw error("hidden_ratio", expected: "a ratio of two widths") }
    let standard = (Int(hidden) + 255) / 256 * 256
    return try count("intermediate_size", default: standard, null: standard)
  }

  /// A width as a multiple of the model's, shared by the heads.
  func expanded(_ name: String, default ratio: Double, heads: Int) throws -> Int {
    let width = try whole(name, default: ratio, of: try count("hidden_size"))
    guard heads > 0, width % heads == 0 else {
      throw error(name, expected: "a width that \(heads) heads can share")
    }
    return width / heads
  }

  /// A width as a multiple of another, which must be whole.
  func whole(_ name: String, default ratio: Double, of width: Int) throws -> Int {
    let product = Double(width) * (try number(name, default: ratio))
    guard product >= 0, product < 0x1p32, abs(product - product.rounded()) <= 1e-9 * product else {
      throw error(name, expected: "a ratio that makes a whole width of \(width)")
    }
    return Int(product.rounded())
  }

  /// W of the short convolutions, 0 for none.
  func convolutionWidth(isDefault: Bool) throws -> Int {
    try flag("use_short_conv", default: isDefault) ? count("conv_size", default: 4) : 0
  }
}
