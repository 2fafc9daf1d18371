import Foundation
import RunnelCheckpoints
import RunnelMixers
import RunnelModels
import RunnelReference
import RunnelStreaming
import RunnelTensors
import Testing

@Suite("streams: values that can be cut, forked, saved")
struct StreamingTests {
  let folder: TemporaryFolder
  let model: LanguageModel<RetNet>
  let ids: [Int32]

  init() throws {
    folder = try TemporaryFolder()
    model = try LanguageModel(ModelConfiguration<RetNet>(vocabularySize: 64, width: 32, layers: 2), seed: 1)
    var generator = SeededGenerator(seed: 2)
    ids = (0..<700).map { _ in Int32(generator.uniform() * 64) }
  }

  @Test func aPromptMayBeCutAnywhere() throws {
    var whole = Session(model, sampler: Sampler(seed: 1))
    whole.feed(ids)
    for cuts in [[1], [511], [512], [513], [3, 4, 600], [699]] {
      var session = Session(model, sampler: Sampler(seed: 1))
      var start = 0
      for cut in cuts + [ids.count] {
        session.feed(ids[start..<cut])
        start = cut
      }
      #expect(try relativeError(#require(session.logits), #require(whole.logits)) < 1e-5)
      #expect(session.position == ids.count)
    }
  }

  @Test func aCopyForksTheStream() {
    var a = Session(model, sampler: Sampler(seed: 1))
    a.feed(ids)
    var b = a
    let first = (0..<20).map { _ in a.next() }
    #expect(first == (0..<20).map { _ in b.next() })
    b.feed([1])
    #expect(a.logits?.scalars != b.logits?.scalars)
  }

  @Test func aStateOfAnotherModelIsRefused() throws {
    var session = Session(model, sampler: Sampler(seed: 1))
    session.feed(ids)
    let path = folder.path + "/s.state"
    try StateFile.save(session, pending: [0xE2, 0x82], to: path)
    #expect(try StateFile.load(path, into: model).pending == [0xE2, 0x82])
    let other = model.replacingParameters { $0.name == "norm.weight" ? 1.5 * $0.value : $0.value }
    let error = #expect(throws: CheckpointError.self) { try StateFile.load(path, into: other) }
    #expect(error?.description.contains("fingerprint") == true)
  }

  @Test func aDamagedStateIsAnErrorOrLoads() throws {
    var session = Session(model, sampler: Sampler(seed: 1))
    session.feed(ids.prefix(5))
    let path = folder.path + "/d.state"
    try StateFile.save(session, to: path)
    let good = try Data(contentsOf: URL(fileURLWithPath: path))
    var generator = SeededGenerator(seed: 8)
    for _ in 0..<300 {
      var bad = good
      bad[Int(generator.uniform() * Double(min(4000, bad.count)))] ^= UInt8(1 << Int(generator.uniform() * 8))
      if generator.uniform() < 0.3 { bad = bad.prefix(Int(generator.uniform() * Double(bad.count))) }
      try bad.write(to: URL(fileURLWithPath: path))
      do { _ = try StateFile.load(path, into: model) } catch { #expect(!"\(error)".contains("\n")) }
    }
  }

  @Test func aModelFolderHoldsTheModel() throws {
    try ModelFolder.save(model, to: folder.path + "/m")
    let loaded = try #require(try ModelFolder.load(folder.path + "/m") as? LanguageModel<RetNet>)
    #expect(loaded.fingerprint == model.fingerprint)
    #expect(loaded.configuration == model.configuration)
    for (change, word) in [
      ("\"mixer\" : \"retnet\"", "unknown mixer"), ("\"width\" : 32", "width"),
    ] {
      let path = folder.path + "/m/config.json"
      let text = try String(contentsOfFile: path, encoding: .utf8)
      let bad = text.replacingOccurrences(of: change, with: word == "width" ? "\"width\" : 33" : "\"mixer\" : \"x\"")
      #expect(bad != text)
      try bad.write(toFile: path, atomically: true, encoding: .utf8)
      #expect(throws: (any Error).self) { try ModelFolder.load(folder.path + "/m") }
      try text.write(toFile: path, atomically: true, encoding: .utf8)
    }
  }

  @Test func samplersKeepTheRightTokens() {
    let logits = Tensor([2, 1, 0, -1, 1.5].map(Float.init))
    func drawn(_ change: (inout SamplingSettings) -> Void) -> Set<Int32> {
      var settings = SamplingSettings()
      change(&settings)
      var sampler = Sampler(settings, seed: 3)
      return Set((0..<3000).map { _ in sampler.sample(logits) })
    }
    #expect(drawn { $0.temperature = 0 } == [0])
    #expect(drawn { $0.topK = 2 } == [0, 4])
    #expect(drawn { _ in } == [0, 1, 2, 3, 4])
    // Probabilities 0.463, 0.170, 0.063, 0.023, 0.281.
    #expect(drawn { $0.topP = 0.7 } == [0, 4])
    #expect(drawn { $0.topP = 0.75 } == [0, 4, 1])
    #expect(drawn { $0.minP = 0.2 } == [0, 4, 1])
  }

  @Test func drawsFollowTheProbabilities() {
    let logits = Tensor([0.5, 0, -1].map(Float.init))
    let weights = [0.5, 0, -1].map { exp($0 / 0.7) }
    var settings = SamplingSettings()
    settings.temperature = 0.7
    var sampler = Sampler(settings, seed: 11)
    var counts = [0, 0, 0]
    for _ in 0..<20_000 { counts[Int(sampler.sample(logits))] += 1 }
    for i in 0..<3 {
      let p = weights[i] / weights.reduce(0, +)
      #expect(abs(Double(counts[i]) - 20_000 * p) < 5 * (20_000 * p * (1 - p)).squareRoot())
    }
  }
}
