import RunnelCheckpoints
import RunnelMixers
import RunnelModels
import RunnelStreaming
import RunnelTensors
import Testing

@Suite("a stream saved is a stream kept")
struct StateFileTests {
  static func session(_ model: some LanguageFunction) throws -> Session {
    var settings = SamplingSettings()
    (settings.temperature, settings.topK, settings.repetitionPenalty) = (0.8, 20, 1.2)
    var session = Session(model, sampler: Sampler(settings, seed: 4))
    try session.feed(tokens(30, below: model.vocabularySize, seed: 3))
    return session
  }

  @Test("it goes on bit for bit, with its sampler and the bytes held back", arguments: Registry.names)
  func roundTrip(name: String) throws {
    func check<M: SequenceMixer>(_ type: M.Type) throws {
      let model = try smallModel(type)
      var session = try Self.session(model)
      _ = try session.next()
      try withFolder { folder in
        try StateFile.save(session, pending: [0xE2, 0x82], to: folder + "/stream")
        var (loaded, pending) = try StateFile.load(folder + "/stream", into: model)
        #expect(pending == [0xE2, 0x82] && loaded.position == 31)
        #expect(
          loaded.sampler.settings == session.sampler.settings
            && loaded.sampler.recent == session.sampler.recent)
        for _ in 0..<20 {
          #expect(try loaded.next() == session.next())
          #expect(loaded.logits?.scalars == session.logits?.scalars)
        }
      }
    }
    try check(try Registry.mixer(named: name))
  }

  @Test("a stream before its first token is kept too")
  func fresh() throws {
    let model = try smallModel(S4D.self)
    try withFolder { folder in
      try StateFile.save(Session(model, sampler: Sampler(seed: 1)), to: folder + "/stream")
      let loaded = try StateFile.load(folder + "/stream", into: model).session
      #expect(loaded.position == 0 && loaded.logits == nil)
    }
  }

  @Test("another model, and another kind of file, are refused")
  func refusals() throws {
    let model = try smallModel(LRU.self), other = try smallModel(LRU.self, seed: 2)
    try withFolder { folder in
      try StateFile.save(Self.session(model), to: folder + "/stream")
      let text = sentence { _ = try StateFile.load(folder + "/stream", into: other) }
      #expect(
        text.contains("fingerprint") && text.contains(other.fingerprint) && text.contains(model.fingerprint))
      try ModelFolder.save(model, to: folder)
      let weights = folder + "/" + ModelFolder.weightsName
      #expect(sentence { _ = try StateFile.load(weights, into: model) }.contains("--save-state"))
    }
  }

  @Test(
    "300 mutations of a byte are refused or change nothing; without a checksum they load or are refused, and what loads goes on",
    arguments: [true, false])
  func fuzz(isSealed: Bool) throws {
    let model = try smallModel(RetNet.self, vocabulary: 20, width: 16, layers: 1).stream()
    try withFolder { folder in
      let path = folder + "/stream"
      try StateFile.save(Self.session(model), pending: [7], to: path)
      var original = try bytes(of: path)
      if !isSealed, let key = original.firstRange(of: Array("xxh64".utf8)) {
        original.replaceSubrange(key, with: "other".utf8)
      }
      let whole = JournalTests.bits(try StateFile.load(path, into: model).session)
      var generator = SeededGenerator(seed: 13)
      var loaded = 0
      for i in 0..<300 {
        var changed = original
        // Half of them in the header, which is the smaller part of the file.
        let end = i % 2 == 0 ? changed.count : min(changed.count, 1500)
        changed[Int(generator.next() % UInt64(end))] ^= UInt8(truncatingIfNeeded: 1 + generator.next() % 255)
        try write(changed, to: path)
        let text = sentence {
          var session = try StateFile.load(path, into: model).session
          if isSealed { #expect(JournalTests.bits(session) == whole) }
          _ = try session.next()
          loaded += 1
        }
        #expect(!text.contains("\n"), "\(text)")
      }
      #expect(isSealed ? loaded < 5 : (20..<300).contains(loaded), "\(loaded)")
    }
  }
}
