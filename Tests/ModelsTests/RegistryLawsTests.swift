import RunnelCheckpoints
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelReference
import RunnelStreaming
import RunnelTensors
import Testing

/// A tiny model of every architecture in the registry.
let tinyModels: [any Model] = Registry.mixers.compactMap { tiny($0) }

private func tiny<Mixer: SequenceMixer>(_ mixer: Mixer.Type) -> (any Model)? {
  try? LanguageModel(ModelConfiguration(mixer, vocabularySize: 64, width: 32, layers: 2), seed: 3)
}

@Suite("the laws of a model, for every mixer of the registry")
struct RegistryLawsTests {
  @Test func everyMixerMakesAModel() { #expect(tinyModels.count == Registry.mixers.count) }

  @Test("step, mix and parallel are one function", arguments: Registry.names)
  func forms(name: String) throws {
    func check<M: Model>(_ model: M) throws {
      for result in try ModelCheck(model, tokens: name == "retnet" ? 8192 : 2048, seed: 5).run() {
        #expect(result.passed, "\(name): \(result.law), \(result.maxRelativeError)")
      }
    }
    for model in tinyModels where model.mixerName == name { try check(model) }
  }

  @Test("segments of no and of one token", arguments: Registry.names)
  func short(name: String) {
    func check<M: Model>(_ model: M) {
      for form in Form.allCases {
        var state = model.initialState(batch: 2)
        #expect(model.logits([], batch: 2, form: form, state: &state).shape == [2, 0, 64])
        let once = model.logits([1, 2], batch: 2, form: form, state: &state)
        var fresh = model.initialState(batch: 2)
        #expect(relativeError(once, model.logits([1, 2], batch: 2, form: .step, state: &fresh)) < 1e-5)
      }
    }
    for model in tinyModels where model.mixerName == name { check(model) }
  }

  @Test("gradients of the loss are those of the fold of step", arguments: Registry.names)
  func gradients(name: String) {
    func gradient<M: Model>(_ model: M, _ form: Form, _ ids: [Int32]) -> [Tensor] {
      var leaves: [Tensor] = []
      let tracked = model.replacingParameters {
        let leaf = $0.value.tracked()
        leaves.append(leaf)
        return leaf
      }
      var state = model.initialState(batch: 2)
      let loss = tracked.loss(
        Array(ids.dropLast(2)), targets: Array(ids.dropFirst(2)), batch: 2, form: form,
        resets: Resets(rows: [[31], []]), state: &state)
      return RunnelTensors.gradients(of: loss.mean, for: leaves)
    }
    func check<M: Model>(_ model: M) {
      var generator = SeededGenerator(seed: 9)
      let ids = (0..<132).map { _ in Int32(generator.uniform() * 64) }
      let mix = gradient(model, .mix, ids), step = gradient(model, .step, ids)
      for (i, parameter) in model.parameters.enumerated() {
        #expect(relativeError(mix[i], step[i]) < 1e-4, "\(name): \(parameter.name)")
      }
    }
    for model in tinyModels where model.mixerName == name { check(model) }
  }
}

@Suite("unusual proportions")
struct ProportionTests {
  /// Once two extents that share no matrix were multiplied, and such models were refused by their own files.
  @Test func modelsOfUnusualProportionsAreReadBack() throws {
    func check<Mixer: SequenceMixer>(_ mixer: Mixer.Configuration, _ type: Mixer.Type) throws {
      let folder = try TemporaryFolder()
      let configuration = ModelConfiguration(
        [MixerChoice(type, mixer)], vocabularySize: 64, width: mixer.width, layers: 1)
      let model = try LanguageModel(configuration, seed: 1)
      try ModelFolder.save(model, to: folder.path)
      #expect(try ModelFolder.load(folder.path).fingerprint == model.fingerprint)
    }
    try check(.init(width: 8, heads: 1, keyWidth: 64, valueWidth: 64), RetNet.self)
    try check(.init(width: 16, heads: 1, headWidth: 64, stateSize: 256), Mamba2.self)
  }
}
