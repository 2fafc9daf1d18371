/// Mamba and Mamba-2 as their authors' mamba_ssm saves them, and as Mistral publishes Codestral: the tensors are those of
/// `mamba` and `mamba2`, the configuration says the same in other words.

import RunnelFiles
import RunnelMixers
import RunnelModels

extension ForeignFamily {
  /// Whether a configuration is of mamba_ssm's folders, which have no `model_type`.
  static func isAuthorsMamba(_ json: ForeignConfiguration) -> Bool {
    !json.contains("model_type") && json.contains("d_model") && json.contains("n_layer")
  }

  /// The model of a folder of mamba_ssm.
  static func authorsMamba(_ json: ForeignConfiguration) throws -> ForeignModel {
    for key in ["attn_layer_idx", "attn_cfg"] {
      switch json.value(key) ?? .null {
      case .null, .list([]), .object([:]): break
      default: throw json.error(key, expected: "none: layers of attention between the others are not read")
      }
    }
    guard try json.count("d_intermediate", default: 0) == 0 else {
      throw json.error("d_intermediate", expected: "0: feed-forward parts between the layers are not read")
    }
    let mixer = try json.object("ssm_cfg")
    let isSecond = try mixer.choice("layer", among: ["Mamba1": false, "Mamba2": true], default: "Mamba1")
    let multiple = max(1, try json.count("pad_vocab_size_multiple", default: 8))
    var fields: [String: ForeignValue] = [
      "hidden_size": .count(try json.count("d_model")),
      "num_hidden_layers": .count(try json.count("n_layer")),
      // The embedding has rows for ids up to the next multiple.
      "vocab_size": .count((try json.count("vocab_size") + multiple - 1) / multiple * multiple),
      "tie_word_embeddings": .flag(try json.flag("tie_embeddings", default: true)),
      // The authors' code takes no other.
      "norm_eps": 1e-5,
    ]
    let words = [
      "d_state": "state_size", "d_conv": "conv_kernel", "expand": "expand", "bias": "use_bias",
      "conv_bias": "use_conv_bias",
    ].merging(
      isSecond
        ? [
          "headdim": "head_dim", "ngroups": "n_groups", "D_has_hdim": "D_has_hdim", "rmsnorm": "rmsnorm",
          "norm_before_gate": "norm_before_gate", "dt_limit": "dt_limit",
        ] : ["dt_rank": "dt_rank"]
    ) { own, _ in own }
    for (theirs, ours) in words { fields[ours] = mixer.value(theirs) }
    // How a fresh layer is drawn, and which kernel runs.
    let idle: Set = [
      "layer", "dt_min", "dt_max", "dt_init", "dt_scale", "dt_init_floor", "A_init_range", "conv_init",
      "use_fast_path", "use_mem_eff_path", "chunk_size", "sequence_parallel",
    ]
    for key in mixer.names where words[key] == nil && !idle.contains(key) {
      try mixer.require(key, isAbsentBecause: "an option that is not built")
    }
    let same = ForeignConfiguration(path: json.path, fields: fields)
    var model = try (isSecond ? mamba2Form : mambaForm).read(same)
    // Without it there are layer norms, with a bias.
    if try !json.flag("rms_norm", default: true) { model.configuration.norm = .layer }
    return model
  }

  /// The model of Mistral's `params.json`, which must say that it is Mamba-2.
  static func codestral(_ json: ForeignConfiguration) throws -> ForeignModel {
    guard try json.text("model_type", default: "transformer") == "mamba" else {
      throw json.error(
        "model_type", expected: "mamba", remedy: "use a model of Mamba-2, or its Hugging Face folder")
    }
    var fields: [String: ForeignValue] = [
      "ssm_cfg": .object(["layer": "Mamba2", "ngroups": .count(try json.count("n_groups", default: 1))])
    ]
    let words = [
      "dim": "d_model", "n_layers": "n_layer", "vocab_size": "vocab_size", "rms_norm": "rms_norm",
      "tie_embeddings": "tie_embeddings", "pad_vocab_size_multiple": "pad_vocab_size_multiple",
    ]
    for (theirs, ours) in words { fields[ours] = json.value(theirs) }
    for key in ["dim", "n_layers"] { _ = try json.count(key) }
    return try authorsMamba(ForeignConfiguration(path: json.path, fields: fields))
  }
}
