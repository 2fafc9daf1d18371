import Foundation
import RunnelCheckpoints
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelReference
import RunnelStreaming
import RunnelTensors
import Testing

@Suite("a pattern of mixers is a model like any other")
struct HybridTests {
  /// With and without feed-forward parts behind the first, with RWKV-7 after other mixers and twice in one model,
  /// with memories of every kind.
  static let patterns = [
    "mamba,attention", "attention,mamba2", "rwkv7,gla,rwkv6", "retnet,rwkv7", "rwkv4,hippo-legs,mlstm",
    "s4,flash,rg-lru", "h3,deltanet", "linear-attention,lru,gated-deltanet,mingru",
  ]

  /// One layer more than the pattern has mixers, so that it begins again.
  static func model(_ names: String, seed: UInt64 = 1) throws -> LanguageModel {
    let pattern = try Registry.pattern(names)
    let configuration = ModelConfiguration(
      pattern, vocabularySize: 64, width: 32, layers: pattern.count + 1)
    return try LanguageModel(configuration, seed: seed).perturbed(seed: seed)
  }

  @Test("step, mix and parallel are one function", arguments: patterns)
  func forms(names: String) throws {
    for result in try ModelCheck(Self.model(names), tokens: 2047, seed: 5).run() {
      #expect(result.passed, "\(names): \(result.law), \(result.maxRelativeError)")
    }
  }

  @Test("gradients of the loss are those of the fold of step", arguments: patterns)
  func modelGradients(names: String) throws {
    let model = try Self.model(names), text = tokens(132, below: 64, seed: 6)
    for form in [Form.mix, .parallel] {
      expectGradients(lossGradients(model, text, form: form), of: model, "\(names), \(form)") {
        lossGradients($0, text, form: .step)
      }
    }
  }

  @Test("layer after layer takes the next mixer of the pattern")
  func layers() throws {
    let names = try Self.model("retnet,rwkv7").parameters.map(\.name)
    func layer(_ index: Int) -> [String] {
      names.filter { $0.hasPrefix("layers.\(index).") }.map { String($0.dropFirst("layers.0.".count)) }
    }
    #expect(layer(0) == layer(2) && layer(0) != layer(1))
    for (index, name) in ["retnet", "rwkv7"].enumerated() {
      let mixer = try Registry.mixer(named: name)
      let alone = try LanguageModel(
        ModelConfiguration(mixer, vocabularySize: 64, width: 32, layers: 2), seed: 1)
      let own = alone.parameters.map(\.name).filter { $0.hasPrefix("layers.1.mixer.") }
      #expect(layer(index).filter { $0.hasPrefix("mixer.") } == own.map { String($0.dropFirst(9)) })
    }
  }

  @Test("a folder gives back the pattern and every bit", arguments: patterns)
  func folder(names: String) throws {
    let model = try Self.model(names)
    try withFolder { folder in
      try ModelFolder.save(model, to: folder)
      let loaded = try ModelFolder.load(folder)
      #expect(loaded.mixerName == names && loaded.configuration == model.configuration)
      #expect(loaded.fingerprint == model.fingerprint)
      #expect(ModelFolderTests.logits(loaded) == ModelFolderTests.logits(model))
    }
  }

  @Test("config.json lists the mixers in order, each with its numbers")
  func configuration() throws {
    let bytes = try Self.model("mamba,attention").encodeConfiguration()
    let json = try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    let mixers = try #require(json["mixers"] as? [[String: Any]])
    #expect(mixers.compactMap { $0["mixer"] as? String } == ["mamba", "attention"])
    for mixer in mixers {
      #expect((mixer["mixer_configuration"] as? [String: Any])?["width"] as? Int == 32)
    }
    #expect(json["mixer"] == nil && json["layers"] as? Int == 3)
  }

  @Test("a stream saved goes on bit for bit", arguments: patterns)
  func state(names: String) throws {
    let model = try Self.model(names)
    var session = try StateFileTests.session(model)
    try withFolder { folder in
      try StateFile.save(session, to: folder + "/stream")
      var loaded = try StateFile.load(folder + "/stream", into: model).session
      for _ in 0..<20 {
        #expect(try loaded.next() == session.next())
        #expect(loaded.logits?.scalars == session.logits?.scalars)
      }
      for (a, b) in zip(loaded.state.tensors, session.state.tensors) {
        #expect(a.name == b.name && a.value.scalars == b.value.scalars, "\(names): \(a.name)")
      }
    }
  }

  @Test("every tensor of a state has a name of its own", arguments: patterns)
  func stateNames(names: String) throws {
    let state = try Self.model(names).initialState(batch: 1)
    let all = state.tensors.map(\.name) + state.counters.map(\.name)
    #expect(Set(all).count == all.count && !all.isEmpty, "\(all)")
  }

  @Test("what no pattern is, is refused in one clear line")
  func refusals() throws {
    for names in ["mamba,lur", "lur,mamba"] {
      let text = sentence { _ = try Registry.pattern(names) }
      #expect(text.contains("\"lur\"") && text.contains("attention") && !text.contains("\n"))
    }
    for names in ["", "mamba,", ",mamba", "mamba,,gla"] {
      #expect(sentence { _ = try Registry.pattern(names) }.contains("no mixer \"\""), "\(names)")
    }
    let pattern = try Registry.pattern("mamba, gla, s4d")
    #expect(pattern.map { $0.name } == ["mamba", "gla", "s4d"])
    let long = ModelConfiguration(pattern, vocabularySize: 64, width: 32, layers: 2)
    #expect(sentence { _ = try LanguageModel(long, seed: 1) }.contains("3 mixers for 2 layers"))
    let none = ModelConfiguration([MixerChoice](), vocabularySize: 64, width: 32, layers: 2)
    #expect(sentence { _ = try LanguageModel(none, seed: 1) }.contains("0 mixers"))
    let narrow = ModelConfiguration(
      [MixerChoice(Mamba.self, width: 32), MixerChoice(GLA.self, width: 64)], vocabularySize: 64,
      width: 32, layers: 2)
    #expect(sentence { _ = try LanguageModel(narrow, seed: 1) }.contains("the width of gla, 64, is not 32"))
  }

  @Test("a config.json with a stranger in its pattern, or none, is refused")
  func badFiles() throws {
    try withFolder { folder in
      try ModelFolder.save(try Self.model("mamba,attention"), to: folder)
      let path = folder + "/config.json", text = try unsealedText(path)
      func refusal(_ old: String, _ new: String) throws -> String {
        #expect(text.contains(old))
        try write(Array(text.replacingOccurrences(of: old, with: new).utf8), to: path)
        return sentence { _ = try ModelFolder.load(folder) }
      }
      let stranger = try refusal("\"attention\"", "\"attentoin\"")
      #expect(
        stranger.contains("\"attentoin\"") && stranger.contains("config.json") && !stranger.contains("\n"))
      #expect(try refusal("\"attention\"", "\"gla\"").contains("config.json"))
      #expect(try refusal("\"layers\" : 3", "\"layers\" : 1").contains("2 mixers for 1 layers"))
      #expect(try refusal("\"layers\" : 3", "\"layers\" : 2").contains("layers.2"))
      #expect(try refusal("\"mixers\"", "\"mixer\"").contains("mixer"))
      try write(Array(#"{"mixers": [], "vocabulary_size": 64, "width": 32, "layers": 3}"#.utf8), to: path)
      #expect(sentence { _ = try ModelFolder.load(folder) }.contains("config.json"))
    }
  }
}
