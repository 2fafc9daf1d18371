/// Resuming with every way to read the data, and from records of older runs.

import Foundation
import RunnelCheckpoints
import RunnelCorpora
import RunnelMixers
import RunnelModels
import Testing

@testable import RunnelTraining

@Suite("the data of a resumed run")
struct ResumeTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func mixture(_ count: Int) throws -> CorpusMixture {
    try CorpusMixture(
      (0..<count).map {
        let place = folder.path + "/\($0)"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        let texts = chains([300, 20, 1, 90, 400 + 100 * $0], vocabulary: 32, seed: UInt64($0))
        return (try makeCorpus(texts, vocabulary: 32, in: place), $0 == 0 ? 0.7 : 0.3)
      })
  }

  private func trainer(
    _ corpora: CorpusMixture, _ sampling: SamplingStrategy, prefetches: Bool = true
  ) throws -> Trainer {
    var settings = TrainingSettings()
    (settings.batch, settings.segment, settings.budget) = (3, 24, .steps(24))
    settings.sampling = sampling
    let sampler = try SegmentSampler(
      corpora, strategy: sampling, lanes: 3, length: 24, seed: settings.seed)
    let model = try LanguageModel(
      .init(MinGRU.self, vocabularySize: 32, width: 32, layers: 2), seed: settings.seed)
    return Trainer(model, settings: settings, sampler: sampler, prefetches: prefetches)
  }

  @Test(
    "a run cut anywhere has the bits of the uninterrupted one, whatever it samples",
    arguments: SamplingStrategy.allCases, [1, 2])
  func resumes(_ sampling: SamplingStrategy, parts: Int) throws {
    let corpora = try mixture(parts), run = folder.path + "/run"
    var straight = TrainingRun(try trainer(corpora, sampling), folder: run + "-straight")
    let summary = try straight.run(shouldStop: { false }, report: { _ in })
    for cut in [1, 10, 17] {
      var stopped = TrainingRun(try trainer(corpora, sampling), folder: run + "\(cut)")
      nonisolated(unsafe) var steps = 0
      _ = try stopped.run(shouldStop: { steps >= cut }, report: { _ in steps += 1 })
      let record = try RunFolder.record(run + "\(cut)")
      #expect(record.steps == cut && record.corpus == corpora.name && record.settings.sampling == sampling)
      var resumed = TrainingRun(
        try RunFolder.resume(run + "\(cut)", corpora: CorpusMixture(named: record.corpus)),
        folder: run + "\(cut)")
      let end = try resumed.run(shouldStop: { false }, report: { _ in })
      #expect(resumed.trainer.model.fingerprint == straight.trainer.model.fingerprint)
      #expect(resumed.trainer.sampler.cursor == straight.trainer.sampler.cursor)
      #expect(end.validationLoss == summary.validationLoss && end.validation == summary.validation)
    }
  }

  @Test("a mixture's validation is of every corpus, and their mean by weight")
  func validation() throws {
    let corpora = try mixture(2)
    var run = TrainingRun(try trainer(corpora, .segments), folder: folder.path + "/run")
    let summary = try run.run(shouldStop: { false }, report: { _ in })
    let each = try #require(summary.validation)
    #expect(each.map(\.corpus) == corpora.parts.map(\.corpus.path) && each.map(\.weight) == [0.7, 0.3])
    let mean = try #require(summary.validationLoss)
    #expect(each[0].loss != each[1].loss && abs(0.7 * each[0].loss + 0.3 * each[1].loss - mean) < 1e-9)
    let metrics = try String(contentsOfFile: folder.path + "/run/metrics.jsonl", encoding: .utf8)
    #expect(metrics.contains("\"validation\":[{\"corpus\""))
  }

  @Test("a run is the same whether its data is prefetched or not")
  func prefetching() throws {
    let corpora = try mixture(2)
    var ahead = try trainer(corpora, .documents)
    var plain = try trainer(corpora, .documents, prefetches: false)
    for _ in 0..<8 { #expect(try ahead.step().loss == plain.step().loss) }
    #expect(ahead.model.fingerprint == plain.model.fingerprint)
  }

  @Test("other weights and other corpora of the same names are refused")
  func otherData() throws {
    let corpora = try mixture(2), run = folder.path + "/run"
    var stopped = TrainingRun(try trainer(corpora, .lanes), folder: run)
    _ = try stopped.run(shouldStop: { true }, report: { _ in })
    let other = try CorpusMixture(corpora.parts.map { ($0.corpus, 1) })
    let text = sentence { _ = try RunFolder.resume(run, corpora: other) }
    #expect(text.contains("for the weight 0.7, here it is 0.5"), "\(text)")
    // The same sizes, other tokens.
    _ = try makeCorpus(
      chains([300, 20, 1, 90, 500], vocabulary: 32, seed: 77), vocabulary: 32, in: folder.path + "/1")
    let again = try CorpusMixture(named: corpora.name)
    #expect(
      sentence { _ = try RunFolder.resume(run, corpora: again) }.contains("hash of the frames"))
  }

  @Test("a record of version 1 goes on where it stood", arguments: [0, 1, 9, 10, 14])
  func oldRecord(steps: Int) throws {
    let corpora = try mixture(1), corpus = corpora.parts[0].corpus
    var trainer = try trainer(corpora, .lanes)
    for _ in 0..<steps { _ = try trainer.step() }
    let record = RunRecord(
      mixer: "mingru", settings: trainer.settings, corpus: corpus.path, cursor: trainer.sampler.cursor,
      steps: steps, tokens: 72 * steps, seconds: 1, threads: 2)
    var json = try #require(
      try JSONSerialization.jsonObject(with: Data(record.json().utf8)) as? [String: Any])
    json["version"] = 1
    json["corpus_tokens"] = corpus.header.tokens
    json["cursor"] = [
      "position": 24 * steps, "seed": 1, "lanes": 3, "start": 0, "end": corpus.range(of: .train).count,
    ]
    var settings = try #require(json["settings"] as? [String: Any])
    settings["sampling"] = nil
    settings["targets"] = nil
    json["settings"] = settings
    let read = try JSONDecoder().decode(RunRecord.self, from: JSONSerialization.data(withJSONObject: json))
    var resumed = try SegmentSampler(corpora, lanes: 3, length: 24, seed: 1)
    try resumed.restore(read.cursor)
    var straight = trainer.sampler
    for _ in 0..<12 { #expect(try resumed.next() == straight.next()) }
    json["cursor"] = ["position": -1, "seed": 1, "lanes": 3, "start": 0, "end": 9]
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(RunRecord.self, from: JSONSerialization.data(withJSONObject: json))
    }
  }
}
