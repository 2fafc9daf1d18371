/// What configurations name can be added to, from any thread, and never replaced. A mixer that is added is tested where it cannot
/// meet the laws of the others: by the examples.

import Foundation
import RunnelCheckpoints
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelStreaming
import RunnelTensors
import Synchronization
import Testing

@Suite("the registry is open")
struct RegistrationTests {
  /// A mixer of any name.
  private struct Nameless<Words: Named>: SequenceMixer {
    struct Configuration: MixerConfiguration {
      var width = 0
      static var settings: [Setting<Self>] { [] }
      static var feedForward: FeedForwardKind { .none }
    }
    static var description: MixerDescription {
      MixerDescription(
        name: Words.name, title: "", paper: "", recurrence: "", state: "", cost: "", parallelForm: "")
    }
    let configuration: Configuration
    init(_ configuration: Configuration, at depth: Depth, from parameters: Parameters) {
      self.configuration = configuration
    }
    var memory: [StateTensor] { [] }
    func run(_ x: Tensor, _: Void, form: Form, resets: Resets, state: inout RecurrentState) -> Tensor { x }
  }
  private enum Taken: Named { static let name = "mamba" }
  private enum Listed: Named { static let name = "mine,yours" }
  private enum Scoped: Named { static let name = "mine.own" }
  private enum Empty: Named { static let name = "" }
  private enum Blank: Named { static let name = "my own" }

  /// A norm that does nothing.
  private struct Identity: NormPart { func callAsFunction(_ x: Tensor) -> Tensor { x } }
  private static func norm(_ name: String) -> NormKind { NormKind(name: name) { _, _ in Identity() } }
  private static func part(_ name: String) -> FeedForwardKind {
    FeedForwardKind(name: name, ratio: 2) {
      GatedMLP(width: $0.width, hidden: $0.hiddenWidth, activation: .sigmoid, from: $1)
    }
  }

  /// How many mixers, norms and feed-forward parts have this name. Other tests register others meanwhile.
  private static func counts(_ name: String) -> [Int] {
    [Registry.names, Registry.norms.map(\.rawValue), Registry.feedForwards.map(\.rawValue)].map { names in
      names.count { $0 == name }
    }
  }

  @Test("a name that is taken, or that no configuration could hold, is refused with one line")
  func names() throws {
    let refusals: [(String, String, () throws -> Void)] = [
      ("mamba", "already", { try Registry.register(Nameless<Taken>.self) }),
      ("mine,yours", "letters", { try Registry.register(Nameless<Listed>.self) }),
      ("mine.own", "letters", { try Registry.register(Nameless<Scoped>.self) }),
      ("", "letters", { try Registry.register(Nameless<Empty>.self) }),
      ("my own", "letters", { try Registry.register(Nameless<Blank>.self) }),
      ("layer", "already", { try Registry.register(Self.norm("layer")) }),
      ("a b", "letters", { try Registry.register(Self.norm("a b")) }),
      ("none", "already", { try Registry.register(Self.part("none")) }),
      ("gated-gelu", "already", { try Registry.register(Self.part("gated-gelu")) }),
      ("channel-mix-7", "already", { try Registry.register(Self.part("channel-mix-7")) }),
      ("ä", "letters", { try Registry.register(Self.part("ä")) }),
    ]
    for (name, word, register) in refusals {
      let before = Self.counts(name)
      let text = sentence(register)
      #expect(Self.counts(name) == before)
      #expect(text.contains("\"\(name)\"") && text.contains(word) && !text.contains("\n"), "\(name): \(text)")
    }
    // A type that is there already is no other one.
    try Registry.register(Mamba.self)
    #expect(Self.counts(Mamba.name) == [1, 0, 0])
  }

  @Test("of many that register one name at once, one does")
  func threads() {
    let accepted = Mutex(0)
    DispatchQueue.concurrentPerform(iterations: 64) { i in
      do {
        try Registry.register(Self.norm("raced-\(i % 8)"))
        accepted.withLock { $0 += 1 }
      } catch {}
    }
    #expect(accepted.withLock { $0 } == 8)
    #expect(Registry.norms.filter { $0.rawValue.hasPrefix("raced-") }.count == 8)
  }

  @Test("a part whose shape says no activation has its kind's, and one that says another has that one")
  func activations() throws {
    func activation(of kind: FeedForwardKind, _ chosen: Activation?) -> Activation? {
      let shape = FeedForwardShape(width: 4, hiddenWidth: 8, activation: chosen)
      return (kind(shape, from: Parameters(seed: 1)) as? GatedMLP)?.activation
    }
    for f in Activation.allCases {
      let own = FeedForwardKind(name: "own", ratio: 2, activation: f) { shape, parameters in
        GatedMLP(width: 4, hidden: 8, activation: shape.activation, from: parameters)
      }
      for kind in [own, .gated(ratio: 2, activation: f)] {
        #expect(activation(of: kind, nil) == f)
        #expect(activation(of: kind, .tanh) == .tanh)
      }
    }
  }

  @Test(
    "a model of registered parts keeps every form, its folder and its streams; without them it is refused by its key"
  )
  func models() throws {
    try Registry.register(Self.norm("identity"))
    try Registry.register(Self.part("halved"))
    let norm = try #require(NormKind(rawValue: "identity"))
    let part = try #require(FeedForwardKind(rawValue: "halved"))
    let plain = ModelConfiguration(
      [MixerChoice(Mamba.self, width: 16)], vocabularySize: 64, width: 16, layers: 2)
    var own = ModelConfiguration(
      [MixerChoice(Mamba.self, width: 16)], vocabularySize: 64, width: 16, layers: 2, norm: norm,
      feedForward: part)
    #expect(plain.hiddenWidth == 0 && own.hiddenWidth == 32)
    try withFolder { folder in
      let model = try LanguageModel(own, seed: 1).perturbed(seed: 1)
      #expect(model.parameters.contains { $0.name == "layers.1.mlp.down.weight" })
      #expect(!model.parameters.contains { $0.name.contains("norm") })
      let results = try ModelCheck(model, tokens: 32, seed: 1).run()
      #expect(results.filter { !$0.passed }.map(\.law) == [])
      try ModelFolder.save(model, to: folder)
      let loaded = try ModelFolder.load(folder)
      #expect(loaded.fingerprint == model.fingerprint && loaded.configuration == own)

      let text = try unsealedText(folder + "/config.json")
      for (key, name) in [("norm", "identity"), ("feed_forward", "halved")] {
        let other = text.replacing("\"\(name)\"", with: "\"stranger\"")
        try write(Array(other.utf8), to: folder + "/config.json")
        let refused = sentence { _ = try ModelFolder.load(folder) }
        #expect(refused.contains(key) && !refused.contains("\n"), "\(refused)")
      }
      // The hidden size follows the part that is named.
      let brief = text.replacing(/"hidden_width" : \d+,/, with: "")
      #expect(brief != text)
      try write(Array(brief.utf8), to: folder + "/config.json")
      #expect(try ModelFolder.load(folder).configuration == own)
    }
    // The same parameters in another part are another function.
    own.feedForward = .gated(ratio: 2)
    let other = try LanguageModel(own, seed: 1).perturbed(seed: 1)
    own.feedForward = part
    let same = try LanguageModel(own, seed: 1).perturbed(seed: 1)
    #expect(other.parameters.map(\.name) == same.parameters.map(\.name))
    #expect(other.fingerprint != same.fingerprint)
  }
}

/// A name as a type.
private protocol Named { static var name: String { get } }
