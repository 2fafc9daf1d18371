/// What the declarations of settings promise, for every setting of every mixer.

import Foundation
import RunnelCheckpoints
import RunnelMixers
import RunnelModels
import RunnelTensors
import Testing

@Suite("Settings")
struct SettingTests {
  static func choice(_ name: String, width: Int = 64, _ settings: [(name: String, value: String)] = [])
    throws -> MixerChoice
  {
    try MixerChoice(Registry.mixer(named: name), width: width, settings: settings)
  }

  static func model(_ choice: MixerChoice) throws -> LanguageModel {
    try LanguageModel(
      ModelConfiguration([choice], vocabularySize: 32, width: choice.configuration.width, layers: 1), seed: 1)
  }

  @Test("settings have names of their own, a line of help, and defaults that fit", arguments: Registry.names)
  func declarations(name: String) throws {
    for width in [16, 64, 256, 768] {
      let settings = try Self.choice(name, width: width).settings
      #expect(Set(settings.map(\.name)).count == settings.count)
      for setting in settings {
        #expect(setting.name.wholeMatch(of: /[a-z][a-z0-9]*(_[a-z0-9]+)*/) != nil, "\(setting.name)")
        #expect(!setting.help.isEmpty && !setting.help.contains("\n") && !setting.bounds.isEmpty)
      }
      try Self.choice(name, width: width).configuration.validate()
    }
  }

  @Test("a setting said in the words that describe it is the same", arguments: Registry.names)
  func words(name: String) throws {
    let choice = try Self.choice(name)
    let words = choice.settings.map { (name: $0.name, value: $0.value) }
    #expect(try Self.choice(name, words) == choice)
    for word in words { #expect(try Self.choice(name, [word]) == choice, "\(word)") }
  }

  @Test("a value that is none is refused by the setting's name", arguments: Registry.names)
  func refused(name: String) throws {
    for setting in try Self.choice(name).settings {
      var values = ["", "?", "none of these"]
      if Int(setting.value) != nil { values += ["-1", "9223372036854775807", "1.5"] }
      if Int(setting.value) != nil, setting.value != "0", !setting.bounds.contains("0, for none") {
        values.append("0")
      }
      for value in values {
        let text = sentence {
          try Self.choice(name, [(name: setting.name, value: value)]).configuration.validate()
        }
        #expect(text.contains(setting.name), "\(setting.name)=\(value): \(text)")
      }
    }
    let text = sentence { _ = try Self.choice(name, [(name: "no_such", value: "1")]) }
    let first = try Self.choice(name).settings[0].name
    #expect(text.contains("no_such") && text.contains(first), "\(text)")
  }

  @Test("a number that is not finite is refused, whatever the setting allows", arguments: Registry.names)
  func notFinite(name: String) throws {
    for setting in try Self.choice(name).settings {
      for value in ["inf", "-inf", "nan"] {
        let text = sentence { _ = try Self.choice(name, [(name: setting.name, value: value)]) }
        #expect(text.contains(setting.name), "\(setting.name)=\(value): \(text)")
      }
    }
  }

  @Test("a number that is not finite is refused in a configuration that a program makes, too")
  func notFiniteInCode() {
    for bad in [Double.infinity, -.infinity, .nan] {
      func refusal<C: MixerConfiguration>(_: C.Type, _ change: (inout C) -> Void) -> String {
        sentence { try C(width: 64, change).validate() }
      }
      let refusals = [
        ("least_log_decay", refusal(GLA.Configuration.self) { $0.leastLogDecay = Float(bad) }),
        ("largest_step", refusal(Mamba2.Configuration.self) { $0.largestStep = Float(bad) }),
        ("least_step", refusal(Mamba2.Configuration.self) { $0.leastStep = Float(bad) }),
        ("largest_step", refusal(S4.Configuration.self) { $0.largestStep = bad }),
        ("logit_cap", Self.refusal { $0.logitCap = Float(bad) }),
        ("embedding_scale", Self.refusal { $0.embeddingScale = Float(bad) }),
        ("norm_epsilon", Self.refusal { $0.normEpsilon = Float(bad) }),
        ("last_norm_epsilon", Self.refusal { $0.lastNormEpsilon = Float(bad) }),
      ]
      for (name, text) in refusals {
        #expect(text.contains(name) && text.contains("finite"), "\(name) = \(bad): \(text)")
      }
    }
  }

  private static func refusal(_ change: (inout ModelConfiguration) -> Void) -> String {
    var configuration = ModelConfiguration(Mamba.self, vocabularySize: 32, width: 64, layers: 1)
    change(&configuration)
    return sentence { try configuration.validate() }
  }

  @Test(
    "what follows from heads follows from heads that are chosen",
    arguments: Registry.names.filter { name in
      (try? choice(name).settings.contains { $0.name == "heads" }) ?? false
    })
  func heads(name: String) throws {
    let choice = try Self.choice(name, [(name: "heads", value: "4")])
    #expect(choice.value(of: "heads") == "4")
    let model = try Self.model(choice)
    let json = try model.encodeConfiguration()
    #expect(try ModelFolder.configuration(from: json, path: "config.json") == model.configuration)
  }

  @Test("what a pattern is told reaches those that have it, or the one that is named")
  func patterns() throws {
    let pattern = try Registry.pattern("mamba,gla,mamba2")
    func values(_ settings: [(name: String, value: String)], _ name: String) throws -> [String?] {
      try MixerChoice.pattern(pattern, width: 64, settings: settings).map { $0.value(of: name) }
    }
    #expect(try values([("state_size", "8")], "state_size") == ["8", nil, "8"])
    #expect(try values([("mamba2.state_size", "8")], "state_size") == ["16", nil, "8"])
    #expect(try values([("heads", "2")], "heads") == [nil, "2", "2"])
    for name in ["window", "mamba.window", "rwkv7.heads"] {
      #expect(sentence { _ = try values([(name, "2")], name) }.contains("window") || name == "rwkv7.heads")
      #expect(throws: ConfigurationError.self) { try values([(name, "2")], name) }
    }
  }

  @Test("a setting that nobody knows is refused in a file, wherever it stands")
  func unknown() throws {
    let json = String(decoding: try Self.model(Self.choice("gla")).encodeConfiguration(), as: UTF8.self)
    for (old, new) in [
      ("\"heads\"", "\"haeds\""),
      ("\"norm_epsilon\" : 1e-05,\n  \"norm", "\"norms_epsilon\" : 1e-05,\n  \"norm"),
      ("\"layers\" : 1", "\"layers\" : 1, \"layer\" : 2"),
    ] where json.contains(old) {
      let changed = json.replacingOccurrences(of: old, with: new)
      let text = sentence {
        _ = try ModelFolder.configuration(from: Array(changed.utf8), path: "config.json")
      }
      #expect(text.contains("there is no setting"), "\(text)")
    }
  }

  @Test("a configuration whose flags are not the architecture's own is read back", arguments: Registry.names)
  func flags(name: String) throws {
    var configuration = ModelConfiguration([try Self.choice(name)], vocabularySize: 32, width: 64, layers: 2)
    configuration.normalizesEmbedding.toggle()
    configuration.norm = configuration.norm == .rms ? .layer : .rms
    configuration.hasNormBias.toggle()
    configuration.tiesEmbedding.toggle()
    let json = try LanguageModel(configuration, seed: 1).encodeConfiguration()
    #expect(try ModelFolder.configuration(from: json, path: "config.json") == configuration)
  }
}
