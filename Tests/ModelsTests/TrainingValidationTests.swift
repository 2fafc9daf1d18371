import Foundation
import RunnelCorpora
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelStreaming
import RunnelTensors
import Testing

@testable import RunnelTraining

@Suite("validations are bounded, said to be so, behind the checkpoint, and left at the first signal")
struct TrainingValidationTests {
  static let vocabulary = 32
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Half a million tokens, of which a quarter is for validation.
  private func corpus(_ count: Int = 500_000) throws -> Corpus {
    let text = chains([count], vocabulary: Self.vocabulary, seed: 5)
    return try makeCorpus(text, vocabulary: Self.vocabulary, in: folder.path)
  }

  private func trainer(
    _ corpora: CorpusMixture, steps: Int = 4, _ change: (inout TrainingSettings) -> Void = { _ in }
  ) throws -> Trainer {
    var settings = TrainingSettings()
    (settings.batch, settings.segment, settings.budget) = (2, 16, .steps(steps))
    change(&settings)
    let model = try LanguageModel(
      .init(MinGRU.self, vocabularySize: Self.vocabulary, width: 8, layers: 1), seed: 1)
    return Trainer(
      model, settings: settings,
      sampler: try SegmentSampler(
        corpora, strategy: settings.sampling, lanes: 2, length: 16, seed: settings.seed))
  }

  @Test(
    "a sample lies in its range, is no larger than asked, and leaves equal gaps",
    arguments: [
      (0..<100_000, 16_384, 256), (7..<1_000_003, 16_384, 256), (500..<440_000_500, 1 << 20, 256),
      (0..<100_000, 50_000, 8192), (0..<100_000, 99_999, 256), (10..<5000, 1000, 256), (3..<9, 2, 1),
    ])
  func sample(range: Range<Int>, limit: Int, length: Int) {
    let stretches = evenStretches(of: range, limit: limit, length: length)
    let size = stretches[0].count, tokens = stretches.reduce(0) { $0 + $1.count }
    #expect(tokens <= limit && tokens > limit / 2 && size >= 2)
    #expect(stretches.allSatisfy { $0.count == size && range.contains($0.lowerBound) })
    let ends = [range.lowerBound] + stretches.map(\.upperBound)
    let gaps = zip(ends, stretches).map { $1.lowerBound - $0 }.dropFirst()
    #expect(gaps.allSatisfy { $0 >= 0 && abs($0 - (gaps.first ?? 0)) <= 1 })
    let (before, behind) = (
      stretches[0].lowerBound - range.lowerBound, range.upperBound - (ends.last ?? 0)
    )
    #expect(before >= 0 && abs(before - behind) <= 2)
    #expect(evenStretches(of: range, limit: range.count, length: length) == [range])
    #expect(evenStretches(of: range, limit: .max, length: length) == [range])
  }

  @Test("a sample scores as its stretches alone", arguments: [Form.mix, .step], [true, false])
  func sampled(form: Form, carries: Bool) throws {
    let corpus = try corpus(60_000)
    let model = try smallModel(LRU.self, vocabulary: Self.vocabulary, width: 16)
    let range = corpus.range(of: .validation), limit = 9000
    let stretches = evenStretches(of: range, limit: limit, length: 256)
    let together = try evaluate(
      model, on: corpus, stretches: stretches, lanes: 3, length: 256, form: form, carryState: carries)
    var alone = Score()
    for stretch in stretches {
      let part = try evaluate(
        model, on: corpus, stretches: [stretch], lanes: 1, length: 256, form: .mix, carryState: carries)
      alone.nats += part.nats
      alone.tokens += part.tokens
    }
    #expect(together.tokens == alone.tokens && together.tokens == 2 * 4095)
    #expect(abs(together.loss / alone.loss - 1) < 1e-5)
  }

  @Test(
    "the last validation looks at what is asked for, or at a tenth of the tokens trained on, and says so",
    arguments: [
      (nil, 4, 16_384), (1000, 4, 1000), (65_536, 4, 65_536), (0, 4, 125_000), (nil, 6500, 20_480),
    ] as [(Int?, Int, Int)])
  func budget(asked: Int?, steps: Int, looked: Int) throws {
    let corpora = try CorpusMixture(corpus())
    var summaries: [TrainingSummary] = []
    for name in ["a", "b"] {
      let trainer = try trainer(corpora, steps: steps) { $0.validationTokens = asked }
      var run = TrainingRun(trainer, folder: folder.path + "/" + name)
      summaries.append(try run.run(shouldStop: { false }, report: { _ in }))
    }
    for summary in summaries {
      #expect(summary.validationTokens == looked && summary.validationSplitTokens == 125_000)
      #expect(summary.validationLoss == summaries[0].validationLoss && !summary.wasInterrupted)
    }
    #expect(try RunFolder.record(folder.path + "/a").settings.validationTokens == asked)
    let line = try #require(metrics("a").last { $0["validation_loss"] != nil })
    #expect(line["validation_tokens"] as? Int == looked)
    #expect(line["validation_split_tokens"] as? Int == 125_000)
  }

