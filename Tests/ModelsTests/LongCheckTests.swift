import RunnelMixers
import RunnelStreaming
import Testing

@Suite("a long stream by step is the long stream by mix")
struct LongCheckTests {
  @Test("states and logits after thousands of tokens, each form on its own", arguments: Registry.names)
  func agree(name: String) throws {
    for model in tinyModels where model.mixerName == name {
      let check = LongCheck(model, tokens: 3001, seed: 5)
      let points = try check.run()
      #expect(points.map(\.tokens) == [1000, 3001] && check.accepts(points))
      // So few tokens leave no time for what is not forgotten, either.
      for point in points {
        #expect(point.maxRelativeError < 1e-4 && point.logitsRelativeError < 1e-4, "\(name): \(point)")
        #expect(point.microsecondsPerStep > 0)
      }
      #expect((check.tolerance != nil) == model.configuration.forgets)
    }
  }

  @Test("a difference above the bound fails, and one that is no number")
  func verdict() throws {
    let check = LongCheck(try smallModel(LRU.self), tokens: 10, seed: 1)
    var point = try #require(try check.run().first)
    #expect(check.accepts([point]))
    point.maxRelativeError = 2e-4
    #expect(!check.accepts([point]))
    point.maxRelativeError = .infinity
    let sums = LongCheck(try smallModel(LinearAttention.self), tokens: 10, seed: 1)
    #expect(!sums.accepts([point]))
  }
}
