/// flash-linear-attention's `retnet` and `gla`: two heads of one kind, which differ in their decay.

import RunnelMixers
import RunnelModels
import RunnelTensors

extension ForeignFamily {
  static let retnet = flash(
    "retnet", "RetNetForCausalLM", RetNet.self, restated: { try $0.withPairsInHalves() },
    [
      .count("num_heads", \.heads, default: 8),
      .count("num_kv_heads", \.keyValueHeads, orNull: \.heads),
      .expanded("expand_k", \.keyWidth, by: \.heads, default: 1),
      .expanded("expand_v", \.valueWidth, by: \.heads, default: 2),
      .fixed { $0.isInterleaved = false },
      // transformers' activations.
      .word(
        "feature_map", \.featureMap,
        in: [
          "silu": .silu, "swish": .silu, "relu": .relu, "sigmoid": .sigmoid, "tanh": .tanh,
          "relu2": .squaredReLU, "gelu_pytorch_tanh": .gelu, "gelu_new": .gelu,
        ], orNull: .identity),
      .flag("use_output_gate", \.hasGate, default: true),
      .flag("elementwise_affine", \.hasNormScale, default: true, null: false), .epsilon(\.normEpsilon),
    ], model: .gated(ratio: 2), names: renameNorm)

  static let gla = flash(
    "gla", "GLAForCausalLM", GLA.self,
    [
      .count("num_heads", \.heads, default: 4),
      .count("num_kv_heads", \.keyValueHeads, orNull: \.heads),
      .expanded("expand_k", \.keyWidth, by: \.heads, default: 0.5),
      .expanded("expand_v", \.valueWidth, by: \.heads, default: 1),
      .decimal("clamp_min", \.leastLogDecay),
      // The library's own activations.
      .word(
        "feature_map", \.featureMap,
        in: [
          "silu": .silu, "swish": .silu, "relu": .relu, "sigmoid": .sigmoid, "sqrelu": .squaredReLU,
        ], orNull: .identity),
      .shortConvolution(\.convolutionWidth, isDefault: false),
      .flag("use_output_gate", \.hasGate, default: true),
      .flag("elementwise_affine", \.hasNormScale, default: true, null: false), .epsilon(\.normEpsilon),
    ], names: renameNorm)

  /// The norm is called after the fused kernel where norm and gate are one.
  @Sendable private static func renameNorm(
    in names: inout ForeignNames, _ json: ForeignConfiguration, _: ModelConfiguration
  ) throws {
    if try json.flag("fuse_norm", default: true), try json.flag("use_output_gate", default: true) {
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
