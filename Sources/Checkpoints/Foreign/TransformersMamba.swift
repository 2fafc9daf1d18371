/// transformers' `mamba`, `falcon_mamba` and `mamba2`, and flash-linear-attention's `mamba` and `mamba2`, whose
/// parameters have the same names: the authors' own.

import RunnelMixers
import RunnelModels
import RunnelTensors

extension ForeignFamily {
  static let transformersMamba: [ForeignFamily] = [
    ForeignFamily(
      modelType: "mamba", library: "transformers, flash-linear-attention", mixers: ["mamba"],
      writing: .of(Mamba.self, "MambaForCausalLM", fields: mambaFields)
    ) {
      json, _ in try mamba(json)
    },
    ForeignFamily(
      modelType: "falcon_mamba", library: "transformers", mixers: ["mamba"],
      writing: .of(Mamba.self, "FalconMambaForCausalLM", fields: mambaFields)
    ) {
      json, _ in try mamba(json, operandNorm: "mixer_rms_eps")
    },
    ForeignFamily(
      modelType: "mamba2", library: "transformers, flash-linear-attention", mixers: ["mamba2"],
      writing: .of(
        Mamba2.self, "Mamba2ForCausalLM",
        library: { configuration in
          let mixer = configuration.first(Mamba2.self)
          let isPlain = mixer.map { !$0.hasSkipPerChannel && $0.hasNorm && !$0.normBeforeGate } ?? true
          return isPlain ? nil : "flash-linear-attention"
        }, fields: mamba2Fields)
    ) {
      json, _ in try mamba2(json)
    },
  ]

  private static let names = {
    var names = ForeignNames(
      embedding: "backbone.embeddings.weight", norm: "backbone.norm_f", head: "lm_head.weight",
      layer: { "backbone.layers.\($0)." }, part: { _, part in part })
    names.shapeConvolutions("mixer.conv1d.weight")
    names.olderEmbedding = "backbone.embedding.weight"
    return names
  }()

  /// Each library's words for the same numbers.
  private static func fields(_ model: ModelConfiguration) -> [String: ForeignValue] {
    [
      "hidden_act": "silu", "layer_norm_epsilon": .decimal(model.normEpsilon),
      "norm_eps": .decimal(model.normEpsilon),
    ]
  }

  private static func mambaFields(
    _ model: ModelConfiguration, _ mixer: Mamba.Configuration
  ) -> [String: ForeignValue] {
    var fields = fields(model)
    // The libraries make the expanded width themselves.
    fields["expand"] = .count(mixer.expandedWidth / max(1, model.width))
    fields["state_size"] = .count(mixer.stateSize)
    fields["conv_kernel"] = .count(mixer.convolutionWidth)
    fields["time_step_rank"] = .count(mixer.stepRank)
    fields["dt_rank"] = .count(mixer.stepRank)
    fields["use_bias"] = .flag(mixer.hasBias)
    fields["use_conv_bias"] = .flag(mixer.hasConvolutionBias)
    if let epsilon = mixer.operandNormEpsilon { fields["mixer_rms_eps"] = .decimal(epsilon) }
    return fields
  }

  private static func mamba2Fields(
    _ model: ModelConfiguration, _ mixer: Mamba2.Configuration
  ) -> [String: ForeignValue] {
    var fields = fields(model)
    fields["expand"] = .count(mixer.expandedWidth / max(1, model.width))
    fields["num_heads"] = .count(mixer.heads)
    fields["head_dim"] = .count(mixer.headWidth)
    fields["n_groups"] = .count(mixer.groups)
    fields["state_size"] = .count(mixer.stateSize)
    fields["conv_kernel"] = .count(mixer.convolutionWidth)
    fields["use_bias"] = .flag(mixer.hasBias)
    fields["use_conv_bias"] = .flag(mixer.hasConvolutionBias)
    fields["D_has_hdim"] = .flag(mixer.hasSkipPerChannel)
    fields["rmsnorm"] = .flag(mixer.hasNorm)
    fields["norm_before_gate"] = .flag(mixer.normBeforeGate)
    if mixer.leastStep != nil || mixer.largestStep != nil {
      let limits = ForeignValue.list([
        .decimal(mixer.leastStep ?? 0), .decimal(mixer.largestStep ?? .infinity),
      ])
      fields["time_step_limit"] = limits
      fields["dt_limit"] = limits
    }
    return fields
  }

  /// Whether a configuration is flash-linear-attention's: it has that library's words and none of transformers' own.
  /// The two have one `model_type` with other defaults.
  private static func isFlash(_ json: ForeignConfiguration) -> Bool {
    let theirs = ["norm_eps", "dt_rank", "dt_limit", "dt_min", "rmsnorm", "norm_before_gate", "fuse_norm"]
    let other = ["layer_norm_epsilon", "time_step_rank", "time_step_limit", "time_step_min"]
    return theirs.contains(where: json.contains) && !other.contains(where: json.contains)
  }

