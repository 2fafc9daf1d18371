import RunnelCheckpoints
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelReference
import RunnelStreaming
import RunnelTensors
import Testing

/// A tiny model of every architecture in the registry, all its parameters moved, so that no part of it is silent.
let tinyModels: [LanguageModel] = Registry.mixers.compactMap { tiny($0) }

private func tiny<Mixer: SequenceMixer>(_ mixer: Mixer.Type) -> LanguageModel? {
  try? LanguageModel(ModelConfiguration(mixer, vocabularySize: 64, width: 32, layers: 2), seed: 3)
    .perturbed(seed: 4)
}

@Suite("the laws of a model, for every mixer of the registry")
struct RegistryLawsTests {
  @Test("every mixer makes a model", arguments: Registry.names)
  func models(name: String) { #expect(tinyModels.count { $0.mixerName == name } == 1) }

  @Test("step, mix and parallel are one function", arguments: Registry.names)
  func forms(name: String) throws {
    func check(_ model: some LanguageFunction) throws {
      // The longest is a multiple of no chunk.
      for count in [8191, 17, 65, 64] {
        let results = try ModelCheck(model, tokens: count, seed: 5).run()
        // The fold of step is measured first.
        #expect(Double(results.count + 1) == ModelCheck.parts)
        for result in results {
          #expect(result.passed, "\(name), \(count): \(result.law), \(result.maxRelativeError)")
        }
      }
    }
    for model in tinyModels where model.mixerName == name { try check(model) }
  }

  @Test("a stream of replaced parameters is what they mix, in every form", arguments: Registry.names)
  func replaced(name: String) {
    for model in tinyModels where model.mixerName == name {
      // What the first stream has derived must not be found in the second.
      var generator = SeededGenerator(seed: 12)
      let first = model.stream(packing: false)
      let other = model.replacingParameters {
        $0.value + Tensor.uniform($0.value.shape, in: -0.2...0.2, using: &generator)
      }
      let text = tokens(80, below: 64, seed: 13)
      func logits(_ model: some LanguageFunction, _ form: Form) -> Tensor {
        var state = model.initialState(batch: 1)
        return model.logits(text, batch: 1, form: form, state: &state)
      }
      let expected = logits(other, .mix)
      for stream in [
        other.stream(), other.stream(packing: false), first.trainable().replaced(by: other).stream(),
      ] {
        for form in Form.allCases {
          let error = relativeError(logits(stream, form), expected)
          #expect(error <= 1e-4, "\(name), \(form): \(error)")
        }
      }
      #expect(relativeError(logits(first, .step), expected) > 1e-3, "\(name): the parameters change nothing")
      #expect(first.fingerprint != other.fingerprint && other.stream().fingerprint == other.fingerprint)
    }
  }

  @Test("segments of no and of one token", arguments: Registry.names)
  func short(name: String) {
    func check(_ model: some LanguageFunction) {
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

  @Test("gradients of the loss are those of the fold of step, and none is silent", arguments: Registry.names)
  func modelGradients(name: String) {
    func check(_ model: LanguageModel) {
      let text = tokens(132, below: 64, seed: 9)
      let mix = lossGradients(model, text, form: .mix)
      expectGradients(mix, of: model, name) { lossGradients($0, text, form: .step) }
      for (parameter, gradient) in zip(model.parameters, mix) {
        #expect(gradient.scalars.contains { $0 != 0 }, "\(name): \(parameter.name) moves nothing")
      }
    }
    for model in tinyModels where model.mixerName == name { check(model) }
  }

  @Test("what came before is heard, so that the laws hold of more than silence", arguments: Registry.names)
  func past(name: String) {
    func check(_ model: some LanguageFunction) {
      var warm = model.initialState(batch: 1), cold = warm
      _ = model.logits(tokens(64, below: 64, seed: 2), batch: 1, form: .mix, state: &warm)
      let difference = relativeError(model.step([7], state: &warm), model.step([7], state: &cold))
      // Ten times what the laws allow: one that lost its memory would break them.
      #expect(difference > 1e-3, "\(name): \(difference)")
    }
    for model in tinyModels where model.mixerName == name { check(model) }
  }
}

extension LanguageModel {
  /// The same model with the parameters of another.
  fileprivate func replaced(by other: LanguageModel) -> LanguageModel {
    var rest = other.parameters[...]
    return replacingParameters { rest.popFirst()?.value ?? $0.value }
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
    try check(.init(width: 8) { ($0.heads, $0.keyWidth, $0.valueWidth) = (1, 64, 64) }, RetNet.self)
    try check(.init(width: 16) { ($0.heads, $0.headWidth, $0.stateSize) = (1, 64, 256) }, Mamba2.self)
  }
}
