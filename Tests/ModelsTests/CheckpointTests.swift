/// A run goes on from its checkpoint alone, whatever became of the files beside it, and of no other bytes than it wrote.

import Foundation
import RunnelCheckpoints
import RunnelCorpora
import RunnelFiles
import RunnelMixers
import RunnelModels
import RunnelTensors
import Testing

@testable import RunnelTraining

@Suite("the checkpoints of a run")
struct CheckpointTests {
  let folder: TemporaryFolder
  let corpora: CorpusMixture
  var run: String { folder.path + "/run" }

  init() throws {
    folder = try TemporaryFolder()
    corpora = CorpusMixture(
      try makeCorpus(chains([300, 20, 1, 90, 400], vocabulary: 32, seed: 3), vocabulary: 32, in: folder.path))
  }

  static var settings: TrainingSettings {
    var settings = TrainingSettings()
    (settings.batch, settings.segment, settings.budget) = (2, 16, .steps(24))
    return settings
  }

  private func trainer(
    _ settings: TrainingSettings = settings, _ change: (Parameter) -> Tensor = { $0.value }
  ) throws -> Trainer {
    let model = try LanguageModel(.init(LRU.self, vocabularySize: 32, width: 16, layers: 2), seed: 3)
    return Trainer(
      model.replacingParameters(change), settings: settings,
      sampler: try SegmentSampler(
        corpora, strategy: settings.sampling, lanes: settings.batch, length: settings.segment,
        seed: settings.seed))
  }

  /// Runs to the end, or for some steps.
  @discardableResult
  private func train(
    _ trainer: Trainer, in folder: String, for steps: Int = .max, report: (Int) -> Void = { _ in },
    note: (String) -> Void = { _ in }
  ) throws -> TrainingRun {
    var run = TrainingRun(trainer, folder: folder), done = 0
    _ = try run.run(
      shouldStop: { done >= steps },
      report: {
        if $0.validated == nil { done += 1 }
        report($0.step)
      }, note: note)
    return run
  }

  /// All that decides how a run goes on.
  private func essence(_ trainer: Trainer) -> [[Float]] {
    trainer.optimizer.moments.flatMap { [$0.first.scalars, $0.second.scalars] }
      + trainer.model.parameters.map(\.value.scalars) + trainer.state.tensors.map(\.value.scalars)
      + [[Float(trainer.steps), Float(trainer.tokens), Float(trainer.sampler.cursor.parts[0].assigned)]]
  }

  private func metrics(_ folder: String) throws -> [[String: Any]] {
    String(decoding: try bytes(of: folder + "/metrics.jsonl"), as: UTF8.self).split(separator: "\n")
      .compactMap {
        (try? JSONSerialization.jsonObject(with: Data($0.utf8))) as? [String: Any]
      }
  }

  private static let besides = ["config.json", "model.safetensors", "run.json", "metrics.jsonl"]

