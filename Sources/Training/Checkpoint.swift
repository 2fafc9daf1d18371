/// Checkpoints of runs, read.

import Foundation
import RunnelCheckpoints
import RunnelCorpora
import RunnelFiles
import RunnelModels
import RunnelTensors

/// All of a run at one moment, in one file: the model's configuration and parameters, what the optimiser keeps of them, the mean
/// of the weights, the lanes' states, and the record with the settings and the place in the data. Nothing else is needed to go on.
public struct Checkpoint: Sendable {
  private let folder: String
  private let step: Int?
  private let file: SafetensorsFile
  /// The settings, the place in the data and what was spent.
  public let record: RunRecord
  /// Of the model in it.
  public let configuration: ModelConfiguration

  /// Opens a checkpoint of a run; its tensors are read by whoever asks for them.
  ///
  /// - Parameter step: that of a checkpoint that is kept; nil for the newest.
  /// - Throws: `FileError` where there is none, or it is damaged.
  public init(_ folder: String, at step: Int? = nil) throws {
    (self.folder, self.step) = (folder, step)
    let path = RunFolder.checkpointPath(folder, at: step)
    guard fileExists(path) else {
      let kept = RunFolder.keptSteps(folder).map(String.init).joined(separator: ", ")
      let (found, remedy) =
        !kept.isEmpty
        ? ("those of the steps \(kept)", "choose one of these with --resume-at")
        : RunFolder.exists(folder)
          ? ("only the newest", "leave --resume-at out") : ("none", "begin a run without --resume")
      throw FileError(
        folder, at: "checkpoint" + (step.map { " of step \($0)" } ?? ""), expected: fileName(of: path),
        found: found, remedy: remedy)
    }
    (file, record, configuration) = try Self.advising(folder, at: step) {
      let file = try SafetensorsFile(path)
      return (file, try Self.record(in: file), try Self.configuration(in: file, folder))
    }
  }

  /// Where a checkpoint is damaged and an older one is kept, the error says so.
  private static func advising<Result>(
    _ folder: String, at step: Int?, _ body: () throws -> Result
  ) throws -> Result {
    do { return try body() } catch let error as FileError {
      let kept = RunFolder.keptSteps(folder)
      let earlier = step.map { limit in kept.filter { $0 < limit } } ?? kept.dropLast()
      guard let older = earlier.last else { throw error }
      throw FileError(
        error.file, at: error.place, expected: error.expected, found: error.found,
        remedy: "go on from an older checkpoint: --resume-at \(older)")
    }
  }

  private static func record(in file: SafetensorsFile) throws -> RunRecord {
    let json = Data((file.metadata["run"] ?? "").utf8)
    guard let record = try? JSONDecoder().decode(RunRecord.self, from: json) else {
      throw FileError(
        file.path, at: "metadata \"run\"", expected: "the record of a run", found: "something else",
        remedy: "train into a new folder")
    }
    try record.check(file.path)
    return record
  }

  /// Checkpoints of older versions have it beside them.
  private static func configuration(
    in file: SafetensorsFile, _ folder: String
  ) throws -> ModelConfiguration {
    guard let json = file.metadata["config"] else { return try ModelFolder.configuration(folder) }
    let configuration = try ModelFolder.configuration(from: Array(json.utf8), path: file.path)
    try ModelFolder.bound(configuration, by: file)
    return configuration
  }

  static func write(_ trainer: Trainer, record: RunRecord, to path: String) throws {
    let configuration = String(decoding: try trainer.model.encodeConfiguration(), as: UTF8.self)
    var writer = SafetensorsWriter(metadata: ["run": try record.json(), "config": configuration])
    for (index, parameter) in trainer.model.parameters.enumerated() {
      writer.add("parameter." + parameter.name, parameter.value)
      for field in trainer.optimizer.rules[index].fields {
        writer.add("\(field.name)." + parameter.name, trainer.optimizer.moments[index][keyPath: field.path])
      }
      if let average = trainer.average { writer.add("average." + parameter.name, average.values[index]) }
    }
    for (name, value) in trainer.state.tensors { writer.add("state." + name, value) }
    for (name, value) in trainer.state.counters { writer.add("counter." + name, value) }
    try writer.write(to: path)
  }