  private func metrics(_ run: String) throws -> [[String: Any]] {
    try String(contentsOfFile: folder.path + "/\(run)/metrics.jsonl", encoding: .utf8).split(separator: "\n")
      .map { try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]) }
  }

  @Test(
    "the log has a line of every so many steps, where nobody says of every tenth",
    arguments: [nil, 1, 7] as [Int?])
  func lines(interval: Int?) throws {
    let trainer = try trainer(CorpusMixture(corpus()), steps: 20) {
      if let interval { $0.logInterval = interval }
    }
    var run = TrainingRun(trainer, folder: folder.path + "/run")
    _ = try run.run()
    let steps = try metrics("run").filter { $0["loss"] != nil }.map { $0["step"] as? Int }
    #expect(steps == Array(stride(from: interval ?? 10, through: 20, by: interval ?? 10)))
  }

  @Test("a validation on the way looks at 65,536 tokens, and comes behind the checkpoint of its step")
  func onTheWay() throws {
    let trainer = try trainer(CorpusMixture(corpus()), steps: 6) {
      ($0.validationInterval, $0.checkpointInterval) = (3, 3)
    }
    let place = folder.path + "/run"
    var run = TrainingRun(trainer, folder: place)
    var saved: Set<Int> = []
    _ = try run.run(
      shouldStop: { false },
      report: {
        guard $0.validated != nil else { return }
        let steps = try? RunFolder.record(place).steps
        #expect(steps == $0.step)
        saved.insert(steps ?? -1)
      })
    #expect(saved == [3, 6])
    #expect(try metrics("run").first?["validation_tokens"] as? Int == 65_536)
  }

  enum Kind: CaseIterable { case text, mixture, task }

  private func corpora(_ kind: Kind) throws -> CorpusMixture {
    switch kind {
    case .text: return try CorpusMixture(corpus())
    case .mixture:
      let first = try corpus()
      let place = folder.path + "/second"
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
      let second = try makeCorpus(
        chains([90_000], vocabulary: Self.vocabulary, seed: 6), vocabulary: Self.vocabulary, in: place)
      return try CorpusMixture([(first, 0.5), (second, 0.5)])
    case .task:
      let task = try Dyck(settings: ["length": 40, "kinds": 4, "depth": 1])
      try task.write(
        to: folder.path + "/task", documents: 3000, seed: 3, validation: .tailOfDocuments(0.5))
      return try CorpusMixture(Corpus(path: folder.path + "/task"))
    }
  }

  @Test(
    "whoever asks to stop during a validation is obeyed at once, and the run is on disk",
    arguments: Kind.allCases, [true, false])
  func signal(kind: Kind, isLast: Bool) throws {
    let trainer = try trainer(corpora(kind), steps: 6) {
      if kind == .task { $0.sampling = .documents }
      ($0.validationInterval, $0.validationTokens) = (isLast ? 0 : 3, 0)
    }
    let place = folder.path + "/run"
    var run = TrainingRun(trainer, folder: place)
    nonisolated(unsafe) var seen = 0
    let summary = try run.run(
      shouldStop: { seen >= 2 }, report: { if $0.validated != nil { seen += 1 } })
    #expect(seen == 2, "the validation went on for \(seen - 2) pieces")
    #expect(summary.wasInterrupted && summary.validationLoss == nil && summary.steps == (isLast ? 6 : 3))
    #expect(try RunFolder.record(place).steps == summary.steps)
    #expect(try metrics("run").allSatisfy { $0["validation_loss"] == nil })
  }

  @Test("of a task's documents some are asked, spread evenly over the range")
  func documents() throws {
    let task = try Dyck(settings: ["length": 40, "kinds": 4, "depth": 1])
    try task.write(to: folder.path + "/task", documents: 300, seed: 3)
    let corpus = try Corpus(path: folder.path + "/task")
    let model = try smallModel(MinGRU.self, vocabulary: corpus.header.vocabularySize, width: 8)
    let all = try (0..<300).map {
      try scoreAnswers(of: model, on: corpus, range: corpus.documentRange($0)).score.nats
    }
    let some = try scoreAnswers(of: model, on: corpus, range: 0..<corpus.count, limit: 1200)
    #expect(some.documents == 30 && some.tokensRead == 1200)
    let expected = stride(from: 5, to: 300, by: 10).reduce(0) { $0 + all[$1] }
    #expect(abs(some.score.nats / expected - 1) < 1e-5)
  }

  @Test("a validation whose loss is no number is an error, and the run is on disk")
  func notANumber() throws {
    var trainer = try trainer(CorpusMixture(corpus(60_000)), steps: 1)
    _ = try trainer.step()
    // As an update would leave it that overflows.
    let factors: [String: Float] = ["norm.weight": 1e38, "embedding.weight": 1e3]
    trainer.optimizer.model = trainer.model.replacingParameters { (factors[$0.name] ?? 1) * $0.value }
    var run = TrainingRun(trainer, folder: folder.path + "/run")
    let text = sentence { _ = try run.run(shouldStop: { false }, report: { _ in }) }
    #expect(text.contains("validation loss is") && text.contains("after step 1"), "\(text)")
    #expect(try RunFolder.record(folder.path + "/run").steps == 1)
  }

  @Test(
    "a budget of minutes counts the time in which the run computed",
    arguments: [
      // Seconds that passed and that the processors gave, and what counts.
      (0.2, 0.4, 0.2),  // two threads
      (0.2, 0.07, 0.2),  // a busy machine
      (30, 15, 30),  // a long step on one
      (3600, 0.1, 1.4),  // stopped within a step
      (90, 20, 81),
      (0, 0, 0),
    ])
  func clock(passed: Double, computed: Double, counted: Double) {
    nonisolated(unsafe) var now = BudgetClock.Reading(passed: 1000, computed: 7)
    var clock = BudgetClock { now }
    now.passed += passed
    now.computed += computed
    #expect(abs(clock.lap() - counted) < 1e-9)
    // The next lap begins behind it.
    (now.passed, now.computed) = (now.passed + 0.1, now.computed + 0.1)
    #expect(abs(clock.lap() - 0.1) < 1e-9)
  }
}
