import Foundation
import RunnelCheckpoints
import RunnelFiles
import RunnelMixers
import RunnelModels
import Testing

@Suite("every key of a foreign configuration is honoured, equal to what is built, or refused by its name")
struct KeyTests {
  /// Case, key, value: the library raises, or has a function that is not built.
  private static let refused: [(String, String, String)] = [
    ("mamba-tied", "hidden_act", #""relu""#), ("mamba-tied", "tie_word_embeddings", "null"),
    ("mamba-tied", "time_step_rank", "null"), ("mamba-tied", "expand", "null"),
    ("mamba-tied", "use_bias", "null"), ("mamba-tied", "use_conv_bias", "1"),
    ("mamba-tied", "layer_norm_epsilon", "null"), ("mamba-tied", "layer_norm_epsilon", "1e400"),
    ("mamba-tied", "layer_norm_epsilon", "NaN"), ("mamba-tied", "hidden_size", #""48""#),
    ("mamba-tied", "state_size", "null"), ("mamba-tied", "conv_kernel", "null"),
    ("mamba-tied", "norm_eps", "1e-3"), ("mamba-tied", "quantization_config", #"{"bits": 4}"#),
    ("falcon-mamba-untied", "mixer_rms_eps", "null"),
    ("mamba2-limits", "time_step_limit", "null"), ("mamba2-limits", "time_step_limit", "[NaN, 1]"),
    ("mamba2-limits", "time_step_limit", "[1, 0.5]"), ("mamba2-limits", "time_step_limit", "[1]"),
    ("mamba2-limits", "dt_limit", "[0.1, 0.2]"), ("mamba2-groups", "n_groups", "null"),
    ("mamba2-groups", "expand", "3"), ("mamba2-groups", "hidden_act", #""gelu""#),
    ("rwkv-plain", "rescale_every", "null"), ("rwkv-plain", "layer_norm_epsilon", "Infinity"),
    ("recurrent-gemma-mqa", "rope_parameters", #"{"rope_type": "linear", "factor": 2.0}"#),
    ("recurrent-gemma-mqa", "rope_parameters", #"{"rope_type": "yarn", "factor": 2.0}"#),
    ("recurrent-gemma-mqa", "rope_parameters", "7"),
    ("recurrent-gemma-mqa", "rope_scaling", #"{"type": "dynamic", "factor": 2.0}"#),
    ("recurrent-gemma-mqa", "sliding_window", "17"),
    ("recurrent-gemma-mqa", "layer_types", #"["sliding_attention"]"#),
    ("recurrent-gemma-mqa", "hidden_activation", #""gelu""#),
    ("recurrent-gemma-mqa", "hidden_activation", "null"), ("recurrent-gemma-mqa", "logits_soft_cap", "null"),
    ("recurrent-gemma-mqa", "block_types", "null"), ("recurrent-gemma-mqa", "block_types", #"["mlp"]"#),
    ("retnet-plain", "hidden_act", #""powlu""#), ("retnet-plain", "feature_map", #""softplus""#),
    ("retnet-plain", "attnres_block_size", "4"), ("retnet-plain", "expand_k", "0.70710678"),
    ("gla-plain", "attn", #"{"layers": [1], "num_heads": 2}"#), ("gla-plain", "use_output_gate", "null"),
    ("gla-plain", "clamp_min", #""-1""#), ("linear-attn-product", "tie_feature_map_qk", "true"),
    ("linear-attn-product", "feature_map", #""dpfp""#), ("delta-net-plain", "qk_norm", #""l1""#),
    ("delta-net-plain", "qk_activation", #""gelu""#), ("delta-net-plain", "use_beta", "null"),
    ("gated-deltanet-plain", "output_gate_activation", #""tanh""#),
    ("gated-deltanet-plain", "expand_v", "1.03"), ("hgrn2-bounds", "expand_ratio", "7"),
    ("rwkv6-plain", "hidden_act", #""relu""#), ("rwkv6-plain", "attn", #"{"layers": [0]}"#),
    ("rwkv7-plain", "value_dim", "[48, 96]"), ("rwkv7-plain", "value_dim", "96"),
    ("rwkv7-plain", "head_dim", "7"), ("rwkv7-plain", "hidden_act", #""swish""#),
  ]

  @Test("what is not built, and what the library would refuse, is refused", arguments: refused.indices)
  func refusals(index: Int) throws {
    let (name, key, value) = Self.refused[index]
    let golden = try GoldenCase.named(name)
    let error = #expect(throws: FileError.self, "\(name), \(key): \(value)") {
      try golden.load(configuration: golden.configuration([key: value]))
    }
    // Of what stands in an object the field in it is named.
    let places = [key, "rope_type", "type"].map { "field \"\($0)\"" }
    #expect(places.contains(error?.place ?? ""), "\(name), \(key): \(String(describing: error))")
  }

  @Test(
    "a wrong word is answered with the words that this family takes",
    arguments: [
      ("mamba-tied", "hidden_act", "silu, swish"), ("mamba2-limits", "hidden_act", "silu, swish"),
      ("gla-plain", "hidden_act", "swish"), ("rwkv6-plain", "hidden_act", "sqrelu"),
      ("rwkv7-plain", "hidden_act", "sqrelu"),
      (
        "recurrent-gemma-mqa", "hidden_activation",
        "gelu_new, gelu_pytorch_tanh, relu, relu2, sigmoid, silu, swish, tanh"
      ),
    ])
  func words(name: String, key: String, words: String) throws {
    let golden = try GoldenCase.named(name)
    let error = #expect(throws: FileError.self) {
      try golden.load(configuration: golden.configuration([key: #""softsign""#]))
    }
    #expect(error?.expected == "one of \(words)", "\(String(describing: error))")
    for word in words.split(separator: ", ") {
      let text = try golden.configuration([key: "\"\(word)\""])
      #expect(throws: Never.self, "\(word)") { try golden.load(configuration: text) }
    }
  }

  /// Case, changes: the library's function stays.
  private static let equal: [(String, [String: String])] = [
    ("mamba-tied", ["use_mambapy": "true", "time_step_min": "0.5", "residual_in_fp32": "false"]),
    ("mamba-tied", ["time_step_rank": #""auto""#]), ("mamba-tied", ["intermediate_size": ""]),
    // The width that is said wins over the factor, as in the files of Falcon-Mamba.
    ("falcon-mamba-untied", ["expand": "16"]),
    ("mamba2-one-group", ["chunk_size": "7", "time_step_floor": "null", "rms_norm": "false"]),
    ("mamba2-one-group", ["time_step_limit": "[0.0, Infinity]"]),
    ("mamba2-one-group", ["time_step_limit": "[0.0, 1e400]"]), ("mamba2-one-group", ["time_step_limit": ""]),
    ("mamba2-one-group", ["time_step_limit": #"[0.0, {"__float__": "Infinity"}]"#]),
    ("rwkv-plain", ["attention_hidden_size": "null", "intermediate_size": "null"]),
    ("rwkv-plain", ["context_length": "2"]),
    ("recurrent-gemma-mqa", ["lru_width": "null", "rope_parameters": "null", "rope_scaling": "null"]),
    ("recurrent-gemma-mqa", ["rope_parameters": #"{"type": "default"}"#, "sliding_window": "64"]),
    ("recurrent-gemma-mqa", ["attention_window_size": "", "sliding_window": "64"]),
    ("recurrent-gemma-mqa", ["rope_theta": "7", "attention_dropout": "0.5"]),
    ("recurrent-gemma-wide", ["num_key_value_heads": "null"]),
    ("retnet-plain", ["attn_mode": #""parallel""#, "use_short_conv": "true", "num_kv_heads": "null"]),
    ("gla-plain", ["intermediate_size": "null", "hidden_ratio": "null", "attn": "null"]),
    ("gla-unfused", ["elementwise_affine": "null"]),
    ("delta-net-plain", ["use_output_norm": "false"]),
    ("gated-deltanet-plain", ["num_v_heads": "null", "fuse_swiglu": "false"]),
    ("hgrn2-convolutions", ["expand_ratio": "10", "num_heads": "2"]),
    ("rwkv6-plain", ["intermediate_size": "null", "hidden_ratio": "null"]),
    ("rwkv7-plain", ["head_dim": "null", "num_heads": "3"]), ("rwkv7-plain", ["num_heads": "2"]),
    ("rwkv7-plain", ["value_dim": "null"]), ("rwkv7-plain", ["value_dim": "48"]),
    // What nobody asks for.
    (
      "gla-plain",
      [
        "model_max_length": "1e400", "loss_before": "NaN", "task_specific_params": "-Infinity",
        "own": String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000),
      ]
    ),
  ]

  @Test("what has no part in the function, or says the same, changes nothing", arguments: equal.indices)
  func equals(index: Int) throws {
    let (name, changes) = Self.equal[index]
    let golden = try GoldenCase.named(name)
    let plain = try golden.load(configuration: golden.configuration([:]))
    let other = try golden.load(configuration: golden.configuration(changes))
    #expect(other.configuration == plain.configuration && other.fingerprint == plain.fingerprint)
  }

  @Test("a family's own defaults count where a key is absent")
  func defaults() throws {
    // Two thirds of 2 · 192 in whole multiples of 256; a ratio of null is 4.
    let configuration = ModelConfiguration(
      [MixerChoice(RetNet.self, RetNet.Configuration(width: 192))], vocabularySize: 40, width: 192, layers: 1,
      hiddenWidth: 256)
    try withFolder { folder in
      let written = folder + "/written", path = written + "/config.json"
      try ModelFolder.saveForeign(LanguageModel(configuration, seed: 1), to: written)
      let fields = try #require(
        JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path))) as? [String: Any])
      func load(_ change: (inout [String: Any]) -> Void) throws -> StreamingModel {
        var own = fields
        own["intermediate_size"] = nil
        change(&own)
        try JSONSerialization.data(withJSONObject: own).write(to: URL(fileURLWithPath: path))
        return try ModelFolder.load(written)
      }
      #expect(try load { _ in }.configuration.hiddenWidth == 256)
      let error = #expect(throws: FileError.self) { try load { $0["hidden_ratio"] = NSNull() } }
      #expect(error?.expected.contains("512") == true, "\(String(describing: error))")
    }
    // The class's default of the ratio stays where the heads alone are said.
    let golden = try GoldenCase.named("hgrn2-convolutions")
    let error = #expect(throws: FileError.self) {
      try golden.load(configuration: golden.configuration(["expand_ratio": ""]))
    }
    #expect(error?.place == "field \"expand_ratio\"", "\(String(describing: error))")
  }

  @Test(
    "a configuration that is no JSON says what it is",
    arguments: [
      ("", "found an empty file"), ("  \n", "found nothing: it is empty"),
      ("[1]", "expected one object of JSON"),
      ("{\"model_type\": \"mamba\"", "expected ',' or '}'"), ("{\"model_type\": nan}", "at byte 16"),
    ])
  func broken(text: String, words: String) throws {
    let golden = try GoldenCase.named("mamba-tied")
    let error = #expect(throws: FileError.self) { try golden.load(configuration: text) }
    #expect("\(error.map(String.init(describing:)) ?? "")".contains(words), "\(String(describing: error))")
  }
}
