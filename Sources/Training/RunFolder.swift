/// A RUN on disk: a model folder plus what it takes to go on exactly where training stopped.
///
/// `optimizer.safetensors` alone is enough to resume: it holds the parameters, AdamW's means, the lanes' states and, in
/// its metadata, the record of the run. It is replaced in one step, so at every instant a whole checkpoint is on disk,
/// whatever moment a kill strikes. `model.safetensors` and `run.json` are written after it, for use and for reading.

import Foundation
import RunnelCheckpoints
import RunnelCorpora
import RunnelFiles
import RunnelModels
import RunnelTensors

public enum RunFolder {
  public static let optimizerName = "optimizer.safetensors"
  public static let recordName = "run.json"
  public static let metricsName = "metrics.jsonl"

  public static func exists(_ folder: String) -> Bool {
    FileManager.default.fileExists(atPath: folder + "/" + optimizerName)
  }

  /// Writes a checkpoint.
  public static func save(_ trainer: Trainer, record: RunRecord, to folder: String) throws {
    try ModelFolder.makeFolder(folder)
    try AtomicFile.write(
      try trainer.model.encodeConfiguration(), to: folder + "/" + ModelFolder.configurationName)
    let json = try encode(record)
    var writer = SafetensorsWriter(metadata: ["run": json])
    for (parameter, moments) in zip(trainer.model.parameters, trainer.optimizer.moments) {
      writer.add("parameter." + parameter.name, parameter.value)
      writer.add("first." + parameter.name, moments.first)
      writer.add("second." + parameter.name, moments.second)
    }
    for (name, value) in trainer.state.tensors { writer.add("state." + name, value) }
    for (name, value) in trainer.state.counters { writer.add("counter." + name, value) }
    try writer.write(to: folder + "/" + optimizerName)
    try ModelFolder.save(trainer.model, to: folder, metadata: ["step": String(record.steps)])
    try AtomicFile.write(json, to: folder + "/" + recordName)
  }

  /// The record of the checkpoint in a folder.
  public static func record(_ folder: String) throws -> RunRecord {
    try record(SafetensorsFile(folder + "/" + optimizerName))
  }

  private static func record(_ file: SafetensorsFile) throws -> RunRecord {
    let json = Data((file.metadata["run"] ?? "").utf8)
    guard let record = try? JSONDecoder().decode(RunRecord.self, from: json) else {
      throw FileError(
        file.path, at: "metadata \"run\"", expected: "the record of a run", found: "something else",
        remedy: "train into a new folder")
    }
    try check(record, file.path)
    return record
  }

  /// Refuses numbers that no run has written.
  private static func check(_ record: RunRecord, _ path: String) throws {
    func refuse(_ place: String, expected: String, found: String) -> FileError {
      FileError(
        path, at: "metadata \"run\", \(place)", expected: expected, found: found,
        remedy: "train into a new folder")
    }
    do { try record.settings.validate() } catch {
      throw refuse("settings", expected: "settings in their ranges", found: "\(error)")
    }
    // What is allocated for the data is bounded by the size of the record.
    guard record.cursor.places.count == record.settings.batch, record.settings.segment <= 1 << 24 else {
      throw refuse(
        "cursor", expected: "a place for each of \(record.settings.batch) lanes",
        found: "\(record.cursor.places.count) for segments of \(record.settings.segment)")
    }
    guard record.cursor.parts.allSatisfy({ 0 <= $0.start && $0.start < $0.end }) else {
      throw refuse("cursor", expected: "ranges of tokens", found: "an empty one")
    }
    let counts = 0..<1 << 62
    guard counts.contains(record.steps), counts.contains(record.tokens), record.seconds.isFinite else {
      throw refuse("steps", expected: "counts", found: "\(record.steps) steps, \(record.tokens) tokens")
    }
  }

  static func encode(_ record: RunRecord) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return String(decoding: try encoder.encode(record), as: UTF8.self) + "\n"
  }

  /// A trainer at the checkpoint of a folder.
  ///
  /// - Parameters:
  ///   - model: any model of the folder's configuration; its parameters are replaced.
  ///   - corpora: those that the run began with.
  ///   - budget: another end than the one the run began with.
  public static func resume(
    _ folder: String, model: LanguageModel, corpora: CorpusMixture, budget: Budget? = nil
  ) throws -> Trainer {
    let file = try SafetensorsFile(folder + "/" + optimizerName)
    var record = try record(file)
    if let budget { record.settings.budget = budget }
    // A run of one corpus stays on the range that it began with.
    let only = record.cursor.parts.count == 1 && corpora.parts.count == 1 ? record.cursor.parts[0] : nil
    if let only, let corpus = corpora.parts.first?.corpus, corpus.header.tokens != only.fingerprint.tokens {
      throw TrainingError(
        "\(corpus.path) has \(corpus.header.tokens) tokens, but the run in \(folder) was trained on "
          + "\(only.fingerprint.tokens); resume with \(record.corpus)")
    }
    var sampler = try SegmentSampler(
      corpora, strategy: record.settings.sampling, range: only.map { $0.start..<$0.end },
      lanes: record.settings.batch, length: record.settings.segment, seed: record.settings.seed,
      resetAtDocuments: record.settings.resetAtDocuments)
    try sampler.restore(record.cursor)
    var trainer = Trainer(
      try model.loadingParameters(from: file, prefix: "parameter."), settings: record.settings,
      sampler: sampler)
    trainer.optimizer.moments = try trainer.model.parameters.map {
      Optimizer.Moments(
        first: try file.tensor("first." + $0.name, shape: $0.value.shape),
        second: try file.tensor("second." + $0.name, shape: $0.value.shape))
    }
    trainer.state = try trainer.state.replacing(
      tensors: { try file.tensor("state." + $0, shape: $1.shape) },
      counters: { name, old in
        let value = try file.integers("counter." + name)
        guard value.count == old.count else {
          throw FileError(
            file.path, at: "counter.\(name)", expected: "\(old.count) numbers", found: "\(value.count)",
            remedy: "train into a new folder")
        }
        return value
      })
    (trainer.optimizer.steps, trainer.tokens, trainer.seconds) = (record.steps, record.tokens, record.seconds)
    return trainer
  }
}

extension SafetensorsFile {
  fileprivate func tensor(_ name: String, shape: Shape) throws -> Tensor {
    let value = try tensor(name)
    guard value.shape == shape else {
      throw FileError(
        path, at: "tensor \"\(name)\"", expected: "shape \(shape)", found: "\(value.shape)",
        remedy: "train into a new folder")
    }
    return value
  }
}
