import RunnelMixers
import RunnelModels
import RunnelReference
import RunnelStreaming
import RunnelTensors
import Testing

@Suite("a stream does not depend on how it is cut")
struct SessionTests {
  @Test("any cut of the prompt gives the same logits", arguments: Registry.names)
  func cuts(name: String) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws {
      let model = try smallModel(type).stream()
      let prompt = tokens(1100, below: 64, seed: 7)
      func fed(_ lengths: [Int]) throws -> Session {
        var session = Session(model, sampler: Sampler(seed: 1))
        var rest = prompt[...]
        for length in lengths {
          try session.feed(rest.prefix(length))
          rest = rest.dropFirst(length)
        }
        try session.feed(rest)
        return session
      }
      let expected = try fed([Int](repeating: 1, count: 1100))
      for lengths in [[], [512], [511, 1], [513, 0, 1, 2], [3, 600, 1, 1, 64, 63], [1099]] {
        let session = try fed(lengths)
        #expect(session.position == 1100)
        let error = relativeError(session.logits ?? .absent, expected.logits ?? .absent)
        #expect(error <= 1e-5, "\(name), \(lengths)")
      }
    }
    try check(try Registry.mixer(named: name))
  }

  /// Logits of a prompt once missed the cap that logits of a step had.
  @Test("capped logits are the model's, after one token and after many")
  func cap() throws {
    var configuration = ModelConfiguration(Mamba.self, vocabularySize: 64, width: 32, layers: 2)
    configuration.logitCap = 0.3
    let model = try LanguageModel(configuration, seed: 2).perturbed(seed: 3)
    let prompt = tokens(40, below: 64, seed: 4)
    var state = model.initialState(batch: 1)
    let expected = model.logits(prompt, batch: 1, form: .mix, state: &state).reshaped([40, 64]).rows(39..<40)
    for lengths in [[40], [39, 1], [1, 39]] {
      var session = Session(model, sampler: Sampler(seed: 1))
      var rest = prompt[...]
      for length in lengths {
        try session.feed(rest.prefix(length))
        rest = rest.dropFirst(length)
      }
      #expect(relativeError(session.logits ?? .absent, expected) <= 1e-5, "\(lengths)")
    }
  }

  @Test("before the first token there is no next one; an empty feed changes nothing")
  func empty() throws {
    var session = Session(try smallModel(LRU.self), sampler: Sampler(seed: 1))
    try session.feed([])
    #expect(try session.next() == nil && session.position == 0 && session.logits == nil)
  }

  @Test("a stream repeats itself for a seed, and a copy is a fork", arguments: Registry.names)
  func forks(name: String) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws {
      let model = try smallModel(type)
      func start() throws -> Session {
        var session = Session(model, sampler: Sampler(seed: 9))
        try session.feed(tokens(40, below: 64, seed: 8))
        return session
      }
      var first = try start(), second = try start()
      let drawn = try (0..<20).map { _ in try first.next() }
      #expect(try drawn == (0..<20).map { _ in try second.next() })
      #expect(drawn.allSatisfy { $0 != nil } && first.position == 60)

      var fork = first
      let kept = first
      _ = try fork.next()
      try fork.feed([1, 2, 3])
      #expect(first.logits?.scalars == kept.logits?.scalars && first.position == 60 && fork.position == 64)
      #expect(try (0..<10).map { _ in try first.next() } == (0..<10).map { _ in try second.next() })
    }
    try check(try Registry.mixer(named: name))
  }

  @Test("scoring a stream is the same in any form and any pieces")
  func scores() throws {
    let model = try smallModel(RetNet.self)
    let text = tokens(1500, below: 64, seed: 10)
    var scorer = StreamScorer(model, form: .mix)
    try scorer.feed(text)
    #expect(scorer.score.tokens == 1499)
    var stepped = StreamScorer(model, form: .step)
    var losses = 0
    for start in stride(from: 0, to: 1500, by: 7) {
      try stepped.feed(text[start..<min(1500, start + 7)]) { losses += $0.count }
    }
    #expect(stepped.score.tokens == 1499 && losses == 1499)
    #expect(abs(stepped.score.nats / scorer.score.nats - 1) < 1e-5)
  }
}
