/// flash-linear-attention's `retnet` and `gla`: two heads of one kind, which differ in their decay.

import RunnelMixers
import RunnelModels
import RunnelTensors

extension ForeignFamily {
  static let retnet = flashLinearAttention("retnet", mixers: ["retnet"]) { json in
    let heads = try json.count("num_heads", default: 8)
    var model = try json.flashModel(
      MixerChoice(
        RetNet.self,
        RetNet.Configuration(
          width: try json.count("hidden_size"), heads: heads,
          keyValueHeads: try json.count("num_kv_heads", default: heads),
          keyWidth: try json.expanded("expand_k", default: 1, heads: heads),
          valueWidth: try json.expanded("expand_v", default: 2, heads: heads),
          normEpsilon: Float(try json.number("norm_eps", default: 1e-6)), isInterleaved: false,
          featureMap: try json.activation("feature_map"),
          hasGate: try json.flag("use_output_gate", default: true),
          hasNormScale: try json.flag("elementwise_affine", default: true))))
    try json.renameNorm(in: &model.names)
    return model
  }

  static let gla = flashLinearAttention("gla", mixers: ["gla"]) { json in
    let heads = try json.count("num_heads", default: 4)
    var model = try json.flashModel(
      MixerChoice(
        GLA.self,
        GLA.Configuration(
          width: try json.count("hidden_size"), heads: heads,
          keyValueHeads: try json.count("num_kv_heads", default: heads),
          keyWidth: try json.expanded("expand_k", default: 0.5, heads: heads),
          valueWidth: try json.expanded("expand_v", default: 1, heads: heads),
          leastLogDecay: json.contains("clamp_min") ? Float(try json.number("clamp_min")) : nil,
          featureMap: try json.activation("feature_map"),
          convolutionWidth: try json.convolutionWidth(isDefault: false),
          hasGate: try json.flag("use_output_gate", default: true),
          hasNormScale: try json.flag("elementwise_affine", default: true),
          normEpsilon: Float(try json.number("norm_eps", default: 1e-6)))))
    try json.renameNorm(in: &model.names)
    return model
  }
}

extension ForeignConfiguration {
  /// The norm is called after the fused kernel where norm and gate are one.
  fileprivate func renameNorm(in names: inout ForeignNames) throws {
    if try flag("fuse_norm", default: true), try flag("use_output_gate", default: true) {
      names.renamed["mixer.g_norm.weight"] = "g_norm_swish_gate.weight"
    }
  }
}
