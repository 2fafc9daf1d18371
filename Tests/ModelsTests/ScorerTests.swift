import RunnelMixers
import RunnelRecurrences
import RunnelReference
import RunnelStreaming
import RunnelTensors
import Testing

@Suite("a scored stream is a stream")
struct ScorerTests {
  @Test(
    "cut anywhere, saved and scored on, it has the score of the whole",
    arguments: ["mamba", "rwkv7", "attention"])
  func continues(name: String) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws {
      let model = try smallModel(type)
      let text = tokens(700, below: model.vocabularySize, seed: 5)
      for form in Form.allCases {
        var whole = StreamScorer(model, form: form)
        try whole.feed(text)
        for cut in [0, 1, 2, 64, 699] {
          var first = StreamScorer(model, form: form)
          try first.feed(text.prefix(cut))
          #expect(first.session.position == cut)
          try withFolder { folder in
            try StateFile.save(first.session, to: folder + "/stream")
            let loaded = try StateFile.load(folder + "/stream", into: model).session
            var second = StreamScorer(continuing: loaded, form: form)
            try second.feed(text.dropFirst(cut))
            #expect(first.score.tokens + second.score.tokens == 699)
            #expect(abs(first.score.nats + second.score.nats - whole.score.nats) < 1e-5 * whole.score.nats)
          }
        }
        // Tokens may be drawn where scoring has ended.
        var fed = Session(model, sampler: Sampler(seed: 1)), scored = whole.session
        try fed.feed(text)
        #expect(relativeError(try #require(scored.logits), try #require(fed.logits)) < 1e-4)
        #expect(scored.sampler.recent == fed.sampler.recent)
        #expect(try scored.next() != nil)
      }
    }
    try check(try Registry.mixer(named: name))
  }
}
