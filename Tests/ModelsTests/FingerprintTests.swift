import Foundation
import RunnelCheckpoints
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelStreaming
import RunnelTensors
import Testing

@Suite("a model is known by its function: its numbers, and what is done with them")
struct FingerprintTests {
  static let text = tokens(24, below: 64, seed: 2)

  private static func logits(_ model: some LanguageFunction) -> [Float] {
    var state = model.initialState(batch: 1)
    return model.logits(text, batch: 1, form: .step, state: &state).scalars
  }

  /// The same parameters under another configuration; nil where it asks for others.
  private static func model(_ own: some LanguageFunction, as configuration: ModelConfiguration)
    -> LanguageModel?
  {
    let (there, here) = (configuration.places, own.parameters)
    guard (try? configuration.validate()) != nil, there.map(\.name) == here.map(\.name),
      there.map(\.shape) == here.map(\.value.shape)
    else { return nil }
    let values = Dictionary(uniqueKeysWithValues: here.map { ($0.name, $0.value) })
    return try? LanguageModel(configuration) { values[$0.name] ?? .absent }
  }

  /// Other values that a setting might have.
  private static func others(than value: Any) -> [Any] {
    switch value {
    case let text as String:
      let words =
        Activation.allCases.map(\.rawValue) + ["lin", "inv", "legs", "rms", "layer", "l1", "l2", "sum"]
      return words.filter { $0 != text }
    case let number as NSNumber:
      let double = number.doubleValue, whole = number.intValue
      // A truth value is a number too; what the setting is not is refused.
      return [true, false, double * 1.5, double / 2, whole * 2, whole / 2, whole + 1, whole - 1]
    default: return []
    }
  }

  @Test("a setting that changes what the same parameters make changes the fingerprint, and no other does")
  func settings() throws {
    var changed: Set<String> = [], idle: Set<String> = []
    for model in tinyModels {
      let name = model.mixerName, expected = Self.logits(model)
      let object = try JSONSerialization.jsonObject(with: Data(model.encodeConfiguration()))
      let fields = try #require(object as? [String: Any])
      let mixer = try #require(fields["mixer_configuration"] as? [String: Any])
      var variants: [(key: String, fields: [String: Any])] = []
      for (key, value) in mixer {
        for other in Self.others(than: value) {
          variants.append(
            (key, fields.merging(["mixer_configuration": mixer.merging([key: other]) { $1 }]) { $1 }))
        }
      }
      for (key, other) in [
        ("norm_epsilon", 0.5), ("last_norm_epsilon", 0.3), ("halving_interval", 1), ("embedding_scale", 1.5),
        ("logit_cap", 0.5), ("activation", "tanh"), ("norm", "layer"), ("norm", "rms"), ("width", 64),
        ("has_feed_forward_bias", false),
      ] as [(String, Any)] {
        variants.append((key, fields.merging([key: other]) { $1 }))
      }
      let decoder = JSONDecoder()
      for (key, fields) in variants {
        let data = try JSONSerialization.data(withJSONObject: fields)
        guard let configuration = try? decoder.decode(ModelConfiguration.self, from: data),
          (try? configuration.validate()) != nil, let variant = Self.model(model, as: configuration)
        else { continue }
        let logits = Self.logits(variant)
        #expect(variant.identity.weights == model.identity.weights, "\(name), \(key)")
        if logits != expected {
          changed.insert("\(name).\(key)")
          #expect(variant.fingerprint != model.fingerprint, "\(name), \(key)")
        } else if Self.isBeginning(key, model.configuration.mixers[0].configuration) {
          idle.insert("\(name).\(key)")
          #expect(variant.fingerprint == model.fingerprint, "\(name), \(key)")
        }
      }
    }
    #expect(
      changed.isSuperset(of: [
        "attention.rotary_base", "retnet.norm_epsilon", "mamba.norm_epsilon", "gla.temperature",
        "rwkv7.key_norm_epsilon", "deltanet.key_activation",
      ]), "\(changed.sorted())")
    #expect(
      idle.isSuperset(of: [
        "lru.inner_radius", "lru.outer_radius", "lru.largest_phase", "s4.smallest_step", "s4d.initialization",
        "s4d.largest_step", "s5.blocks", "h3.smallest_step",
      ]), "\(idle.sorted())")
  }

  private static func isBeginning<C: MixerConfiguration>(_ key: String, _: C) -> Bool {
    C.settings.contains { $0.name == key && $0.kind == .beginning }
  }

  @Test("two spellings of one function are one, and forms and packings keep it")
  func spellings() throws {
    let model = try smallModel(Attention.self, layers: 4)
    var configuration = model.configuration
    configuration.mixers += configuration.mixers
    configuration.lastNormEpsilon = configuration.normEpsilon
    configuration.activation = .silu
    let same = try #require(Self.model(model, as: configuration))
    #expect(same.configuration != model.configuration && same.fingerprint == model.fingerprint)
    try withFolder { folder in
      try ModelFolder.savePacked(model, to: folder, as: .f32)
      #expect(try ModelFolder.load(folder).fingerprint == model.fingerprint)
    }
  }

  @Test("another library's folder of the same numbers is the same function")
  func foreign() throws {
    var same: [String] = []
    for model in tinyModels {
      try withFolder { folder in
        guard (try? ModelFolder.saveForeign(model, to: folder)) != nil else { return }
        let loaded = try ModelFolder.load(folder)
        // Some are said in other numbers.
        guard loaded.identity.weights == model.identity.weights else { return }
        #expect(loaded.fingerprint == model.fingerprint, "\(model.mixerName)")
        same.append(model.mixerName)
      }
    }
    #expect(same.count >= 5, "\(same)")
  }

  @Test(
    "a state under another configuration of the same weights is refused; one that only knew weights says so")
  func states() throws {
    let model = try smallModel(Attention.self)
    var configuration = model.configuration
    configuration.normEpsilon *= 2
    let other = try #require(Self.model(model, as: configuration))
    try withFolder { folder in
      let path = folder + "/stream"
      try StateFile.save(StateFileTests.session(model), to: path)
      #expect(sentence { _ = try StateFile.load(path, into: other) }.contains("another configuration"))
      var notes: [String] = []
      _ = try StateFile.load(path, into: model) { notes.append($0) }
      #expect(notes.isEmpty)
      // As files had it before the configuration counted.
      try HostileNumbersTests.replaced(path, metadata: ["fingerprint": model.identity.weights])
      for model in [model, other] {
        notes = []
        #expect(try StateFile.load(path, into: model) { notes.append($0) }.session.position == 30)
        #expect(notes.count == 1 && notes[0].contains("only the weights"))
      }
      let stranger = try smallModel(Attention.self, seed: 9)
      #expect(sentence { _ = try StateFile.load(path, into: stranger) }.contains("fingerprint"))

      var journal = try Journal(Session(model, sampler: Sampler(seed: 1)), in: folder + "/journal")
      try journal.feed(Self.text)
      #expect(
        sentence { _ = try Journal.session(in: folder + "/journal", at: nil, of: other) }.contains(
          "another configuration"))
    }
  }
}
