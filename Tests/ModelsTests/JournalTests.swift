import Foundation
import RunnelCheckpoints
import RunnelFiles
import RunnelMixers
import RunnelModels
import RunnelStreaming
import RunnelTensors
import Testing

@Suite("a journal puts a stream back to any position it has been at")
struct JournalTests {
  static func model(_ name: String) throws -> StreamingModel {
    func make<M: SequenceMixer>(_ type: M.Type) throws -> LanguageModel {
      try smallModel(type, vocabulary: 48, width: 16, layers: 1)
    }
    return try make(Registry.mixer(named: name)).stream()
  }

  /// The bits of a stream that matter for how it goes on.
  static func bits(_ session: Session) -> [[Float]] {
    session.state.tensors.map(\.value.scalars) + [session.logits?.scalars ?? []]
      + session.state.counters.map { $0.value.map(Float.init) }
      + [session.sampler.generator.words.map { Float($0 % 65521) }, session.sampler.recent.map(Float.init)]
  }
  static func agree(_ a: Session, _ b: Session) -> Bool { a.position == b.position && bits(a) == bits(b) }

  @Test("every position that was between two calls comes back, bit for bit", arguments: Registry.names)
  func positions(name: String) throws {
    let model = try Self.model(name)
    try withFolder { folder in
      var settings = SamplingSettings()
      (settings.repetitionPenalty, settings.temperature) = (1.2, 0.9)
      var journal = try Journal(
        Session(model, sampler: Sampler(settings, seed: 5)), in: folder + "/j", interval: 20)
      var met: [Session] = [journal.session]
      for length in [1, 3, 17, 0, 70] {
        try journal.feed(tokens(length, below: 48, seed: UInt64(length)))
        met.append(journal.session)
        for _ in 0..<10 {
          _ = try journal.next()
          met.append(journal.session)
        }
      }
      var generator = SeededGenerator(seed: 3)
      for session in met.shuffled(using: &generator) {
        let found = try Journal.session(in: folder + "/j", at: session.position, of: model)
        // An empty feed leaves two entries of one position.
        #expect(met.contains { Self.agree($0, found) } && found.position == session.position)
      }
      let middle = met[met.count / 2], drawn = met[met.count / 2 + 1]
      try journal.rewind(to: middle.position)
      _ = try journal.next()
      #expect(Self.agree(journal.session, drawn))
    }
  }
  @Test("damage to the first line of the log is refused, or changes nothing")
  func firstLine() throws {
    let model = try Self.model("retnet")
    try withFolder { folder in
      _ = try Journal(Session(model, sampler: Sampler(seed: 1)), in: folder + "/j")
      let log = folder + "/j/journal.log", original = try bytes(of: log)
      func seen() throws -> String {
        let summary = try Journal.summary(of: folder + "/j")
        return summary.mixer + summary.fingerprint
      }
      let whole = try seen()
      var refusals = 0
      for place in original.indices.dropLast() {
        var changed = original
        changed[place] ^= UInt8(1 + place % 100)
        try write(changed, to: log)
        do { #expect(try seen() == whole, "byte \(place)") } catch { refusals += 1 }
      }
      #expect(refusals > original.count - 10)
    }
  }

  @Test("a position within a prompt is that of the shorter prompt; others are refused")
  func within() throws {
    let model = try Self.model("mamba")
    try withFolder { folder in
      let prompt = tokens(90, below: 48, seed: 1)
      var journal = try Journal(Session(model, sampler: Sampler(seed: 1)), in: folder + "/j")
      try journal.feed(prompt)
      for position in [0, 1, 31, 89, 90] {
        var session = Session(model, sampler: Sampler(seed: 1))
        try session.feed(prompt.prefix(position))
        #expect(Self.agree(try Journal.session(in: folder + "/j", at: position, of: model), session))
      }
      #expect(
        sentence { _ = try Journal.session(in: folder + "/j", at: 91, of: model) }.contains("at most 90"))
      try journal.rewind(to: 31)
      #expect(journal.session.position == 31)
      #expect(
        sentence { _ = try Journal.session(in: folder + "/j", at: 90, of: model) }.contains("at most 31"))
      // What led there stays: positions before and behind it come back too.
      for _ in 0..<5 { _ = try journal.next() }
      func fed(_ count: Int, draws: Int = 0) throws -> Session {
        var session = Session(model, sampler: Sampler(seed: 1))
        try session.feed(prompt.prefix(count))
        for _ in 0..<draws { _ = try session.next() }
        return session
      }
      #expect(Self.agree(journal.session, try fed(31, draws: 5)))
      #expect(Self.agree(try Journal.session(in: folder + "/j", at: 36, of: model), try fed(31, draws: 5)))
      #expect(Self.agree(try Journal.session(in: folder + "/j", at: 20, of: model), try fed(20)))
    }
  }

  @Test("an opened journal goes on where it ended, whatever was left of its last record")
  func reopening() throws {
    let model = try Self.model("gated-deltanet")
    try withFolder { folder in
      let path = folder + "/j", log = path + "/journal.log"
      var expected = Session(model, sampler: Sampler(seed: 7))
      try expected.feed(tokens(30, below: 48, seed: 2))
      for _ in 0..<25 { _ = try expected.next() }
      var whole: [UInt8] = []
      do {
        var journal = try Journal(Session(model, sampler: Sampler(seed: 7)), in: path, interval: 16)
        try journal.feed(tokens(30, below: 48, seed: 2))
        for _ in 0..<25 { _ = try journal.next() }
        whole = try bytes(of: log)
        #expect(
          sentence { _ = try Journal(Session(model, sampler: Sampler(seed: 7)), in: path) }.contains(
            "another process"))
      }
      // Killed while it wrote: every cut of the last two records.
      for cut in 0..<24 {
        try write(Array(whole.dropLast(cut)), to: log)
        var journal = try Journal(Session(model, sampler: Sampler(seed: 0)), in: path)
        #expect(journal.session.position == 55 - (cut + 12) / 13)
        while journal.session.position < 55 { _ = try journal.next() }
        #expect(Self.agree(journal.session, expected))
      }
      let other = try smallModel(Mamba.self, vocabulary: 48, width: 16, layers: 1)
      #expect(
        sentence { _ = try Journal(Session(other, sampler: Sampler(seed: 0)), in: path) }.contains(
          "fingerprint"))
    }
  }

  @Test("a journal that another process is making is its own, not a folder of other files")
  func making() throws {
    let model = try Self.model("retnet")
    try withFolder { folder in
      let path = folder + "/j"
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      func begin() -> String {
        sentence { _ = try Journal(Session(model, sampler: Sampler(seed: 1)), in: path) }
      }
      do {
        let maker = try FileLock(path)
        #expect(begin().contains("another process that writes it"))
        // The log before it has its name.
        try write([1], to: path + "/.journal.log-1")
        #expect(begin().contains("another process that writes it"))
        _ = maker
      }
      #expect(begin().contains("a folder of other files"))
      try FileManager.default.removeItem(atPath: path + "/.journal.log-1")
      #expect(begin() == "no error")
    }
  }

  @Test("a rewind leaves one snapshot of a place")
  func snapshots() throws {
    let model = try Self.model("retnet")
    try withFolder { folder in
      let path = folder + "/j"
      var journal = try Journal(Session(model, sampler: Sampler(seed: 1)), in: path, interval: 4)
      try journal.feed([1])
      func draw(_ count: Int) throws { for _ in 0..<count { _ = try journal.next() } }
      try draw(11)
      #expect(try Journal.summary(of: path).snapshots == [0, 4, 8, 12])
      for (position, kept) in [(8, [0, 4, 8]), (6, [0, 4, 6]), (0, [0])] {
        try journal.rewind(to: position)
        #expect(try Journal.summary(of: path).snapshots == kept)
      }
      try journal.feed([1])
      try draw(6)
      #expect(try Journal.summary(of: path).snapshots == [0, 4])
    }
  }

  @Test("a changed sampler is part of what is replayed")
  func samplers() throws {
    let model = try Self.model("retnet")
    try withFolder { folder in
      var journal = try Journal(Session(model, sampler: Sampler(seed: 1)), in: folder + "/j", interval: 1000)
      try journal.feed([1, 2, 3])
      _ = try journal.next()
      var sampler = Sampler(seed: 99)
      sampler.settings.temperature = 0.3
      try journal.setSampler(sampler)
      for _ in 0..<9 { _ = try journal.next() }
      #expect(Self.agree(try Journal.session(in: folder + "/j", at: nil, of: model), journal.session))
    }
  }

  @Test("of many snapshots few stay, and going back replays few tokens")
  func thinning() throws {
    let model = try Self.model("lru")
    try withFolder { folder in
      var journal = try Journal(Session(model, sampler: Sampler(seed: 1)), in: folder + "/j", interval: 1)
      try journal.feed([1])
      for _ in 0..<400 { _ = try journal.next() }
      let summary = try Journal.summary(of: folder + "/j")
      #expect(summary.positions == 0...401 && summary.snapshots.count < 60, "\(summary.snapshots)")
      let gaps = zip(summary.snapshots, summary.snapshots.dropFirst()).map { (age: 401 - $1, gap: $1 - $0) }
      #expect(gaps.allSatisfy { $0.gap <= 1 + $0.age / 2 }, "\(summary.snapshots)")
    }
  }

  @Test("damage is found and named; what lies before it comes back")
  func damage() throws {
    let model = try Self.model("mingru")
    try withFolder { folder in
      let path = folder + "/j", log = path + "/journal.log"
      do {
        var journal = try Journal(Session(model, sampler: Sampler(seed: 1)), in: path, interval: 1000)
        try journal.feed(tokens(5, below: 48, seed: 2))
        for _ in 0..<20 { _ = try journal.next() }
      }
      let whole = try bytes(of: log)
      let start = try #require(whole.firstIndex(of: 0x0A)) + 1
      let expected = try Journal.session(in: path, at: 5, of: model)
      var generator = SeededGenerator(seed: 4)
      for _ in 0..<200 {
        var damaged = whole
        let place = Int.random(in: start..<whole.count, using: &generator)
        damaged[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        try write(damaged, to: log)
        let words = sentence { _ = try Journal.session(in: path, at: nil, of: model) }
        // A length that grew may reach beyond the end, as that of a record cut off does.
        #expect(words.contains("damage") || words == "no error", "\(words)")
        if place >= start + 29 {
          #expect(Self.agree(try Journal.session(in: path, at: 5, of: model), expected))
        }
      }
      for _ in 0..<100 {
        try write((0..<200).map { _ in UInt8.random(in: 0...255, using: &generator) }, to: log)
        #expect(sentence { _ = try Journal.session(in: path, at: nil, of: model) } != "no error")
      }
    }
  }

  @Test(
    "1,000 random sequences of reading, drawing, forking, rewinding and saving agree with straight replays")
  func sequences() throws {
    var generator = SeededGenerator(seed: 11)
    let models = try ["mamba", "rwkv7", "retnet", "attention", "mlstm"].map(Self.model)
    try withFolder { folder in
      for run in 0..<1000 {
        try Self.sequence(models[run % models.count], in: folder + "/\(run)", using: &generator)
      }
    }
  }

  private enum Call {
    case feed([Int32])
    case draw
  }
  /// A straight stream of some calls.
  private static func replay(_ calls: some Sequence<Call>, of model: some LanguageFunction) throws -> Session
  {
    var session = Session(model, sampler: Sampler(seed: 21))
    for call in calls {
      switch call {
      case .feed(let ids): try session.feed(ids)
      case .draw: _ = try session.next()
      }
    }
    return session
  }

  private static func sequence(
    _ model: some LanguageFunction, in folder: String, using generator: inout SeededGenerator
  ) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var journal = try Journal(Session(model, sampler: Sampler(seed: 21)), in: folder + "/j", interval: 6)
    var calls: [Call] = [.feed([1])], forks: [(session: Session, calls: [Call])] = []
    try journal.feed([1])
    for step in 0..<8 {
      switch Int.random(in: 0..<6, using: &generator) {
      case 0:
        let ids = (0..<Int.random(in: 1...9, using: &generator)).map { Int32(($0 * 7 + step) % 48) }
        try journal.feed(ids)
        calls.append(.feed(ids))
      case 1, 2:
        _ = try journal.next()
        calls.append(.draw)
      case 3: forks.append((journal.session, calls))
      case 4:
        // Back to before one of the calls.
        let kept = Array(calls.prefix(Int.random(in: 1...calls.count, using: &generator)))
        try journal.rewind(to: replay(kept, of: model).position)
        calls = kept
      default:
        try StateFile.save(journal.session, to: folder + "/s")
        #expect(agree(try StateFile.load(folder + "/s", into: model).session, journal.session))
      }
    }
    #expect(agree(journal.session, try replay(calls, of: model)))
    for fork in forks {
      var session = fork.session
      try session.feed([5, 6])
      #expect(agree(session, try replay(fork.calls + [.feed([5, 6])], of: model)))
    }
  }
}
