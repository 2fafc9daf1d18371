import Foundation
import RunnelCheckpoints
import RunnelFiles
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelTensors
import RunnelText
import Testing

@Suite("what is written for another library is the model")
struct WritingTests {
  private static func logits(_ model: some LanguageFunction) -> [Float] {
    var state = model.initialState(batch: 1)
    let ids = (0..<100).map { Int32($0 * 31 % model.vocabularySize) }
    return model.logits(ids, batch: 1, form: .mix, state: &state).scalars
  }

  /// The relative distance of two lists, L2.
  private static func distance(_ a: [Float], from b: [Float]) -> Double {
    let difference = zip(a, b).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
    return (difference / b.reduce(0.0) { $0 + pow(Double($1), 2) }).squareRoot()
  }

  private static func field(_ name: String, in folder: String) throws -> Any? {
    let data = try Data(contentsOf: URL(fileURLWithPath: folder + "/config.json"))
    return try (JSONSerialization.jsonObject(with: data) as? [String: Any])?[name]
  }

  @Test("a foreign model keeps its names, shapes and numbers", arguments: GoldenCase.all.map(\.name))
  func foreign(name: String) throws {
    let golden = try #require(GoldenCase.all.first { $0.name == name })
    try withFolder { folder in
      try golden.write(to: folder)
      let model = try ModelFolder.load(folder)
      let result = folder + "/written"
      let written = try ModelFolder.saveForeign(model, to: result)
      #expect(written.modelType == golden.modelType)

      let source = try SafetensorsFile(result + "/model.safetensors")
      #expect(source.metadata == ["format": "pt"])
      let shapes = try source.names.map { "\($0) \(try source.entry($0).shape)" }
      // What is not the function is written in one way: here norm and gate are one kernel.
      let expected = golden.parameters.map { recipe in
        let isFused = name == "retnet-unfused" && recipe.name.hasSuffix(".g_norm.weight")
        return (isFused ? recipe.name.replacing(".g_norm.", with: ".g_norm_swish_gate.") : recipe.name)
          + " \(recipe.shape)"
      }
      #expect(shapes.sorted() == expected.sorted())

      let again = try ModelFolder.load(result)
      #expect(again.configuration == model.configuration)
      for (own, other) in zip(model.parameters, again.parameters) {
        if own.name.hasSuffix("lower_bound_logit") {
          // Logits of sums that went through a table of logarithms.
          let error = Self.distance(other.value.scalars, from: own.value.scalars)
          #expect(error < 1e-6, "\(own.name): \(error)")
        } else {
          #expect(own.value.scalars == other.value.scalars, "\(own.name)")
        }
      }
    }
  }

