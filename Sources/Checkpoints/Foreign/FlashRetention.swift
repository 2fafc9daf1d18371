/// flash-linear-attention's `retnet` and `gla`: two heads of one kind, which differ in their decay.

import RunnelMixers
import RunnelModels
import RunnelTensors

extension ForeignFamily {
  /// The maps of queries and keys; null is none. RetNet's are transformers' activations, GLA's the library's own.
  private static let retnetMaps: [String: Activation] = [
    "silu": .silu, "swish": .silu, "relu": .relu, "sigmoid": .sigmoid, "tanh": .tanh, "relu2": .squaredReLU,
    "gelu_pytorch_tanh": .gelu, "gelu_new": .gelu,
  ]
  private static let glaMaps: [String: Activation] = [
    "silu": .silu, "swish": .silu, "relu": .relu, "sigmoid": .sigmoid, "sqrelu": .squaredReLU,
  ]

  static let retnet = flashLinearAttention(
    "retnet", mixers: ["retnet"],
    writing: .flash(RetNet.self, "RetNetForCausalLM", restated: { try $0.withPairsInHalves() }) { mixer in
      [
        "num_heads": .count(mixer.heads), "num_kv_heads": .count(mixer.keyValueHeads),
        "expand_k": .ratio(mixer.heads * mixer.keyWidth, of: mixer.width),
        "expand_v": .ratio(mixer.heads * mixer.valueWidth, of: mixer.width),
        "feature_map": .word(for: mixer.featureMap, in: retnetMaps),
        "use_output_gate": .flag(mixer.hasGate), "elementwise_affine": .flag(mixer.hasNormScale),
      ]
    }
  ) { json in
    let heads = try json.count("num_heads", default: 8)
    var model = try json.flashModel(
      MixerChoice(
        RetNet.self,
        try RetNet.Configuration(width: try json.count("hidden_size")) {
          $0.heads = heads
          $0.keyValueHeads = try json.count("num_kv_heads", default: heads, null: heads)
          $0.keyWidth = try json.expanded("expand_k", default: 1, heads: heads)
          $0.valueWidth = try json.expanded("expand_v", default: 2, heads: heads)
          $0.normEpsilon = Float(try json.number("norm_eps", default: 1e-6))
          $0.isInterleaved = false
          $0.featureMap = try json.featureMap(among: retnetMaps)
          $0.hasGate = try json.flag("use_output_gate", default: true)
          $0.hasNormScale = try json.flag("elementwise_affine", default: true, null: false)
        }), ratio: 2)
    try json.renameNorm(in: &model.names)
    return model
  }

  static let gla = flashLinearAttention(
    "gla", mixers: ["gla"],
    writing: .flash(GLA.self, "GLAForCausalLM") { mixer in
      var fields = ForeignWriting.convolutions(mixer.convolutionWidth)
      fields["num_heads"] = .count(mixer.heads)
      fields["num_kv_heads"] = .count(mixer.keyValueHeads)
      fields["expand_k"] = .ratio(mixer.heads * mixer.keyWidth, of: mixer.width)
      fields["expand_v"] = .ratio(mixer.heads * mixer.valueWidth, of: mixer.width)
      fields["clamp_min"] = mixer.leastLogDecay.map { .decimal($0) } ?? .null
      fields["feature_map"] = .word(for: mixer.featureMap, in: glaMaps)
      fields["use_output_gate"] = .flag(mixer.hasGate)
      fields["elementwise_affine"] = .flag(mixer.hasNormScale)
      return fields
    }
  ) { json in
    let heads = try json.count("num_heads", default: 4)
    var model = try json.flashModel(
      MixerChoice(
        GLA.self,
        try GLA.Configuration(width: try json.count("hidden_size")) {
          $0.heads = heads
          $0.keyValueHeads = try json.count("num_kv_heads", default: heads, null: heads)
          $0.keyWidth = try json.expanded("expand_k", default: 0.5, heads: heads)
          $0.valueWidth = try json.expanded("expand_v", default: 1, heads: heads)
          $0.leastLogDecay = json.says("clamp_min") ? Float(try json.number("clamp_min")) : nil
          $0.featureMap = try json.featureMap(among: glaMaps)
          $0.convolutionWidth = try json.convolutionWidth(isDefault: false)
          $0.hasGate = try json.flag("use_output_gate", default: true)
          $0.hasNormScale = try json.flag("elementwise_affine", default: true, null: false)
          $0.normEpsilon = Float(try json.number("norm_eps", default: 1e-6))
        }))
    try json.renameNorm(in: &model.names)
    return model
  }
}

extension ForeignConfiguration {
  fileprivate func featureMap(among maps: [String: Activation]) throws -> Activation {
    says("feature_map") ? try choice("feature_map", among: maps, default: "") : .identity
  }

  /// The norm is called after the fused kernel where norm and gate are one.
  fileprivate func renameNorm(in names: inout ForeignNames) throws {
    if try flag("fuse_norm", default: true), try flag("use_output_gate", default: true) {
      names.renamed["mixer.g_norm.weight"] = "g_norm_swish_gate.weight"
    }
  }
}

extension LanguageModel {
  /// RetNet with rotated pairs (i, i + K/2): the features of every query and key in another order, and so the same
  /// products of them.
  fileprivate func withPairsInHalves() throws -> LanguageModel {
    guard let mixer = configuration.first(RetNet.self), mixer.isInterleaved else { return self }
    let K = mixer.keyWidth
    let order = Array(stride(from: 0, to: K, by: 2)) + Array(stride(from: 1, to: K, by: 2))
    let inHalves = configuration.changing(RetNet.self) { $0.isInterleaved = false }
    return try restated(inHalves) { parameter in
      let value = parameter.value
      let words = parameter.name.split(separator: ".").suffix(2).joined(separator: ".")
      guard ["q_proj.weight", "k_proj.weight", "q_conv1d.weight", "k_conv1d.weight"].contains(words) else {
        return value
      }
      let rows = (0..<value.shape[0]).map { row in row / K * K + order[row % K] }
      return Tensor(rows.flatMap { value.rows($0..<$0 + 1).scalars }, value.shape)
    }
  }
}
