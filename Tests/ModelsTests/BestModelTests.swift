/// The best model of a run, and the end of a run that finds no better one.

import Foundation
import RunnelCheckpoints
import RunnelCorpora
import RunnelFiles
import RunnelMixers
import RunnelModels
import RunnelTensors
import Testing

@testable import RunnelTraining

@Suite("validations on the way are compared")
struct BestModelTests {
  let folder: TemporaryFolder
  let corpora: CorpusMixture
  var run: String { folder.path + "/run" }

  init() throws {
    folder = try TemporaryFolder()
    // A text that repeats itself: whatever is learnt of it shows in its validation split.
    let text: [Int32] = (0..<1200).map { Int32([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8][$0 % 12]) }
    corpora = CorpusMixture(try makeCorpus([text], vocabulary: 32, in: folder.path))
  }

  private func trainer(steps: Int, _ change: (inout TrainingSettings) -> Void) throws -> Trainer {
    var settings = TrainingSettings()
    (settings.batch, settings.segment, settings.budget) = (2, 16, .steps(steps))
    settings.validationInterval = 3
    change(&settings)
    let model = try LanguageModel(.init(MinGRU.self, vocabularySize: 32, width: 16, layers: 1), seed: 3)
    return Trainer(
      model, settings: settings, sampler: try SegmentSampler(corpora, lanes: 2, length: 16, seed: 1))
  }

  private func metrics() throws -> [[String: Any]] {
    String(decoding: try bytes(of: run + "/metrics.jsonl"), as: UTF8.self).split(separator: "\n")
      .compactMap { (try? JSONSerialization.jsonObject(with: Data($0.utf8))) as? [String: Any] }
  }

  @Test(
    "a run ends behind as many validations without a better loss as it may, and goes on with more patience")
  func patience() throws {
    // With this rate no loss moves.
    var first = TrainingRun(
      try trainer(steps: 60) { ($0.patience, $0.learningRate) = (2, 1e-12) }, folder: run)
    let summary = try first.run()
    #expect(summary.isOutOfPatience && !summary.wasInterrupted && summary.steps == 9)
    #expect(summary.bestStep == 3 && summary.validationLoss != nil)
    #expect(!fileExists(run + "/best"))
    var again = TrainingRun(try RunFolder.resume(run, corpora: corpora), folder: run)
    #expect(try again.run().steps == 9)
    var settings = try RunFolder.record(run).settings
    #expect(settings.patience == 2)
    settings.patience = 4
    var patient = TrainingRun(try RunFolder.resume(run, corpora: corpora, settings: settings), folder: run)
    #expect(try patient.run().steps == 15)
    let onTheWay = try metrics().filter { $0["validation_loss"] != nil && $0["is_final"] == nil }
    #expect(onTheWay.compactMap { $0["step"] as? Int } == [3, 6, 9, 12, 15])
    let learner = try trainer(steps: 9) { ($0.patience, $0.learningRate) = (1, 1e-2) }
    var learning = TrainingRun(learner, folder: folder.path + "/learning")
    #expect(try !learning.run().isOutOfPatience)
  }

  @Test(
    "the model of the best validation stays as it was when later ones are worse",
    arguments: [nil, .ema(0.3)] as [WeightAverage?])
  func best(average: WeightAverage?) throws {
    var first = TrainingRun(
      try trainer(steps: 12) { ($0.keepBest, $0.learningRate, $0.average) = (true, 1e-2, average) },
      folder: run)
    _ = try first.run()
    let found = try #require(try RunFolder.record(run).tally.best)
    #expect(found.step == 12, "\(found)")
    let kept = try ModelFolder.load(run + "/best").fingerprint
    let model = found.isAverage ? try #require(first.trainer.averagedModel) : first.trainer.model
    #expect(model.fingerprint == kept)
    // A rate that spoils what was learnt.
    var settings = try RunFolder.record(run).settings
    (settings.learningRate, settings.budget) = (5, .steps(30))
    var later = TrainingRun(try RunFolder.resume(run, corpora: corpora, settings: settings), folder: run)
    let summary = try later.run()
    #expect(summary.bestStep == 12 && summary.bestValidationLoss == found.loss)
    #expect(summary.validationLoss ?? 0 > found.loss)
    #expect(try ModelFolder.load(run + "/best").fingerprint == kept)
    #expect(try ModelFolder.load(run).fingerprint != kept)
    #expect(try FileManager.default.contentsOfDirectory(atPath: run).allSatisfy { !$0.hasSuffix(".new") })
  }