  /// Case, changes: what a family reads, away from its defaults and from the golden cases.
  private static let said: [(String, [String: String])] = [
    (
      "recurrent-gemma-mqa",
      ["rope_parameters": #"{"rope_type": "default", "rope_theta": 500.0, "partial_rotary_factor": 0.25}"#]
    ),
    ("recurrent-gemma-mqa", ["rope_parameters": "null", "partial_rotary_factor": "1.0", "rope_theta": "77"]),
    ("recurrent-gemma-gqa", ["logits_soft_cap": "2.5", "rms_norm_eps": "0.01"]),
  ]

  @Test("what a configuration of another library says is written as it was read", arguments: said.indices)
  func fields(index: Int) throws {
    let (name, changes) = Self.said[index]
    let golden = try GoldenCase.named(name)
    let model = try golden.load(configuration: golden.configuration(changes))
    let plain = try golden.load(configuration: golden.configuration([:]))
    #expect(model.configuration != plain.configuration)
    try withFolder { folder in
      try ModelFolder.saveForeign(model, to: folder + "/written")
      #expect(try ModelFolder.load(folder + "/written").configuration == model.configuration)
    }
  }

  /// Mixers whose published form a family has, and whether its numbers are the same ones.
  private static let published: [(mixer: any SequenceMixer.Type, family: String)] = [
    (Mamba.self, "mamba"), (Mamba2.self, "mamba2"), (RetNet.self, "retnet"), (GLA.self, "gla"),
    (DeltaNet.self, "delta_net"), (GatedDeltaNet.self, "gated_deltanet"), (HGRN2.self, "hgrn2"),
    (RWKV4.self, "rwkv"), (RWKV6.self, "rwkv6"), (RWKV7.self, "rwkv7"),
  ]

  /// A model whose parameters are none of them at their trivial values.
  private static func fresh(_ configuration: ModelConfiguration) throws -> LanguageModel {
    var generator = SeededGenerator(seed: 7)
    return try LanguageModel(configuration, seed: 3).replacingParameters {
      $0.value + .uniform($0.value.shape, in: -0.1...0.1, using: &generator)
    }
  }

  @Test(
    "a model of this library is read back as the same function", arguments: published.indices, [true, false])
  func native(index: Int, isTied: Bool) throws {
    let (mixer, family) = Self.published[index]
    let model = try Self.fresh(
      ModelConfiguration(mixer, vocabularySize: 40, width: 64, layers: 3, tiesEmbedding: isTied))
    try withFolder { folder in
      let written = try ModelFolder.saveForeign(model, to: folder + "/written")
      #expect(written.modelType == family)
      let again = try ModelFolder.load(folder + "/written")
      let error = Self.distance(Self.logits(again), from: Self.logits(model))
      #expect(error < 1e-6, "\(family): \(error)")
    }
  }

  @Test("other precision: matrices are rounded, what makes decays and norms is not")
  func rounded() throws {
    let model = try Self.fresh(ModelConfiguration(Mamba.self, vocabularySize: 40, width: 32, layers: 2))
    try withFolder { folder in
      try ModelFolder.saveForeign(model, to: folder + "/written", as: .bfloat16)
      let source = try SafetensorsFile(folder + "/written/model.safetensors")
      let type = { try source.entry("backbone.layers.1." + $0).elementType }
      #expect(try type("mixer.in_proj.weight") == .bfloat16)
      #expect(try type("mixer.A_log") == .float32)
      #expect(try type("norm.weight") == .float32)
      #expect(try Self.field("dtype", in: folder + "/written") as? String == "bfloat16")
    }
  }

  @Test("who reads a mamba2 depends on its options")
  func libraries() throws {
    var mixer = Mamba2.Configuration(width: 32)
    func library() throws -> String {
      let model = try Self.fresh(
        ModelConfiguration([MixerChoice(Mamba2.self, mixer)], vocabularySize: 40, width: 32, layers: 2))
      return try withFolder { try ModelFolder.saveForeign(model, to: $0 + "/written").library }
    }
    #expect(try library() == "transformers, flash-linear-attention")
    mixer.hasNorm = false
    #expect(try library() == "flash-linear-attention")
  }

  @Test("the tokenizer goes along, with what transformers asks of it")
  func tokenizer() throws {
    let json = """
      {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]},
       "added_tokens": [{"id": 3, "content": "<|endoftext|>", "special": true}],
       "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "decoder": {"type": "ByteLevel"}}
      """
    let tokenizer = try Tokenizers.load(
      TokenizerFile(name: "tokenizer.json", bytes: Array(json.utf8)), path: "tokenizer.json")
    let model = try Self.fresh(ModelConfiguration(Mamba.self, vocabularySize: 40, width: 32, layers: 2))
    try withFolder { folder in
      let folder = folder + "/written"
      try ModelFolder.saveForeign(
        model, tokenizer: tokenizer, marks: TextMarks(ends: [3]), to: folder)
      #expect(try String(contentsOfFile: folder + "/tokenizer.json", encoding: .utf8) == json)
      let settings = try String(contentsOfFile: folder + "/tokenizer_config.json", encoding: .utf8)
      #expect(settings.contains("\"eos_token\": \"<|endoftext|>\""), "\(settings)")
      #expect(try Self.field("eos_token_id", in: folder) as? Int == 3)
      #expect(try Self.field("bos_token_id", in: folder) is NSNull)
      // A token of a well-known name that ends no text of this model.
      try ModelFolder.saveForeign(
        model, tokenizer: tokenizer, marks: TextMarks(begin: 3, ends: [1, 2]), to: folder)
      #expect(try Self.field("bos_token_id", in: folder) as? Int == 3)
      #expect(try Self.field("eos_token_id", in: folder) as? [Int] == [1, 2])
      try ModelFolder.saveForeign(model, tokenizer: tokenizer, to: folder)
      #expect(try Self.field("eos_token_id", in: folder) is NSNull)
    }
  }

  @Test("bytes are a tokenizer.json there")
  func bytes() throws {
    let model = try Self.fresh(ModelConfiguration(Mamba.self, vocabularySize: 256, width: 32, layers: 2))
    try withFolder { folder in
      let folder = folder + "/written"
      try ModelFolder.saveForeign(model, tokenizer: ByteTokenizer(), to: folder)
      let tokenizer = try ModelFolder.tokenizer(of: ModelFolder.load(folder), at: folder)
      #expect(tokenizer.name != "bytes" && tokenizer.vocabularySize == 256)
      let data = (0..<1000).map { UInt8($0 * 7 % 256) } + Array("naïve\nκ".utf8)
      #expect(tokenizer.encode(data) == data.map(Int32.init))

      let small = try Self.fresh(ModelConfiguration(Mamba.self, vocabularySize: 40, width: 32, layers: 2))
      try ModelFolder.saveForeign(small, tokenizer: ByteTokenizer(), to: folder + "/small")
      #expect(!FileManager.default.fileExists(atPath: folder + "/small/tokenizer.json"))
    }
  }

  private static func configuration(_ mixers: [MixerChoice], layers: Int = 2) -> ModelConfiguration {
    ModelConfiguration(mixers, vocabularySize: 40, width: 32, layers: layers)
  }

  /// What no family can say, and the words that say so.
  private static let refused: [(configuration: ModelConfiguration, words: [String])] = [
    (configuration([MixerChoice(S4D.self, width: 32)]), ["no family", "s4d", "mamba2"]),
    (
      configuration([MixerChoice(Mamba.self, width: 32), MixerChoice(Attention.self, width: 32)]),
      ["no family", "mamba,attention"]
    ),
    (
      configuration([
        MixerChoice(
          Mamba.self,
          Mamba.Configuration(width: 32) {
            ($0.expandedWidth, $0.stateSize, $0.convolutionWidth, $0.stepRank) = (48, 4, 4, 2)
          })
      ]), ["mamba of transformers", "expanded_width 32, not 48"]
    ),
    (
      configuration([
        MixerChoice(
          Mamba2.self,
          Mamba2.Configuration(width: 32) { ($0.heads, $0.headWidth, $0.stateSize) = (3, 16, 4) })
      ]),
      ["mamba2 of transformers", "3 heads of 16"]
    ),
    (
      configuration([MixerChoice(RGLRU.self, width: 32)]),
      ["recurrent_gemma of transformers", "embedding_scale", "logit_cap 30", "has_feed_forward_bias"]
    ),
    (
      configuration([MixerChoice(LinearAttention.self, width: 32)]),
      ["linear_attn of flash-linear-attention", "rotates", "has_norm"]
    ),
    (
      configuration([
        MixerChoice(
          GLA.self,
          GLA.Configuration(width: 32) { ($0.heads, $0.keyWidth, $0.valueWidth, $0.gateRank) = (2, 8, 16, 8) }
        )
      ]),
      ["gate_rank 16, not 8"]
    ),
    (
      {
        var model = configuration([MixerChoice(GLA.self, width: 32)])
        model.activation = .gelu
        return model
      }(), ["activation silu, not gelu"]
    ),
  ]

  @Test(
    "what a family cannot say is refused in its words, and nothing is written", arguments: refused.indices)
  func refusals(index: Int) throws {
    let (configuration, words) = Self.refused[index]
    let model = try LanguageModel(configuration, seed: 0)
    try withFolder { folder in
      let error = #expect(throws: ForeignWritingError.self) {
        try ModelFolder.saveForeign(model, to: folder + "/written")
      }
      let sentence = error?.description ?? ""
      for word in words { #expect(sentence.contains(word), "\(sentence)") }
      #expect(!sentence.contains("\n"))
      #expect(!FileManager.default.fileExists(atPath: folder + "/written"))
    }
  }

  @Test("lower bounds that fall from layer to layer have no table")
  func fallingBounds() throws {
    let configuration = ModelConfiguration(HGRN2.self, vocabularySize: 40, width: 32, layers: 3)
    let model = try LanguageModel(configuration, seed: 0).replacingParameters {
      $0.name == "layers.2.mixer.lower_bound_logit" ? Tensor(repeating: -3, $0.value.shape) : $0.value
    }
    try withFolder { folder in
      let error = #expect(throws: ForeignWritingError.self) {
        try ModelFolder.saveForeign(model, to: folder + "/written")
      }
      #expect(error?.description.contains("layer 2, channel 0") == true, "\(String(describing: error))")
    }
  }

  @Test("a single layer of HGRN2 has a table that bounds nothing")
  func oneLayer() throws {
    let model = try Self.fresh(ModelConfiguration(HGRN2.self, vocabularySize: 40, width: 32, layers: 1))
    try withFolder { folder in
      try ModelFolder.saveForeign(model, to: folder + "/written")
      let source = try SafetensorsFile(folder + "/written/model.safetensors")
      #expect(try source.entry("model.lower_bounds").shape == [1, 32])
      #expect(Self.logits(try ModelFolder.load(folder + "/written")) == Self.logits(model))
    }
  }
}
