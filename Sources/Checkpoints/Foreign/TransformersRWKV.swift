/// `rwkv`: transformers' RWKV-4, and folders whose tensors have the names of the authors' own files.

import RunnelMixers
import RunnelModels
import RunnelTensors

extension ForeignFamily {
  static let rwkv = ForeignFamily(
    modelType: "rwkv", library: "transformers", mixers: ["rwkv4"],
    writing: .of(RWKV4.self, "RwkvForCausalLM") { model, mixer in
      [
        "attention_hidden_size": .count(mixer.attentionWidth), "intermediate_size": .count(model.hiddenWidth),
        "layer_norm_epsilon": .decimal(model.normEpsilon), "rescale_every": .count(model.halvingInterval),
      ]
    }
  ) { json, source in
    if source.contains(AuthorsRWKV.embedding) { return try AuthorsRWKV(source, json).model() }
    let width = try json.count("hidden_size")
    let choice = MixerChoice(
      RWKV4.self,
      try RWKV4.Configuration(width: width) {
        $0.attentionWidth = try json.count("attention_hidden_size", default: width, null: width)
      })
    var configuration = ModelConfiguration(
      [choice], vocabularySize: try json.count("vocab_size"), width: width,
      layers: try json.count("num_hidden_layers"),
      tiesEmbedding: try json.flag("tie_word_embeddings", default: false),
      normEpsilon: Float(try json.number("layer_norm_epsilon", default: 1e-5)),
      hiddenWidth: try json.count("intermediate_size", default: 4 * width, null: 4 * width))
    // Zero and less is never.
    configuration.halvingInterval = Int(min(max(0, try json.number("rescale_every", default: 6)), 0x1p32))
    // The last norm there takes no other ε.
    configuration.lastNormEpsilon = 1e-5

    var names = ForeignNames(
      embedding: "rwkv.embeddings.weight", embeddingNorm: "rwkv.blocks.0.pre_ln", norm: "rwkv.ln_out",
      head: "head.weight", layer: { "rwkv.blocks.\($0)." },
      part: { _, part in
        ["norm": "ln1", "mixer": "attention", "mlp_norm": "ln2", "mlp": "feed_forward"][part] ?? part
      })
    for part in ["mixer", "mlp"] {
      for (ours, theirs) in ["k": "key", "v": "value", "r": "receptance"] {
        names.renamed["\(part).time_mix_\(ours)"] = "time_mix_\(theirs)"
      }
      names.shapeRows(["k", "v", "r"].map { "\(part).time_mix_" + $0 })
    }
    return ForeignModel(configuration: configuration, names: names)
  }

  /// The authors' own files, `.pth` or converted; a folder of one may have transformers' `model_type`.
  static let authorsRWKV = ForeignFamily(
    modelType: "rwkv", library: "BlinkDL", mixers: ["rwkv4", "rwkv5", "rwkv6", "rwkv7"]
  ) { json, source in try AuthorsRWKV(source, json).model() }

  /// Folders of RWKV-5 that come with their own code; those of RWKV-6 have the `model_type` of a library.
  static let folderRWKV5 = ForeignFamily(
    modelType: "rwkv5", library: "RWKV's folders", mixers: ["rwkv5"]
  ) { json, source in try AuthorsRWKV(source, json).model() }
}