  @Test("the checkpoint alone is enough, and the files beside it are written again")
  func alone() throws {
    let straight = try train(trainer(), in: folder.path + "/straight")
    try train(trainer(), in: run, for: 9)
    for name in Self.besides { try FileManager.default.removeItem(atPath: run + "/" + name) }
    let resumed = try train(RunFolder.resume(run, corpora: corpora), in: run)
    #expect(essence(resumed.trainer) == essence(straight.trainer))
    for name in Self.besides { #expect(fileExists(run + "/" + name), "\(name)") }
    #expect(try ModelFolder.load(run).fingerprint == straight.trainer.model.fingerprint)
  }

  @Test("no damage to a file beside the checkpoint stops a run or changes it", arguments: besides)
  func damagedNeighbours(name: String) throws {
    try train(trainer(), in: run, for: 20)
    let straight = try train(RunFolder.resume(run, corpora: corpora), in: folder.path + "/straight")
    let checkpoint = try bytes(of: RunFolder.checkpointPath(run)), file = try bytes(of: run + "/" + name)
    var generator = SeededGenerator(seed: 5)
    for round in 0..<20 {
      try write(checkpoint, to: RunFolder.checkpointPath(run))
      var changed = file
      let place = Int(generator.next() % UInt64(file.count))
      if round % 4 == 0 {
        changed.removeLast(place)
      } else {
        changed[place] ^= UInt8(1 + generator.next() % 255)
      }
      try write(changed, to: run + "/" + name)
      let resumed = try train(RunFolder.resume(run, corpora: corpora), in: run)
      #expect(essence(resumed.trainer) == essence(straight.trainer), "\(name), round \(round)")
      #expect(try ModelFolder.load(run).fingerprint == straight.trainer.model.fingerprint)
    }
  }

  @Test("damage to the checkpoint is refused by its name, or changes nothing")
  func damagedCheckpoint() throws {
    try train(trainer(), in: run, for: 6)
    let path = RunFolder.checkpointPath(run), file = try bytes(of: path)
    let whole = essence(try RunFolder.resume(run, corpora: corpora))
    var generator = SeededGenerator(seed: 6), refusals = 0
    for round in 0..<200 {
      var changed = file
      let place = Int(generator.next() % UInt64(round % 2 == 0 ? file.count : 4000))
      changed[place] ^= UInt8(1 + generator.next() % 255)
      try write(changed, to: path)
      do {
        #expect(essence(try RunFolder.resume(run, corpora: corpora)) == whole, "byte \(place)")
      } catch let error as FileError {
        #expect(error.file == path)
        refusals += 1
      }
    }
    #expect(refusals >= 198)
  }

  @Test("a checkpoint of an older version, without checksums, configuration and newer settings, goes on")
  func older() throws {
    let straight = try train(trainer(), in: folder.path + "/straight")
    try train(trainer(), in: run, for: 9)
    let path = RunFolder.checkpointPath(run)
    var file = try bytes(of: path)
    for (new, old) in [
      ("xxh64\":\"", "other\":\""), ("\"config\":", "\"former\":"),
      ("checkpoint_minutes", "checkpoint_hourses"),
      ("kept_checkpoints", "left_checkpoints"), ("\\\"tokenizer\\\"", "\\\"nothing12\\\""),
    ] {
      let place = try #require(file.firstRange(of: Array(new.utf8)), "\(new)")
      file.replaceSubrange(place, with: Array(old.utf8))
    }
    try write(file, to: path)
    let resumed = try train(RunFolder.resume(run, corpora: corpora), in: run)
    #expect(essence(resumed.trainer) == essence(straight.trainer))
  }

  @Test("killed between any two writes of a save, the first or a later one, a run goes on bit for bit")
  func everyMoment() throws {
    let order = ["optimizer.safetensors", "config.json", "model.safetensors", "run.json"]
    func snapshot() throws -> [String: [UInt8]] {
      try order.reduce(into: [:]) { all, name in
        if fileExists(run + "/" + name) { all[name] = try bytes(of: run + "/" + name) }
      }
    }
    let straight = try train(trainer(), in: folder.path + "/straight")
    var moments: [[String: [UInt8]]] = [[:]]
    try train(trainer(), in: run, for: 5)
    moments.append(try snapshot())
    try train(RunFolder.resume(run, corpora: corpora), in: run, for: 5)
    moments.append(try snapshot())
    for (before, after) in zip(moments, moments.dropFirst()) {
      for written in 1...order.count {
        for name in order {
          let contents = order.prefix(written).contains(name) ? after[name] : before[name]
          try? FileManager.default.removeItem(atPath: run + "/" + name)
          if let contents { try write(contents, to: run + "/" + name) }
        }
        // What a killed writer leaves.
        try write([1, 2, 3], to: run + "/.runnel-1234.tmp")
        let refusal = sentence { try RunFolder.checkIsFree(run) }
        #expect(refusal.contains("already holds a run") && refusal.contains("--resume"))
        let resumed = try train(RunFolder.resume(run, corpora: corpora), in: run)
        #expect(essence(resumed.trainer) == essence(straight.trainer), "after \(written) writes")
        #expect(try ModelFolder.load(run).fingerprint == straight.trainer.model.fingerprint)
      }
    }
  }

  @Test("a new run wants a place of its own")
  func places() throws {
    func refusal(_ names: String...) throws -> String {
      let place = folder.path + "/place"
      try? FileManager.default.removeItem(atPath: place)
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
      for name in names { try write([1], to: place + "/" + name) }
      return sentence { try RunFolder.checkIsFree(place) }
    }
    #expect(try refusal() == "no error")
    #expect(try refusal(".DS_Store") == "no error")
    #expect(sentence { try RunFolder.checkIsFree(folder.path + "/nowhere") } == "no error")
    // Left by a run that was killed before its first checkpoint.
    #expect(try refusal("metrics.jsonl", "tokenizer.json", ".runnel-1.tmp") == "no error")
    #expect(try refusal("metrics.jsonl", "tokenizer.json", "generation_config.json") == "no error")
    #expect(try refusal("config.json", "model.safetensors").contains("\"config.json\" in it"))
    #expect(try refusal("tokenizer.json").contains("tokenizer.json"))
    #expect(try refusal("metrics.jsonl", "model.safetensors").contains("model.safetensors"))
    #expect(try refusal("novel.txt").contains("choose another --out"))
    #expect(try refusal("optimizer.safetensors", "novel.txt").contains("--resume"))
  }

  @Test("as many checkpoints stay as are asked for, and each is a beginning")
  func kept() throws {
    var settings = Self.settings
    (settings.checkpointInterval, settings.keptCheckpoints) = (4, 3)
    let straight = try train(trainer(settings), in: run)
    #expect(RunFolder.keptSteps(run) == [16, 20, 24])
    let older = try Checkpoint(run, at: 16).resume(corpora: corpora)
    #expect(older.steps == 16)
    // The newest is damaged: the error names the one to go on from.
    let path = RunFolder.checkpointPath(run)
    var file = try bytes(of: path)
    file[file.count / 2] ^= 4
    try write(file, to: path)
    let refusal = sentence { _ = try RunFolder.resume(run, corpora: corpora) }
    #expect(refusal.contains("--resume-at 20"), "\(refusal)")
    #expect(sentence { _ = try Checkpoint(run, at: 17) }.contains("16, 20, 24"))
    let resumed = try train(older, in: run, for: 4)
    #expect(RunFolder.keptSteps(run) == [16, 20] && resumed.trainer.steps == 20)
    let again = try train(RunFolder.resume(run, corpora: corpora), in: run)
    #expect(essence(again.trainer) == essence(straight.trainer))
    #expect(try metrics(run).compactMap { $0["step"] as? Int } == [10, 20, 24])
  }

  @Test("checkpoints come by time where nothing else is asked for, and the disk's trouble ends no run")
  func trouble() throws {
    var settings = Self.settings
    #expect(settings.checkpointMinutes == 5)
    settings.checkpointMinutes = 1e-9
    let path = RunFolder.checkpointPath(run)
    var notes: [String] = [], saved: [Int] = []
    let ended = try train(
      trainer(settings), in: run,
      report: { step in
        saved.append((try? RunFolder.record(run).steps) ?? -1)
        // A folder in the place of the checkpoint is what cannot be replaced.
        if step == 5 {
          try? FileManager.default.moveItem(atPath: path, toPath: path + ".away")
          try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
        if step == 9 { try? FileManager.default.removeItem(atPath: path) }
      }, note: { notes.append($0) })
    #expect(saved.prefix(4) == [1, 2, 3, 4] && saved[10] == 11, "\(saved)")
    #expect(notes.count == 1 && notes[0].contains("the checkpoint of step 6 is not complete"), "\(notes)")
    let checkpoint = try RunFolder.resume(run, corpora: corpora)
    #expect(essence(checkpoint) == essence(ended.trainer))
  }

  @Test("where only the files beside a checkpoint could not be written, the next save writes them")
  func neighbours() throws {
    var settings = Self.settings
    settings.checkpointInterval = 24
    let weights = run + "/model.safetensors"
    var notes: [String] = []
    let ended = try train(
      trainer(settings), in: run,
      report: { step in
        // A folder in the place of the weights is what cannot be replaced.
        if step == 23 {
          try? FileManager.default.createDirectory(atPath: weights, withIntermediateDirectories: true)
        }
        if step == 24, RunFolder.exists(run), !fileExists(run + "/run.json") {
          try? FileManager.default.removeItem(atPath: weights)
        }
      }, note: { notes.append($0) })
    #expect(notes.count == 1 && notes[0].contains("the checkpoint of step 24 is not complete"), "\(notes)")
    #expect(try ModelFolder.load(run).fingerprint == ended.trainer.model.fingerprint)
    #expect(fileExists(run + "/run.json"))
  }

  @Test("lines of a log that cannot be written wait, the newest ones, and the log says how many are missing")
  func waitingLines() throws {
    let full = FileError("x", at: "writing", expected: "room", found: "none", remedy: "wait")
    var waiting = WaitingLines(), file: [UInt8] = []
    func write(_ steps: ClosedRange<Int>, isFull: Bool) {
      for step in steps {
        waiting.add(Array("{\"step\":\(step)}".utf8), step: step)
        waiting.flush { bytes throws(FileError) in
          if isFull { throw full }
          file += bytes
        }
      }
    }
    write(1...2, isFull: false)
    write(3...2 + WaitingLines.most, isFull: true)
    #expect(waiting.count == WaitingLines.most && waiting.failure == full)
    write(3 + WaitingLines.most...10 + WaitingLines.most, isFull: true)
    #expect(waiting.count == WaitingLines.most + 8)
    write(11 + WaitingLines.most...12 + WaitingLines.most, isFull: false)
    #expect(waiting.count == 0 && waiting.failure == nil)
    let lines = String(decoding: file, as: UTF8.self).split(separator: "\n")
    #expect(
      lines[..<4] == ["{\"step\":1}", "{\"step\":2}", "{\"dropped_lines\":9,\"step\":11}", "{\"step\":12}"])
    #expect(lines.count == 4 + WaitingLines.most && lines.last == "{\"step\":\(12 + WaitingLines.most)}")
    // A resumed run keeps the line.
    try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
    try AtomicFile.write(file, to: run + "/metrics.jsonl")
    let resumed = try Metrics(folder: run, upTo: 20)
    #expect(resumed.damagedLines == 0)
    #expect(try metrics(run).compactMap { $0["dropped_lines"] as? Int } == [9])
  }

  @Test("a run that ends in an error has saved what is finite, and says so")
  func errors() throws {
    // Finite numbers whose loss overflows.
    let factors: [String: Float] = ["norm.weight": 1e38, "embedding.weight": 1e3]
    let huge = try trainer { (factors[$0.name] ?? 1) * $0.value }
    let text = sentence { try train(huge, in: run) }
    #expect(text.contains("step 1") && text.contains("the run is saved in \(run) at step 0"), "\(text)")
    #expect(essence(try RunFolder.resume(run, corpora: corpora)) == essence(huge))
    // Not a number: what was saved before stays.
    let other = folder.path + "/other"
    let broken = try trainer { parameter in
      var value = parameter.value
      if parameter.name == "norm.weight" { value[0] = .nan }
      return value
    }
    let nothing = sentence { try train(broken, in: other) }
    #expect(nothing.contains("nothing is saved") && !RunFolder.exists(other), "\(nothing)")
  }

  @Test("a bad byte in the metrics costs its line, and an ended run adds none")
  func lines() throws {
    var settings = Self.settings
    settings.budget = .steps(200)
    try train(trainer(settings), in: run)
    let whole = try metrics(run)
    #expect(whole.count == 21)
    try train(RunFolder.resume(run, corpora: corpora), in: run)
    try train(RunFolder.resume(run, corpora: corpora), in: run)
    #expect(try metrics(run).count == 21)
    var file = try bytes(of: run + "/metrics.jsonl")
    let third = try #require(file.firstRange(of: Array("\"step\":30".utf8)))
    file[third.lowerBound] = 0xFF
    // A line that a kill cut is no damage.
    try write(file + Array("{\"loss\":".utf8), to: run + "/metrics.jsonl")
    var notes: [String] = []
    try train(RunFolder.resume(run, corpora: corpora), in: run, note: { notes.append($0) })
    #expect(notes.count == 1 && notes[0].contains("1 damaged line "), "\(notes)")
    #expect(
      try metrics(run).compactMap { $0["step"] as? Int } == [10, 20] + (4...20).map { 10 * $0 } + [200])
  }
}
