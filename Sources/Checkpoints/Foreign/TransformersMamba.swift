/// transformers' `mamba`, `falcon_mamba` and `mamba2`, and flash-linear-attention's `mamba` and `mamba2`, whose
/// parameters have the same names: the authors' own.

import RunnelMixers
import RunnelModels

extension ForeignFamily {
  static let transformersMamba = [
    ForeignFamily("mamba", of: "transformers, flash-linear-attention", mambaForm),
    ForeignFamily(
      "falcon_mamba", of: "transformers",
      form(
        "FalconMambaForCausalLM",
        ForeignMixer(
          Mamba.self, mamba + [.decimal("mixer_rms_eps", \.operandNormEpsilon, default: 1e-6)])
      ) { !isFlash($0) }),
    ForeignFamily("mamba2", of: "transformers, flash-linear-attention", mamba2Form),
  ]

  static let mambaForm = form("MambaForCausalLM", ForeignMixer(Mamba.self, mamba)) { !isFlash($0) }

  static let mamba2Form = {
    var own = form("Mamba2ForCausalLM", ForeignMixer(Mamba2.self, mamba2)) { _ in false }
    own.library = { configuration in
      let mixer = configuration.first(Mamba2.self)
      let isPlain = mixer.map { !$0.hasSkipPerChannel && $0.hasNorm && !$0.normBeforeGate } ?? true
      return isPlain ? nil : "flash-linear-attention"
    }
    return own
  }()

  private static func form(
    _ architecture: String, _ mixer: ForeignMixer,
    isTied: @escaping @Sendable (ForeignConfiguration) -> Bool
  ) -> ForeignForm {
    ForeignForm(
      architecture: architecture, mixers: [mixer],
      model: .common(isTied: isTied) + [
        .required("hidden_act", among: "silu", "swish"), .epsilon(\.normEpsilon),
      ]
    ) { _, _ in
      var names = ForeignNames(
        embedding: "backbone.embeddings.weight", norm: "backbone.norm_f", head: "lm_head.weight",
        layers: "backbone.layers.")
      names.shapeConvolutions(["mixer.conv1d.weight"])
      names.olderEmbedding = "backbone.embedding.weight"
      return names
    }
  }

  private static let mamba: [ForeignKey<Mamba.Configuration>] = [
    // The libraries make the expanded width themselves. It is the factor's unless it is said, as Falcon-Mamba does
    // beside a factor that is not true.
    ForeignKey(
      "expand", read: { own, json in own.expandedWidth = try json.expanded(own.width) },
      write: { .count($0.expandedWidth / max(1, $0.width)) }),
    ForeignKey("intermediate_size", \.expandedWidth) { json, own in
      try json.count("intermediate_size", default: own.expandedWidth, least: 1)
    },
    .count("state_size", \.stateSize, default: 16), .count("conv_kernel", \.convolutionWidth, default: 4),
    .either("time_step_rank", "dt_rank") { name in
      ForeignKey(name, \.stepRank, write: ForeignValue.count) { json, _ in
        // "auto" is the published ⌈D / 16⌉, our default.
        json.value(name) ?? "auto" == "auto" ? 0 : try json.count(name, least: 1)
      }
    },
    .flag("use_bias", \.hasBias, default: false),
    .flag("use_conv_bias", \.hasConvolutionBias, default: true),
  ]

  private static let mamba2: [ForeignKey<Mamba2.Configuration>] = [
    .count("head_dim", \.headWidth, default: 64),
    ForeignKey("num_heads", \.heads, write: ForeignValue.count) { json, own in
      let heads = own.headWidth > 0 ? try json.expanded(own.width) / own.headWidth : 0
      return try json.count("num_heads", default: isFlash(json) ? heads : 128)
    },
    ForeignKey(
      "expand",
      read: { own, json in
        guard Double(own.heads) * Double(own.headWidth) == Double(try json.expanded(own.width)) else {
          throw json.error(
            "expand",
            expected: "one by which the width \(own.width) becomes \(own.heads) heads of \(own.headWidth)")
        }
      }, write: { .count($0.expandedWidth / max(1, $0.width)) }),
    ForeignKey("n_groups", \.groups, write: ForeignValue.count) { json, _ in
      try json.count("n_groups", default: isFlash(json) ? 1 : 8, least: 1)
    },
    .count("state_size", \.stateSize, default: 128), .count("conv_kernel", \.convolutionWidth, default: 4),
    .epsilon(\.normEpsilon), .flag("use_bias", \.hasBias, default: false),
    .flag("use_conv_bias", \.hasConvolutionBias, default: true),
    .flag("D_has_hdim", \.hasSkipPerChannel, default: false), .flag("rmsnorm", \.hasNorm, default: true),
    .flag("norm_before_gate", \.normBeforeGate, default: false),
    .either("time_step_limit", "dt_limit") { name in
      ForeignKey(
        name,
        read: { own, json in
          let limits = try json.list(name, default: [0, .number(.infinity)]).compactMap(\.number)
          guard limits.count == 2, limits[0] <= limits[1], Float(limits[0]).isFinite else {
            throw json.error(name, expected: "the least and the largest step")
          }
          own.leastStep = limits[0] > 0 ? Float(limits[0]) : nil
          own.largestStep = limits[1] < .infinity ? Float(limits[1]) : nil
        },
        write: { own in
          own.leastStep == nil && own.largestStep == nil
            ? nil : .list([.decimal(own.leastStep ?? 0), .decimal(own.largestStep ?? .infinity)])
        })
    },
  ]

  /// Whether a configuration is flash-linear-attention's: it has that library's words and none of transformers' own.
  /// The two have one `model_type` with other defaults.
  private static func isFlash(_ json: ForeignConfiguration) -> Bool {
    let theirs = ["norm_eps", "dt_rank", "dt_limit", "dt_min", "rmsnorm", "norm_before_gate", "fuse_norm"]
    let other = ["layer_norm_epsilon", "time_step_rank", "time_step_limit", "time_step_min"]
    return theirs.contains(where: json.contains) && !other.contains(where: json.contains)
  }
}

extension ForeignKey {
  /// transformers' word and flash-linear-attention's.
  fileprivate static func epsilon(_ path: any Path<Float>) -> Self {
    .either("layer_norm_epsilon", "norm_eps") { .decimal($0, path, default: 1e-5) }
  }
}

extension ForeignConfiguration {
  fileprivate func expanded(_ width: Int) throws -> Int {
    let expanded = Double(width) * (try number("expand", default: 2))
    guard expanded >= 1, expanded < 0x1p32 else { throw error("expand", expected: "a positive factor") }
    return Int(expanded)
  }
}