  /// flash-linear-attention says norm_eps, transformers layer_norm_epsilon.
  private static func epsilon(_ json: ForeignConfiguration) throws -> Float {
    Float(try json.number(json.agreed("layer_norm_epsilon", "norm_eps"), default: 1e-5))
  }

  private static func model(
    _ json: ForeignConfiguration, _ choice: MixerChoice, isTied: Bool
  ) throws -> ForeignModel {
    let configuration = ModelConfiguration(
      [choice], vocabularySize: try json.count("vocab_size"), width: try json.count("hidden_size"),
      layers: try json.count("num_hidden_layers"),
      tiesEmbedding: try json.flag("tie_word_embeddings", default: isTied), normEpsilon: try epsilon(json))
    return ForeignModel(configuration: configuration, names: names)
  }

  private static func requireSilu(_ json: ForeignConfiguration) throws {
    try json.choice("hidden_act", among: ["silu": (), "swish": ()], default: "silu")
  }

  static func mamba(_ json: ForeignConfiguration, operandNorm: String? = nil) throws -> ForeignModel {
    try requireSilu(json)
    let width = try json.count("hidden_size")
    // "auto" is the published ⌈D / 16⌉, our default.
    let rank = try json.agreed("time_step_rank", "dt_rank")
    let isAutomatic = json.value(rank) ?? "auto" == "auto"
    let configuration = try Mamba.Configuration(width: width) {
      // The width is the factor's unless it is said, as Falcon-Mamba does beside a factor that is not true.
      $0.expandedWidth = try json.count("intermediate_size", default: expanded(json, width))
      $0.stateSize = try json.count("state_size", default: 16)
      $0.convolutionWidth = try json.count("conv_kernel", default: 4)
      if !isAutomatic { $0.stepRank = try json.count(rank) }
      $0.hasBias = try json.flag("use_bias", default: false)
      $0.hasConvolutionBias = try json.flag("use_conv_bias", default: true)
      $0.operandNormEpsilon = try operandNorm.map { Float(try json.number($0, default: 1e-6)) }
    }
    return try model(json, MixerChoice(Mamba.self, configuration), isTied: !isFlash(json))
  }

  private static func expanded(_ json: ForeignConfiguration, _ width: Int) throws -> Int {
    let expanded = Double(width) * (try json.number("expand", default: 2))
    guard expanded >= 1, expanded < 0x1p32 else { throw json.error("expand", expected: "a positive factor") }
    return Int(expanded)
  }

  static func mamba2(_ json: ForeignConfiguration) throws -> ForeignModel {
    try requireSilu(json)
    let width = try json.count("hidden_size")
    let headWidth = try json.count("head_dim", default: 64)
    let expanded = try expanded(json, width)
    let limit = try json.agreed("time_step_limit", "dt_limit")
    let limits = try json.numbers(limit)
    guard !json.contains(limit) || limits.count == 2 && limits[0] <= limits[1] && Float(limits[0]).isFinite
    else {
      throw json.error(limit, expected: "the least and the largest step")
    }
    let heads = try json.count(
      "num_heads", default: isFlash(json) ? headWidth > 0 ? expanded / headWidth : 0 : 128)
    guard Double(heads) * Double(headWidth) == Double(expanded) else {
      throw json.error(
        "expand", expected: "one by which the width \(width) becomes \(heads) heads of \(headWidth)")
    }
    let configuration = try Mamba2.Configuration(width: width) {
      $0.heads = heads
      $0.headWidth = headWidth
      $0.groups = try json.count("n_groups", default: isFlash(json) ? 1 : 8)
      $0.stateSize = try json.count("state_size", default: 128)
      $0.convolutionWidth = try json.count("conv_kernel", default: 4)
      $0.normEpsilon = try epsilon(json)
      $0.hasBias = try json.flag("use_bias", default: false)
      $0.hasConvolutionBias = try json.flag("use_conv_bias", default: true)
      $0.hasSkipPerChannel = try json.flag("D_has_hdim", default: false)
      $0.hasNorm = try json.flag("rmsnorm", default: true)
      $0.normBeforeGate = try json.flag("norm_before_gate", default: false)
      $0.leastStep = limits.first.flatMap { $0 > 0 ? Float($0) : nil }
      $0.largestStep = limits.last.flatMap { $0 < .infinity ? Float($0) : nil }
    }
    return try model(json, MixerChoice(Mamba2.self, configuration), isTied: false)
  }
}
