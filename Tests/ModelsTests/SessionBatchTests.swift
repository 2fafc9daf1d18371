import RunnelMixers
import RunnelModels
import RunnelReference
import RunnelStreaming
import RunnelTensors
import Testing

@Suite("streams side by side are the streams alone")
struct SessionBatchTests {
  /// A stream behind a prompt of its own length, with a seed and settings of its own.
  static func session(_ model: some LanguageFunction, _ number: Int) throws -> Session {
    var settings = SamplingSettings()
    settings.temperature = [1, 0.7, 1.3][number % 3]
    if number % 2 == 1 { (settings.topK, settings.repetitionPenalty) = (20, 1.2) }
    var session = Session(model, sampler: Sampler(settings, seed: UInt64(number)))
    try session.feed(tokens(1 + 13 * number, below: model.vocabularySize, seed: UInt64(number)))
    return session
  }

  static func expectEqual(_ a: Session, _ b: Session, _ what: String) {
    #expect(a.position == b.position && a.logits?.scalars == b.logits?.scalars, "\(what)")
    for (a, b) in zip(a.state.tensors, b.state.tensors) {
      #expect(a.value.shape == b.value.shape && a.value.scalars == b.value.scalars, "\(what): \(a.name)")
    }
    #expect(a.state.counters.map(\.value) == b.state.counters.map(\.value), "\(what)")
    #expect(a.sampler.generator == b.sampler.generator && a.sampler.recent == b.sampler.recent, "\(what)")
  }

  @Test(
    "tokens, scores and states bit for bit, whoever joins and leaves",
    arguments: Registry.names + HybridTests.patterns)
  func alone(name: String) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws { try check(smallModel(type).stream()) }
    func check(_ model: some LanguageFunction) throws {
      var alone = try (0..<5).map { try Self.session(model, $0) }
      var batch = SessionBatch(model)
      #expect(try batch.isEmpty && batch.next().isEmpty)
      batch.add([alone[0], alone[1], alone[2]])
      var rows = [0, 1, 2]
      func advance(_ steps: Int) throws {
        for _ in 0..<steps {
          let expected = try rows.map { try alone[$0].next() ?? -1 }
          #expect(try batch.next() == expected, "\(name), streams \(rows)")
        }
      }
      try advance(5)
      batch.add([])
      batch.add([alone[3]])
      rows.append(3)
      try advance(3)
      Self.expectEqual(batch[2], alone[2], name)
      Self.expectEqual(batch.remove(at: 1), alone[1], name)
      rows.remove(at: 1)
      try advance(2)
      batch.add([alone[4]])
      rows.append(4)
      batch.keep([1, 3])
      rows = [rows[1], rows[3]]
      try advance(4)
      for (i, row) in rows.enumerated() { Self.expectEqual(batch[i], alone[row], name) }
      batch.keep([])
      #expect(try batch.isEmpty && batch.next().isEmpty)
      batch.add([alone[0]])
      rows = [0]
      try advance(3)
    }
    if name.contains(",") { return try check(HybridTests.model(name).stream()) }
    try check(try Registry.mixer(named: name))
  }

  /// Numbers as they are trained, and every way that weights are packed.
  @Test(
    "wide enough for other kernels of the products, too, however the weights are kept",
    arguments: Registry.names)
  func wide(name: String) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws {
      let numbers = try smallModel(type, vocabulary: 300, width: 192)
      let models = [
        ("numbers", numbers.stream()), ("f32", try numbers.packed(as: .f32)),
        ("bf16", try numbers.packed(as: .bf16)), ("int8", try numbers.packed(as: .int8)),
        ("int4", try numbers.packed(as: .int4)),
      ]
      for (kind, model) in models {
        var alone = try (0..<7).map { try Self.session(model, $0) }
        var batch = SessionBatch(model)
        batch.add(alone)
        for _ in 0..<6 {
          #expect(try batch.next() == alone.indices.map { try alone[$0].next() ?? -1 }, "\(name), \(kind)")
        }
        for i in alone.indices { Self.expectEqual(batch[i], alone[i], "\(name), \(kind)") }
      }
    }
    try check(try Registry.mixer(named: name))
  }

  @Test("a batch is a value: its copy goes on by itself")
  func value() throws {
    let model = try smallModel(RetNet.self).stream()
    var batch = SessionBatch(model)
    try batch.add([Self.session(model, 1), Self.session(model, 2)])
    _ = try batch.next()
    var copy = batch
    let expected = try (0..<4).map { _ in try copy.next() }
    copy.keep([1])
    _ = try copy.next()
    #expect(try (0..<4).map { _ in try batch.next() } == expected)
  }

  @Test("rows of a state are the states joined, in any order", arguments: Registry.names)
  func rows(name: String) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws {
      let model = try smallModel(type)
      let parts = (1...3).map { n in
        var state = model.initialState(batch: n)
        _ = model.logits(
          tokens(7 * n * n, below: 64, seed: UInt64(n)), batch: n, form: .mix, state: &state)
        return state
      }
      let joined = ModelState(joining: parts)
      #expect(joined.batch == 6 && parts.map(\.batch) == [1, 2, 3])
      #expect(joined.byteCount == parts.reduce(0) { $0 + $1.byteCount })
      func expectSame(_ a: ModelState, _ b: ModelState) {
        for (a, b) in zip(a.tensors, b.tensors) {
          #expect(a.value.shape == b.value.shape && a.value.scalars == b.value.scalars, "\(name): \(a.name)")
        }
        #expect(a.counters.map(\.value) == b.counters.map(\.value), "\(name)")
      }
      expectSame(joined.rows([0]), parts[0])
      expectSame(joined.rows([1, 2]), parts[1])
      expectSame(joined.rows([3, 4, 5]), parts[2])
      expectSame(
        joined.rows([5, 0, 5]), ModelState(joining: [joined.rows([5]), parts[0], joined.rows([5])]))
      #expect(joined.rows([]).batch == 0)
    }
    try check(try Registry.mixer(named: name))
  }
}
