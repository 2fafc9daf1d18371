/// Writes `Fixtures/Version0`: small models of every kind as this library writes them, with what they say.
///
///     RUNNEL_WRITE_VERSION=Version0 tools/test --filter EarlierVersionWriter
///
/// The files are of one version, and stay as that version wrote them. Where a format changes, they are not written again:
/// those of the new version are added in a folder beside, under its own name, and both must load from then on.

import Foundation
import RunnelCheckpoints
import RunnelCorpora
import RunnelKernels
import RunnelMixers
import RunnelModels
import RunnelStreaming
import RunnelTensors
import RunnelTraining
import Testing

/// A model, by what its configuration has that a plain one of its mixers has not.
struct VersionCase: Sendable {
  enum Weights: Sendable {
    case numbers(ElementType)
    case packed(PackedElement)
  }
  let name: String
  let mixers: String
  let layers: Int
  /// JSON: of the mixer, and of the model.
  let options, model: String
  let weights: Weights

  init(
    _ name: String, _ mixers: String? = nil, layers: Int = 1, _ options: String = "{}", model: String = "{}",
    weights: Weights = .numbers(.float32)
  ) {
    (self.name, self.mixers, self.layers) = (name, mixers ?? name, layers)
    (self.options, self.model, self.weights) = (options, model, weights)
  }

