import RunnelCheckpoints
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelStreaming
import RunnelTensors
import Testing

@Suite("a stream ends where its numbers stop being finite, with the name of the place")
struct NonFiniteTests {
  static let text = tokens(40, below: 64, seed: 6)

  /// Weights that are finite, so that a file of them is sound, and overflow in layer 1 alone.
  static func overflowing(_ name: String) throws -> LanguageModel {
    func make<M: SequenceMixer>(_ type: M.Type) throws -> LanguageModel {
      let model = try smallModel(type, layers: 3)
      return model.replacingParameters { parameter in
        let rank = name == "s5" ? 3 : 2
        guard parameter.name.hasPrefix("layers.1.mixer."), parameter.value.shape.rank == rank else {
          return parameter.value
        }
        return Tensor(parameter.value.scalars.map { $0 < 0 ? -3e38 : 3e38 }, parameter.value.shape)
      }
    }
    return try make(try Registry.mixer(named: name))
  }

  @Test("in every form of score, in a draw and in a batch", arguments: Registry.names)
  func named(name: String) throws {
    let model = try Self.overflowing(name)
    for form in Form.allCases {
      var scorer = StreamScorer(model, form: form)
      let text = sentence { try scorer.feed(Self.text) }
      #expect(text.hasPrefix("layers.1.m"), "\(form): \(text)")
    }
    for length in [1, 40] {
      var session = Session(model, sampler: Sampler(seed: 1))
      try session.feed(Self.text.prefix(length))
      let text = sentence { _ = try session.next() }
      #expect(
        text.hasPrefix("layers.1.m") && text.contains("\(length) token\(length == 1 ? "" : "s") read"),
        "\(text)")
      #expect(session.position == length)
      try withFolder { folder in
        #expect(sentence { try StateFile.save(session, to: folder + "/state") }.hasPrefix("layers.1.m"))
        #expect(!fileIsThere(folder + "/state"))
      }
    }
    let checked = sentence { _ = try ModelCheck(model, tokens: 16, seed: 1).run() }
    #expect(checked.hasPrefix("layers.1.m"), "\(checked)")
    #expect(sentence { _ = try LongCheck(model, tokens: 10, seed: 1).run() }.hasPrefix("layers.1.m"))
  }

  @Test("where a second look finds nothing, the number that was seen is told")
  func seen() throws {
    let model = try smallModel(LRU.self)
    for (value, word) in [(Float.infinity, "is inf"), (-.infinity, "is -inf"), (.nan, "is nan")] {
      let failure = model.nonFinite(
        [1], batch: 1, form: .mix, state: model.initialState(batch: 1), seen: Tensor([1, value, .nan], [3]))
      #expect(failure.part == "lru" && failure.description.contains(word), "\(failure)")
    }
  }

  @Test("of several streams the one that cannot go on is told, and the others go on without it")
  func batch() throws {
    let model = try smallModel(Mamba2.self)
    var sound = Session(model, sampler: Sampler(seed: 1)), ill = sound
    try sound.feed(Self.text)
    try ill.feed(Self.text)
    ill.state = ill.state.replacing(
      tensors: { name, value in
        guard name == "layers.0.memory" else { return value }
        var value = value
        value[3] = .infinity
        return value
      }, counters: { $1 })
    try ill.feed([1])
    var batch = SessionBatch(model)
    batch.add([sound, ill, sound])
    var failed: Int?
    do { _ = try batch.next() } catch {
      failed = error.stream
      #expect("\(error)".contains("layers.0.memory"), "\(error)")
    }
    #expect(failed == 1)
    batch.remove(at: 1)
    let expected = try sound.next()
    #expect(try batch.next() == [expected, expected])
  }

  @Test(
    "memory that is no number is refused by the tensor's name, and no stream begins with any")
  func stateFiles() throws {
    for model in tinyModels {
      for prompt in [[], Self.text] {
        var session = Session(model, sampler: Sampler(seed: 1))
        try session.feed(prompt)
        try withFolder { folder in
          let path = folder + "/stream", copy = folder + "/copy"
          try StateFile.save(session, to: path)
          #expect(sentence { _ = try StateFile.load(path, into: model) } == "no error", "\(model.mixerName)")
          guard !prompt.isEmpty else { return }
          let file = try SafetensorsFile(path)
          for bad in file.names
          where try file.entry(bad).elementType == .float32 && file.entry(bad).count > 0 {
            for value in [Float.nan, .infinity] {
              var writer = SafetensorsWriter(metadata: file.metadata)
              for name in file.names {
                guard try file.entry(name).elementType == .float32 else {
                  writer.add(name, try file.integers(name))
                  continue
                }
                var tensor = try file.tensor(name)
                if name == bad { tensor[tensor.count - 1] = value }
                writer.add(name, tensor)
              }
              try writer.write(to: copy)
              let text = sentence { _ = try StateFile.load(copy, into: model) }
              #expect(text.contains(bad) && text.contains("\(value)"), "\(model.mixerName): \(text)")
            }
          }
        }
      }
    }
  }

  @Test("a comparison of two models says which of them has no numbers")
  func divergence() throws {
    let (sound, ill) = (try smallModel(GLA.self, layers: 3), try Self.overflowing("gla"))
    func failure(_ a: some LanguageFunction, _ b: some LanguageFunction) -> Divergence.Failure? {
      do {
        _ = try Divergence(from: a, to: b, form: .mix, on: Self.text)
        return nil
      } catch { return error }
    }
    guard case .source(let first)? = failure(ill, sound), case .result(let second)? = failure(sound, ill)
    else {
      Issue.record("no failure")
      return
    }
    #expect(first == second && first.part.hasPrefix("layers.1.mixer"))
    #expect(failure(sound, sound) == nil)
  }

  @Test("a parameter that is no number is named before what it makes")
  func parameter() throws {
    let model = try smallModel(S5.self).replacingParameters { parameter in
      var value = parameter.value
      if parameter.name == "layers.1.norm.weight" { value[7] = .nan }
      return value
    }
    var session = Session(model, sampler: Sampler(seed: 1))
    try session.feed(Self.text)
    let text = sentence { _ = try session.next() }
    #expect(text.hasPrefix("layers.1.norm.weight: its element 7 is nan"), "\(text)")
  }
}

private func fileIsThere(_ path: String) -> Bool { (try? bytes(of: path)) != nil }