  @Test(
    "cut at a validation or between two, a run compares as the uninterrupted one does",
    arguments: [3, 4, 6, 8, 11, 12])
  func cut(at step: Int) throws {
    func make() throws -> Trainer {
      try trainer(steps: 14) {
        ($0.keepBest, $0.patience, $0.learningRate, $0.checkpointInterval) = (true, 3, 0.2, 1)
        $0.schedule = .constant
      }
    }
    var straight = TrainingRun(try make(), folder: folder.path + "/straight")
    let expected = try straight.run()
    var stopped = TrainingRun(try make(), folder: run), done = 0
    // As if it were killed: the checkpoint of the step is there, and nothing behind it.
    _ = try stopped.run(
      shouldStop: { done >= step }, report: { if $0.validated == nil { done += 1 } })
    let before = try bytes(of: RunFolder.checkpointPath(run))
    var resumed = TrainingRun(try RunFolder.resume(run, corpora: corpora), folder: run)
    let summary = try resumed.run()
    #expect(resumed.trainer.tally == straight.trainer.tally)
    #expect(summary.bestStep == expected.bestStep && summary.steps == expected.steps)
    #expect(resumed.trainer.model.fingerprint == straight.trainer.model.fingerprint)
    #expect(
      try ModelFolder.load(run + "/best").fingerprint
        == ModelFolder.load(folder.path + "/straight/best").fingerprint)
    let onTheWay = try metrics().filter { $0["validation_loss"] != nil && $0["is_final"] == nil }
    #expect(Set(onTheWay.compactMap { $0["step"] as? Int }).count == onTheWay.count)
    #expect(!before.isEmpty)
  }

  @Test("the last step is compared too, though its number is no multiple of the interval")
  func lastStep() throws {
    var first = TrainingRun(
      try trainer(steps: 11) { ($0.keepBest, $0.learningRate) = (true, 1e-2) }, folder: run)
    let summary = try first.run()
    #expect(summary.bestStep == 11)
    #expect(try ModelFolder.load(run + "/best").fingerprint == first.trainer.model.fingerprint)
  }

  @Test(
    "a best model that cannot be written ends no run, is told, and is written when the next one is better")
  func trouble() throws {
    try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
    try write([1], to: run + "/best")
    var notes: [String] = []
    var first = TrainingRun(
      try trainer(steps: 12) { ($0.keepBest, $0.learningRate) = (true, 1e-2) }, folder: run)
    let summary = try first.run(
      report: { if $0.step == 7 { try? FileManager.default.removeItem(atPath: run + "/best") } },
      note: { notes.append($0) })
    #expect(
      notes.count == 1 && notes[0].contains("the best model, of step 3, could not be written"), "\(notes)")
    #expect(summary.bestStep == 12)
    #expect(try ModelFolder.load(run + "/best").fingerprint == first.trainer.model.fingerprint)
  }

  @Test(
    "a best model that cannot be written to the end is an error behind the end, and is written when the run goes on"
  )
  func failure() throws {
    try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
    try write([1], to: run + "/best")
    var first = TrainingRun(
      try trainer(steps: 12) { ($0.keepBest, $0.patience, $0.learningRate) = (true, 9, 1e-2) }, folder: run)
    let text = sentence { _ = try first.run() }
    #expect(
      text.hasPrefix("the run is saved in \(run), but the best model, of step 12, could not"), "\(text)")
    #expect(!text.contains("\n"))
    let record = try RunFolder.record(run)
    #expect(record.steps == 12 && record.tally.best == nil && record.tally.unimproved >= 4)
    #expect(try ModelFolder.load(run).fingerprint == first.trainer.model.fingerprint)
    #expect(try metrics().contains { $0["is_final"] as? Bool == true })
    try FileManager.default.removeItem(atPath: run + "/best")
    var again = TrainingRun(try RunFolder.resume(run, corpora: corpora), folder: run)
    #expect(try again.run().bestStep == 12 && RunFolder.bestStep(run) == 12)
    #expect(again.trainer.tally.unimproved == 0)
    #expect(try ModelFolder.load(run + "/best").fingerprint == first.trainer.model.fingerprint)
  }

  @Test("a best model that cannot be written counts as none that is better, so that patience ends")
  func failures() throws {
    try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
    try write([1], to: run + "/best")
    var first = TrainingRun(
      try trainer(steps: 60) { ($0.keepBest, $0.patience, $0.learningRate) = (true, 3, 1e-2) }, folder: run)
    #expect(sentence { _ = try first.run() }.contains("of step 9, could not be written"))
    #expect(try RunFolder.record(run).steps == 9)
  }

  @Test("killed behind its first best model, a run goes on from there")
  func killed() throws {
    func make() throws -> Trainer { try trainer(steps: 12) { ($0.keepBest, $0.learningRate) = (true, 1e-2) } }
    let killed = folder.path + "/killed"
    var straight = TrainingRun(try make(), folder: run)
    _ = try straight.run(report: {
      if $0.step == 4 { try? FileManager.default.copyItem(atPath: run, toPath: killed) }
    })
    #expect(RunFolder.bestStep(killed) == 3)
    #expect(sentence { try RunFolder.checkIsFree(killed) }.contains("add --resume"))
    #expect(try RunFolder.record(killed).steps == 3)
    var resumed = TrainingRun(try RunFolder.resume(killed, corpora: corpora), folder: killed)
    _ = try resumed.run()
    #expect(resumed.trainer.tally == straight.trainer.tally)
    #expect(
      try ModelFolder.load(killed + "/best").fingerprint == ModelFolder.load(run + "/best").fingerprint)
  }

  @Test("where keeping the best model is asked for later, the next validation's is kept")
  func later() throws {
    var first = TrainingRun(
      try trainer(steps: 12) { ($0.patience, $0.learningRate) = (9, 1e-2) }, folder: run)
    let before = try #require(try first.run().bestValidationLoss)
    #expect(!fileExists(run + "/best"))
    var settings = try RunFolder.record(run).settings
    // With this rate no weight moves, so that the next validation is no better.
    (settings.keepBest, settings.learningRate, settings.budget) = (true, 1e-30, .steps(15))
    var later = TrainingRun(try RunFolder.resume(run, corpora: corpora, settings: settings), folder: run)
    let summary = try later.run()
    let after = try #require(summary.bestValidationLoss)
    #expect(summary.bestStep == 15 && after >= before)
    #expect(try ModelFolder.load(run + "/best").fingerprint == later.trainer.model.fingerprint)
  }

  @Test(
    "a validation that is both one on the way and the last is made once",
    arguments: [nil, 100] as [Int?], [6, 7])
  func once(tokens: Int?, steps: Int) throws {
    var first = TrainingRun(
      try trainer(steps: steps) { ($0.validationTokens, $0.patience) = (tokens, 9) }, folder: run)
    var ends: [Int: Int] = [:]
    _ = try first.run(report: { if $0.validated == 1 { ends[$0.step, default: 0] += 1 } })
    // At the end some tokens are read in both forms, too.
    #expect(ends == (steps == 6 ? [3: 1, 6: 3] : [3: 1, 6: 1, 7: 3]))
    let last = try metrics().filter { $0["validation_loss"] != nil }.suffix(2)
    #expect(last.map { $0["is_final"] as? Bool } == [nil, true])
    #expect(Set(last.compactMap { $0["validation_loss"] as? Double }).count == 1)
  }

  @Test("what is compared needs a validation split")
  func needs() throws {
    let path = folder.path + "/whole.tokens.zst"
    var writer = try CorpusWriter(path: path, vocabularySize: 32, frameBytes: 4096)
    writer.beginDocument()
    try writer.append(chains([900], vocabulary: 32, seed: 3)[0])
    _ = try writer.finish(validation: .tail(0))
    var options = TrainingOptions()
    (options.keepBest, options.validationInterval, options.budget) = (true, 3, .steps(2))
    let text = sentence {
      _ = try TrainingPlan(
        ModelShape("mingru", width: 16, layers: 1), corpora: path, folder: run, options: options)
    }
    #expect(
      text.contains("--keep-best goes by validations") && text.contains("no validation split"), "\(text)")
  }
}