  static let vocabularySize = 32
  static let width = 16
  /// Architectures whose layers differ, or work with each other, have two.
  static let twoLayered = ["rwkv7", "hgrn2"]
  /// Windows are as short as the text is, and keys as narrow as the model.
  static let small = ["flash": #"{"chunk": 8, "key_width": 16}"#, "attention": #"{"window": 16}"#]

  static let all: [VersionCase] = plain + packed + withOptions

  static let plain =
    Registry.names.map { VersionCase($0, layers: twoLayered.contains($0) ? 2 : 1) } + [
      VersionCase("mamba-attention", "mamba,attention", layers: 2)
    ]

  static let packed =
    ["mamba", "mamba2", "rwkv7", "gla"].flatMap { mixer in
      [PackedElement.bf16, .int8, .int4].map {
        VersionCase("\(mixer)-\($0)", mixer, layers: mixer == "rwkv7" ? 2 : 1, weights: .packed($0))
      }
    } + [
      VersionCase("gla-f32", "gla", weights: .packed(.f32)),
      VersionCase("gla-parallel-bf16", "gla", weights: .numbers(.bfloat16)),
    ]

  /// Every option away from its default; two models where options exclude each other.
  static let withOptions: [VersionCase] = [
    VersionCase(
      "hippo-legs-options", "hippo-legs", #"{"channels": 6, "state_size": 10}"#,
      model: #"{"norm": "layer", "norm_epsilon": 1e-3, "has_norm_bias": false}"#),
    VersionCase("s4-options", "s4", #"{"state_size": 10, "smallest_step": 0.01, "largest_step": 0.5}"#),
    VersionCase(
      "s4d-options", "s4d",
      #"""
      {"state_size": 10, "initialization": "inv", "discretization": "bilinear", "smallest_step": 0.01,
       "largest_step": 0.5}
      """#),
    VersionCase(
      "s5-options", "s5",
      #"""
      {"state_size": 12, "blocks": 3, "discretization": "bilinear", "smallest_step": 0.01, "largest_step": 0.5}
      """#),
    VersionCase(
      "lru-options", "lru",
      #"{"state_size": 10, "inner_radius": 0.3, "outer_radius": 0.9, "largest_phase": 1.5}"#),
    VersionCase(
      "rg-lru-options", "rg-lru",
      #"{"expanded_width": 24, "heads": 3, "convolution_width": 3, "gate_activation": "relu"}"#,
      model: #"""
        {"ties_embedding": false, "embedding_scale": 4, "logit_cap": 3, "hidden_width": 20, "activation": "silu",
         "has_feed_forward_bias": true}
        """#),
    VersionCase(
      "h3-options", "h3",
      #"""
      {"state_size": 10, "head_width": 4, "discretization": "zoh", "smallest_step": 0.01, "largest_step": 0.5}
      """#,
      model: #"{"norm": "rms", "norm_epsilon": 1e-3}"#),
    VersionCase(
      "mamba-options", "mamba",
      #"""
      {"expanded_width": 24, "state_size": 6, "convolution_width": 3, "step_rank": 2, "has_bias": true,
       "has_convolution_bias": false, "operand_norm_epsilon": 1e-3}
      """#,
      model: #"""
        {"norm": "layer", "norm_epsilon": 1e-3, "ties_embedding": false, "normalizes_embedding": true}
        """#),
    VersionCase(
      "mamba2-options", "mamba2",
      #"""
      {"heads": 4, "head_width": 6, "groups": 2, "state_size": 10, "convolution_width": 3, "norm_epsilon": 1e-3,
       "has_bias": true, "has_convolution_bias": false, "has_skip_per_channel": true, "norm_before_gate": true,
       "least_step": 0.01, "largest_step": 0.5}
      """#),
    VersionCase("mamba2-no-norm", "mamba2", #"{"has_norm": false}"#),
    VersionCase(
      "retnet-options", "retnet",
      #"""
      {"heads": 4, "key_value_heads": 2, "key_width": 6, "value_width": 10, "norm_epsilon": 1e-3,
       "is_interleaved": false, "feature_map": "silu", "convolution_width": 3, "gate_activation": "sigmoid",
       "has_norm_scale": true}
      """#,
      model: #"{"ties_embedding": false, "hidden_width": 20, "activation": "gelu", "norm_epsilon": 1e-3}"#),
    VersionCase("retnet-no-gate", "retnet", #"{"has_gate": false}"#),
    VersionCase(
      "linear-attention-options", "linear-attention",
      #"""
      {"heads": 4, "key_value_heads": 2, "value_width": 10, "epsilon": 1e-3, "rotates": false,
       "feature_map": "hedgehog", "feature_width": 6, "has_normalizer": true, "has_norm": true,
       "has_norm_scale": false, "norm_epsilon": 1e-3, "queries_sum_to_one": true, "keys_sum_to_one": true,
       "scales_queries": true}
      """#),
    VersionCase(
      "linear-attention-no-normalizer", "linear-attention",
      #"{"feature_map": "product", "has_normalizer": false, "has_norm": true}"#),
    VersionCase(
      "gla-options", "gla",
      #"""
      {"heads": 4, "key_value_heads": 2, "key_width": 6, "value_width": 10, "gate_rank": 8, "temperature": 4,
       "least_log_decay": -0.1, "feature_map": "relu", "convolution_width": 3, "gate_activation": "sigmoid",
       "has_norm_scale": false, "norm_epsilon": 1e-3}
      """#),
    VersionCase("gla-no-gate", "gla", #"{"has_gate": false}"#),
    VersionCase(
      "flash-options", "flash", #"{"expanded_width": 24, "key_width": 6, "chunk": 5}"#,
      model: #"{"norm": "layer"}"#),
    VersionCase(
      "deltanet-options", "deltanet",
      #"""
      {"heads": 4, "key_width": 6, "value_width": 10, "convolution_width": 3, "has_convolution_bias": true,
       "key_activation": "relu", "key_norm": "sum", "allows_negative_eigenvalues": true, "has_gate": true,
       "norm_epsilon": 1e-3}
      """#),
    VersionCase("deltanet-no-strength", "deltanet", #"{"has_strength": false, "convolution_width": 0}"#),
    VersionCase(
      "gated-deltanet-options", "gated-deltanet",
      #"""
      {"heads": 2, "value_heads": 4, "key_width": 6, "value_width": 10, "convolution_width": 3,
       "has_convolution_bias": true, "allows_negative_eigenvalues": true, "gate_activation": "sigmoid",
       "norm_epsilon": 1e-3}
      """#),
    VersionCase(
      "gated-deltanet-no-gate", "gated-deltanet", #"{"has_gate": false, "convolution_width": 0}"#),
    VersionCase(
      "hgrn2-options", "hgrn2", layers: 2,
      #"""
      {"heads": 4, "key_width": 6, "has_lower_bound": false, "convolution_width": 3, "has_norm_scale": false,
       "norm_epsilon": 1e-3}
      """#),
    VersionCase(
      "mlstm-options", "mlstm",
      #"""
      {"expanded_width": 24, "heads": 3, "convolution_width": 3, "block_width": 6, "norm_epsilon": 1e-3}
      """#),
    VersionCase("mingru-options", "mingru", #"{"expanded_width": 24, "convolution_width": 1}"#),
    VersionCase(
      "rwkv4-options", "rwkv4", layers: 2, #"{"attention_width": 24}"#,
      model: #"""
        {"last_norm_epsilon": 1e-3, "halving_interval": 1, "hidden_width": 20}
        """#),
    VersionCase(
      "rwkv5-options", "rwkv5",
      #"""
      {"heads": 4, "head_width": 6, "has_gate": false, "decay_per_channel": false, "group_norm_epsilon": 1e-3,
       "starts_tuned": true}
      """#),
    VersionCase(
      "rwkv6-options", "rwkv6",
      #"""
      {"heads": 4, "key_width": 6, "value_width": 10, "share_rank": 5, "decay_rank": 7,
       "group_norm_epsilon": 1e-3, "starts_tuned": true}
      """#),
    VersionCase(
      "rwkv7-options", "rwkv7", layers: 2,
      #"""
      {"heads": 4, "head_width": 4, "decay_rank": 5, "rate_rank": 6, "value_rank": 7, "gate_rank": 9,
       "group_norm_epsilon": 1e-3, "key_norm_epsilon": 1e-6, "starts_tuned": true}
      """#),
    VersionCase(
      "attention-options", "attention",
      #"""
      {"heads": 4, "key_value_heads": 2, "head_width": 6, "window": 5, "rotary_fraction": 0.7,
       "rotary_base": 1000, "has_bias": true, "has_output_bias": true}
      """#),
  ]

  /// All its parameters are moved, so that none is without effect.
  func makeModel() throws -> LanguageModel {
    typealias Fields = [String: Any]
    func fields(_ json: String) throws -> Fields {
      try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? Fields)
    }
    func changed(_ fields: Fields, by options: Fields) throws -> Fields {
      let strangers = options.keys.filter { fields[$0] == nil && !Self.absent.contains($0) }
      try #require(strangers.isEmpty, "\(name): \(strangers)")
      return fields.merging(options) { $1 }
    }
    /// A layer's choice, with the smaller sizes and the options.
    func choice(_ choice: Fields) throws -> Fields {
      let mixer = try #require(choice["mixer"] as? String)
      let own = try #require(choice["mixer_configuration"] as? Fields)
      let smaller = try changed(own, by: fields(Self.small[mixer] ?? "{}"))
      return try choice.merging(["mixer_configuration": changed(smaller, by: fields(options))]) { $1 }
    }
    let plain = ModelConfiguration(
      try Registry.pattern(mixers), vocabularySize: Self.vocabularySize, width: Self.width, layers: layers)
    let encoded = try LanguageModel(plain, seed: 1).encodeConfiguration()
    var json = try fields(String(decoding: encoded, as: UTF8.self))
    if let list = json["mixers"] as? [Fields] {
      json["mixers"] = try list.map(choice)
    } else {
      json = try choice(json)
    }
    json = try changed(json, by: fields(model))
    let data = try JSONSerialization.data(withJSONObject: json)
    let configuration = try ModelFolder.configuration(from: Array(data), path: name)
    return try LanguageModel(configuration, seed: 1).perturbed(seed: 2)
  }

  /// Fields that are not written where they have their default.
  private static let absent = [
    "operand_norm_epsilon", "least_step", "largest_step", "least_log_decay", "gate_activation",
    "starts_tuned", "normalizes_embedding", "embedding_scale", "logit_cap", "activation",
    "has_feed_forward_bias",
    "has_norm_bias", "halving_interval", "last_norm_epsilon",
  ]
}

extension EarlierVersion {
  /// The one to write, if any.
  static let written = ProcessInfo.processInfo.environment["RUNNEL_WRITE_VERSION"].map(Self.init(folder:))
}

@Suite(
  "small models of every kind are written",
  .enabled(if: EarlierVersion.written != nil), .serialized)
struct EarlierVersionWriter {
  static let ids = tokens(24, below: VersionCase.vocabularySize, seed: 1)
  static let next = tokens(3, below: VersionCase.vocabularySize, seed: 2)

  @Test("models, what they say, and their streams", arguments: VersionCase.all.map(\.name))
  func model(name: String) throws {
    let version = try #require(EarlierVersion.written)
    let own = try #require(VersionCase.all.first { $0.name == name })
    try Self.writeModel(try own.makeModel(), as: own.weights, to: version.model(name))
    let model = try ModelFolder.load(version.model(name))

    var fresh = Session(model, sampler: Sampler(seed: 0))
    let step = try steppedLogits(&fresh, Self.ids)
    // Some tokens at once and some one by one, as a prompt and what follows it.
    var settings = SamplingSettings()
    (settings.temperature, settings.topK, settings.repetitionPenalty) = (0.8, 20, 1.2)
    var session = Session(model, sampler: Sampler(settings, seed: 4))
    try session.feed(Self.ids.dropLast(3))
    for id in Self.ids.suffix(3) { try session.feed(CollectionOfOne(id)) }
    try StateFile.save(session, pending: [0xE2, 0x82], to: version.state(name))
    var sampler = session.sampler
    let drawn = sampler.sample(try #require(session.logits))

    var writer = SafetensorsWriter()
    writer.add("ids", Self.ids.map(Int.init))
    writer.add("next", Self.next.map(Int.init))
    writer.add("drawn", [Int(drawn)])
    writer.add("step", step)
    writer.add("mix", mixedLogits(model, Self.ids))
    try writer.add("after_state", steppedLogits(&session, Self.next))
    if case .packed(let element) = own.weights, element.isQuantised {
      writer.add("numbers", mixedLogits(model.trainable(), Self.ids))
    }
    try writer.write(to: version.answers(name))
  }

  /// As `runnel train` and `runnel convert` write them.
  private static func writeModel(
    _ model: some LanguageFunction, as weights: VersionCase.Weights, to folder: String
  ) throws {
    let metadata = [ModelFolder.sourceKey: model.fingerprint]
    switch weights {
    case .numbers(.float32): try ModelFolder.save(model, to: folder)
    case .numbers(let type): try ModelFolder.save(model, to: folder, as: type, metadata: metadata)
    case .packed(let element):
      let finer =
        element.isQuantised ? try PrecisionChoice(element, for: model, limit: 0.001, on: ids).finer : [:]
      try ModelFolder.savePacked(model, to: folder, as: element, finer: finer, metadata: metadata)
    }
  }

  @Test("a run in the middle, and what it comes to")
  func run() throws {
    let version = try #require(EarlierVersion.written)
    // The record names the corpus as `runnel train` in the repository's root would.
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
    #expect(FileManager.default.changeCurrentDirectoryPath(root))
    let texts = chains([300, 90, 1, 400], vocabulary: VersionCase.vocabularySize, seed: 3)
    try withFolder { folder in
      let made = try makeCorpus(texts, vocabulary: VersionCase.vocabularySize, in: folder)
      try write(try bytes(of: made.path), to: version.corpus)
      let corpus = try Corpus(path: String(version.corpus.dropFirst(root.count + 1)))
      var settings = TrainingSettings()
      (settings.batch, settings.segment, settings.budget) = (2, 16, .steps(6))
      (settings.learningRate, settings.validationInterval) = (1e-2, 2)
      let sampler = try SegmentSampler(
        corpus, lanes: settings.batch, length: settings.segment, seed: settings.seed)
      let model = try #require(VersionCase.all.first { $0.name == "gla" }).makeModel()
      var stopped = TrainingRun(Trainer(model, settings: settings, sampler: sampler), folder: folder + "/run")
      nonisolated(unsafe) var steps = 0
      _ = try stopped.run(shouldStop: { steps >= 3 }, report: { steps = $0.step })
      try? FileManager.default.removeItem(atPath: version.run)
      try FileManager.default.copyItem(atPath: folder + "/run", toPath: version.run)
      var resumed = TrainingRun(
        try RunFolder.resume(folder + "/run", corpora: CorpusMixture(corpus)), folder: folder + "/run")
      let end = try resumed.run(shouldStop: { false }, report: { _ in })
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
      let result = EarlierVersion.RunEnd(
        steps: end.steps, loss: try #require(end.loss), validationLoss: try #require(end.validationLoss))
      try write(Array(try encoder.encode(result)) + [0x0A], to: version.runEnd)
    }
  }
}
