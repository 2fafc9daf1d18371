import RunnelCheckpoints
import RunnelKernels
import RunnelMixers
import RunnelModels
import RunnelStreaming
import RunnelTensors
import Testing

@Suite("coarse weights keep what matters, and streams move to them")
struct PrecisionTests {
  static let text = tokens(120, below: 64, seed: 3)

  /// A model with some weights so large that others of their blocks are lost beside them in int4.
  static func withOutliers<M: SequenceMixer>(in names: Set<String>, _ type: M.Type) throws -> LanguageModel {
    var generator = SeededGenerator(seed: 8)
    return try smallModel(type).replacingParameters { parameter in
      guard names.contains(parameter.name) else { return parameter.value }
      var value = parameter.value
      for i in stride(from: 5, to: value.count, by: 32) { value[i] *= 40 + Float(generator.uniform()) }
      return value
    }
  }

  @Test(
    "the matrices that cost most are kept finer, as few as do, and the others stay coarse",
    arguments: [PackedElement.int4, .int8])
  func choice(element: PackedElement) throws {
    let loud = "layers.1.mixer.out_proj.weight"
    let model = try Self.withOutliers(in: [loud], Mamba2.self)
    func choose(_ limit: Double) throws -> PrecisionChoice {
      try PrecisionChoice(element, for: model, limit: limit, on: Self.text)
    }
    let uniform = try choose(.infinity)
    #expect(uniform.finer.isEmpty && uniform.divergence > 0)
    var state = model.initialState(batch: 1)
    let loss = Double(
      model.loss(Self.text, targets: Self.text.dropFirst() + [-1], batch: 1, state: &state).mean.scalar)
    // What half of it costs: one matrix must go.
    let limit = uniform.divergence / 2 / loss
    let half = try choose(limit)
    #expect(half.finer[loud] != nil && half.finer.count < 3, "\(half.finer)")
    #expect(half.divergence <= limit * loss)
    let none = try choose(0)
    #expect(none.finer.values.contains(.bf16) && none.divergence < uniform.divergence)

    // The file says which is which, and is the model that was measured.
    try withFolder { folder in
      try ModelFolder.savePacked(model, to: folder, as: element, finer: half.finer)
      let loaded = try ModelFolder.load(folder)
      #expect(loaded.packing == element)
      #expect(
        Dictionary(uniqueKeysWithValues: loaded.packings.map { ($0.name, $0.element) })[loud]
          == half.finer[loud])
      let divergence = try Divergence(from: model, to: loaded.stream(), form: .step, on: Self.text)
      #expect(abs(divergence.klDivergence - half.divergence) <= 0.1 * half.divergence)
    }
  }

  @Test("a model that rounding hardly changes has all its matrices as asked")
  func harmless() throws {
    let choice = try PrecisionChoice(.int8, for: smallModel(RetNet.self), limit: 0.03, on: Self.text)
    #expect(choice.finer.isEmpty)
  }

  @Test(
    "a stream moves to a coarser model when asked, with the difference measured", arguments: Registry.names)
  func moves(name: String) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws {
      let model = try smallModel(type)
      try withFolder { folder in
        let path = folder + "/stream"
        try StateFile.save(StateFileTests.session(model), pending: [7], to: path)
        var before = -1.0
        for element in [PackedElement.f32, .bf16, .int8] {
          let coarse = try model.packed(as: element)
          let move = try StateMove(path, from: model, to: coarse)
          let difference = try move.measure(tokens: 20)
          #expect(difference.tokens == 20 && difference.sameChoice >= 0.5 && move.pending == [7])
          #expect(
            difference.meanDivergence < 0.1 && difference.meanDivergence <= difference.largestDivergence)
          #expect((element == .f32) == (move.weightDifference == 0) && move.weightDifference > before)
          before = move.weightDifference
          // From then on it is a stream of the coarser model.
          try StateFile.save(move.session, pending: move.pending, to: folder + "/moved")
          var (moved, pending) = try StateFile.load(folder + "/moved", into: coarse)
          #expect(pending == [7] && moved.position == 30)
          #expect(moved.state.tensors.map(\.value.scalars) == move.session.state.tensors.map(\.value.scalars))
          #expect(try moved.next() != nil)
          if element == .int8 {
            #expect(sentence { _ = try StateFile.load(path, into: coarse) }.contains("runnel state move"))
          }
        }
      }
    }
    try check(try Registry.mixer(named: name))
  }

  @Test("another model, another configuration and a state of neither are refused")
  func refusals() throws {
    let model = try smallModel(GLA.self), stranger = try smallModel(GLA.self, seed: 5)
    let wider = try smallModel(GLA.self, width: 64)
    try withFolder { folder in
      let path = folder + "/stream"
      try StateFile.save(StateFileTests.session(model), to: path)
      #expect(sentence { _ = try StateMove(path, from: model, to: stranger) }.contains("of their norm"))
      #expect(sentence { _ = try StateMove(path, from: model, to: wider) }.contains("configuration"))
      #expect(sentence { _ = try StateMove(path, from: stranger, to: model) }.contains("fingerprint"))
    }
  }
}
