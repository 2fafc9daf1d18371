/// RWKV in the authors' own files, `.pth` or converted: there is no configuration, the names and shapes say it all.
///
/// Version 4 has time_mix and no group norm; 5 has a group norm, 5.2 decays per channel; 6 has time_maa; 7 has x_r.

import RunnelFiles
import RunnelMixers
import RunnelModels
import RunnelTensors

struct AuthorsRWKV {
  static let embedding = "emb.weight"
  private let source: any TensorSource
  /// May say the norms' ε; otherwise empty.
  private let json: ForeignConfiguration
  private let V, D: Int

  init(_ source: any TensorSource, _ json: ForeignConfiguration) throws {
    (self.source, self.json) = (source, json)
    let shape = try Self.shape(Self.embedding, in: source, rank: 2)
    (V, D) = (shape[0], shape[1])
  }

  private static func shape(_ name: String, in source: any TensorSource, rank: Int) throws -> [Int] {
    guard source.contains(name) else {
      throw FileError(
        source.path, at: "tensors", expected: "a tensor \"\(name)\", as RWKV has it", found: "none",
        remedy: "name a file of RWKV-4, 5, 6 or 7")
    }
    let shape = try source.entry(name).shape
    guard shape.count == rank, shape.allSatisfy({ $0 > 0 }) else {
      throw FileError(
        source.path, at: "tensor \"\(name)\"", expected: "\(rank) axes", found: "\(shape)",
        remedy: "name a file of RWKV-4, 5, 6 or 7")
    }
    return shape
  }

  /// The shape of a matrix of the first layer.
  private func matrix(_ name: String) throws -> [Int] {
    try Self.shape("blocks.0." + name, in: source, rank: 2)
  }
  private func has(_ name: String) -> Bool { source.contains("blocks.0.att." + name) }

  /// BlinkDL's code divides by eight before a norm with ε = 10⁻⁵, from version 5 on.
  private var groupNormEpsilon: Float {
    get throws { Float(try json.number("ln_x_eps", default: 64e-5)) }
  }

  private func mixer() throws -> MixerChoice {
    let attention = try matrix("att.key.weight")[0]
    if has("x_r") {
      let heads = try matrix("att.r_k")
      // The first layer has no mix of values.
      let valueRank =
        source.contains("blocks.1.att.v1") ? try Self.shape("blocks.1.att.v1", in: source, rank: 2)[1] : 1
      return MixerChoice(
        RWKV7.self,
        RWKV7.Configuration(
          width: D, heads: heads[0], headWidth: heads[1], decayRank: try matrix("att.w1")[1],
          rateRank: try matrix("att.a1")[1], valueRank: valueRank, gateRank: try matrix("att.g1")[1],
          groupNormEpsilon: try groupNormEpsilon))
    }
    if has("time_maa_x") {
      let heads = try matrix("att.time_faaaa")
      return MixerChoice(
        RWKV6.self,
        RWKV6.Configuration(
          width: D, heads: heads[0], keyWidth: heads[1],
          valueWidth: try matrix("att.value.weight")[0] / heads[0],
          shareRank: try matrix("att.time_maa_w1")[1] / 5, decayRank: try matrix("att.time_decay_w1")[1],
          groupNormEpsilon: try groupNormEpsilon))
    }
    if has("ln_x.weight"), has("time_decay") {
      let decay = try source.entry("blocks.0.att.time_decay")
      let heads = max(1, decay.shape.first ?? 1)
      return MixerChoice(
        RWKV5.self,
        RWKV5.Configuration(
          width: D, heads: heads, headWidth: attention / heads, hasGate: has("gate.weight"),
          decayPerChannel: decay.count > heads, groupNormEpsilon: try groupNormEpsilon))
    }
    return MixerChoice(RWKV4.self, RWKV4.Configuration(width: D, attentionWidth: attention))
  }

  func model() throws -> ForeignModel {
    let layers = source.names.compactMap { name -> Int? in
      let words = name.split(separator: ".")
      return words.count > 2 && words[0] == "blocks" ? Int(words[1]) : nil
    }
    let configuration = ModelConfiguration(
      [try mixer()], vocabularySize: V, width: D, layers: (layers.max() ?? 0) + 1, tiesEmbedding: false,
      normEpsilon: Float(try json.number("layer_norm_eps", default: 1e-5)),
      hiddenWidth: try matrix("ffn.key.weight")[0])
    let names = ForeignNames(
      embedding: Self.embedding, embeddingNorm: "blocks.0.ln0", norm: "ln_out", head: "head.weight",
      layer: { "blocks.\($0)." },
      part: { _, part in ["norm": "ln1", "mixer": "att", "mlp_norm": "ln2", "mlp": "ffn"][part] ?? part },
      // The first layer has no other's values to mix in; some files keep the parameters all the same.
      idle: Set(["v0", "v1", "v2"].map { "blocks.0.att." + $0 }))
    return ForeignModel(configuration: configuration, names: names)
  }
}