  /// About how large the file of a trainer is.
  static func byteCount(of trainer: Trainer) -> Int {
    let kept = zip(trainer.optimizer.rules, trainer.model.entries).reduce(0) {
      $0 + ($1.0.fields.count + (trainer.average == nil ? 1 : 2)) * $1.1.place.shape.elements
    }
    return 4 * kept + trainer.state.byteCount + 500 * trainer.optimizer.moments.count
      + 100 * trainer.settings.batch + 4096
  }

  /// A trainer at this point.
  ///
  /// - Parameters:
  ///   - corpora: those that the run began with.
  ///   - settings: what to change of the run's; what a run cannot change is refused.
  public func resume(corpora: CorpusMixture, settings: TrainingSettings? = nil) throws -> Trainer {
    let settings = settings ?? record.settings
    let changes = try changes(to: settings)
    try check(corpora)
    try corpora.check(settings)
    // A run of one corpus stays on the range that it began with.
    let only = record.cursor.parts.count == 1 && corpora.parts.count == 1 ? record.cursor.parts[0] : nil
    var sampler = try SegmentSampler(
      corpora, strategy: settings.sampling, range: only.map { $0.start..<$0.end },
      lanes: settings.batch, length: settings.segment, seed: settings.seed,
      resetAtDocuments: settings.resetAtDocuments)
    try sampler.restore(record.cursor)
    return try Self.advising(folder, at: step) {
      let model = try StreamingModel(configuration, parametersOf: file, prefix: "parameter.").trainable()
      var trainer = Trainer(model, settings: settings, sampler: sampler)
      try restore(&trainer)
      trainer.changes = record.changes + changes
      return trainer
    }
  }

  private func restore(_ trainer: inout Trainer) throws {
    // One after the other, so that there are never two of each.
    for (index, parameter) in trainer.model.parameters.enumerated() {
      let shape = parameter.value.shape
      for field in trainer.optimizer.rules[index].fields {
        trainer.optimizer.moments[index][keyPath: field.path] = try file.tensor(
          "\(field.name)." + parameter.name, shape: shape)
      }
      if trainer.average != nil {
        trainer.average?.values[index] = try file.tensor("average." + parameter.name, shape: shape)
      }
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
    trainer.tally = record.tally
  }

  /// What is different in these settings from those of the run; throws where a run cannot change so, or they do not fit.
  func changes(to settings: TrainingSettings) throws -> [SettingChange] {
    let changes = try record.settings.changes(to: settings, at: record.steps)
    for change in changes {
      guard let key = TrainingSettings.CodingKeys(rawValue: change.setting),
        !TrainingSettings.changeable.contains(key)
      else { continue }
      throw TrainingError(
        "the run in \(folder) has the \(change.setting) \(change.from ?? "none"), and cannot go on with "
          + "\(change.to ?? "none"); leave \(settings.option(key)) out, or begin a new run: --from \(folder)")
    }
    try settings.validate()
    try settings.rates?.check(configuration.places)
    return changes
  }

  private func check(_ corpora: CorpusMixture) throws {
    let corpus = corpora.parts[0].corpus
    if let tokenizer = record.tokenizer, tokenizer != corpus.header.tokenizer {
      throw TrainingError(
        "\(corpus.path) is of the tokenizer \(corpus.header.tokenizer.shown), the run in \(folder) of "
          + "\(tokenizer.shown); resume with \(record.corpus)")
    }
    guard record.cursor.parts.count == 1, corpora.parts.count == 1,
      case let tokens = record.cursor.parts[0].fingerprint.tokens, corpus.header.tokens != tokens
    else { return }
    throw TrainingError(
      "\(corpus.path) has \(corpus.header.tokens) tokens, but the run in \(folder) was trained on \(tokens); "
        + "resume with \(record.corpus)")
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
