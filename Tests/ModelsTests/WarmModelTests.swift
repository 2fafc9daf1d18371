import RunnelMixers
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@Suite("laws of a model under way: its state is warm and its head its own")
struct WarmModelTests {
  @Test("no token changes nothing, and one token is a step, in every form", arguments: Registry.names)
  func shortest(name: String) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws {
      let model = try smallModel(type)
      var start = model.initialState(batch: 2)
      _ = model.logits(tokens(20, below: 64, seed: 5), batch: 2, form: .mix, state: &start)
      var stepped = start
      let expected = model.step([3, 60], state: &stepped)
      for form in Form.allCases {
        var state = start
        let none = model.logits([], batch: 2, form: form, state: &state)
        #expect(none.shape == [2, 0, 64])
        for (a, b) in zip(state.tensors, start.tensors) {
          #expect(a.value.scalars == b.value.scalars, "\(name), \(form): \(a.name)")
        }
        let one = model.logits([3, 60], batch: 2, form: form, state: &state)
        #expect(relativeError(one, expected) <= 1e-5, "\(name), \(form)")
        for (a, b) in zip(state.tensors, stepped.tensors) {
          #expect(relativeError(a.value, b.value) <= 1e-5, "\(name), \(form): \(a.name)")
        }
        #expect(state.counters.map(\.value) == stepped.counters.map(\.value))
      }
    }
    try check(try Registry.mixer(named: name))
  }

  @Test("the gradient of the loss is the same through every form", arguments: Registry.names)
  func modelGradient(name: String) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws {
      let model = try smallModel(type, tied: false)
      let text = tokens(132, below: 64, seed: 6)
      func gradient(_ form: Form) -> [Double] {
        lossGradients(model, text, form: form).flatMap(\.doubles)
      }
      let expected = gradient(.step)
      #expect(expected.count == model.parameterCount)
      #expect(relativeError(gradient(.mix), expected) <= 1e-4, "\(name)")
      #expect(relativeError(gradient(.parallel), expected) <= 1e-4, "\(name)")
    }
    try check(try Registry.mixer(named: name))
  }
}
