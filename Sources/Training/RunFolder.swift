/// Runs on disk.

import Foundation
import RunnelCheckpoints
import RunnelCorpora
import RunnelFiles
import RunnelModels
import RunnelText

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A RUN on disk: a model folder plus what it takes to go on exactly where training stopped.
///
/// `optimizer.safetensors` alone is enough to resume (`Checkpoint`). It is replaced in one step, so a whole
/// checkpoint is on disk whenever the process is killed. `config.json`, `model.safetensors` and `run.json` are written after
/// it, for use and for reading; the tokenizer's file and `generation_config.json` before the first. Where older checkpoints
/// are kept, each is an `optimizer-STEP.safetensors`.
public enum RunFolder {
  package static let optimizerName = "optimizer.safetensors"
  package static let recordName = "run.json"
  package static let metricsName = "metrics.jsonl"
  /// The folder in a run's that holds the model of the best validation.
  package static let bestName = "best"

  /// Where the newest checkpoint is, or the one that is kept of a step.
  static func checkpointPath(_ folder: String, at step: Int? = nil) -> String {
    folder + "/" + (step.map { "optimizer-\($0).safetensors" } ?? optimizerName)
  }

  /// Whether a folder holds a checkpoint, and so can be resumed.
  public static func exists(_ folder: String) -> Bool { fileExists(checkpointPath(folder)) }

  /// The steps of the checkpoints that are kept beside the newest, ascending; the newest is among them.
  public static func keptSteps(_ folder: String) -> [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.compactMap { name in
      let step = name.hasPrefix("optimizer-") ? Int(name.dropFirst(10).prefix { $0 != "." }) : nil
      return step.flatMap { checkpointPath(folder, at: $0) == folder + "/" + name ? $0 : nil }
    }.sorted()
  }

  /// Makes the folder and keeps other trainers out of it as long as the lock lives.
  package static func lock(_ folder: String) throws -> FileLock {
    try ModelFolder.makeFolder(folder)
    do { return try FileLock(folder) } catch {
      throw FileError(
        folder, at: error.place, expected: "to be the only one who trains into it", found: error.found,
        remedy: "wait for the other run, or choose another --out")
    }
  }

  /// Refuses a folder that a new run cannot have: one with files that are not left over from a run that was ended before its
  /// first checkpoint.
  package static func checkIsFree(_ folder: String) throws {
    guard !exists(folder) else {
      throw TrainingError(
        "\(folder) already holds a run; add --resume to go on with it, or choose another --out")
    }
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter {
      !$0.hasPrefix(".")
    }
    let leftovers =
      names.contains(metricsName)
      ? [metricsName, ModelFolder.generationName] + Tokenizers.fileNames + Tokenizers.chatTemplateNames : []
    guard let stranger = names.filter({ !leftovers.contains($0) }).sorted().first else { return }
    throw FileError(
      folder, at: "folder of the run", expected: "a new one, an empty one, or a run",
      found: "\(quoted(stranger)) in it", remedy: "choose another --out")
  }

  /// Removes what a run that was ended before its first checkpoint left of its tokenizer.
  static func removeLeftovers(_ folder: String) {
    for name in Tokenizers.parts(in: folder) + [ModelFolder.generationName] {
      try? FileManager.default.removeItem(atPath: folder + "/" + name)
    }
  }

  /// Writes a checkpoint.
  package static func save(_ trainer: Trainer, record: RunRecord, to folder: String) throws {
    try ModelFolder.makeFolder(folder)
    try Checkpoint.write(trainer, record: record, to: checkpointPath(folder))
    keep(record.settings.keptCheckpoints, in: folder, newest: record.steps)
    try saveModel(of: trainer, to: folder)
    try AtomicFile.write(try record.json(), to: folder + "/" + recordName)
  }

  /// Writes the model alone, as a folder that streams: the last weights, or their average where that is better.
  static func saveModel(of trainer: Trainer, to folder: String) throws {
    let tokenizer = trainer.sampler.mixture.parts[0].corpus.header.tokenizer
    var metadata = ["step": String(trainer.steps)]
    if trainer.tally.servesAverage { metadata["weights"] = "average" }
    try ModelFolder.save(
      trainer.servedModel, to: folder, metadata: metadata,
      tokenizer: ModelFolder.hasTokenizer(folder) ? tokenizer.sha256 : nil)
  }

  /// Puts the model, as the run has it, into the folder of the best one. What is there is whole at every moment: the folder
  /// comes into being in one step, and later only its weights are replaced, in one step.
  static func saveBest(of trainer: Trainer, to folder: String) throws {
    let best = folder + "/" + bestName
    if fileExists(best + "/" + ModelFolder.weightsName) { return try saveModel(of: trainer, to: best) }
    let files = FileManager.default, new = folder + "/." + bestName + ".new"
    try? files.removeItem(atPath: new)
    try ModelFolder.makeFolder(new)
    // What makes of weights a model that reads and writes text lies beside the run's.
    let names = Tokenizers.parts(in: folder) + [ModelFolder.generationName]
    for name in names where fileExists(folder + "/" + name) {
      try files.copyItem(atPath: folder + "/" + name, toPath: new + "/" + name)
    }
    try saveModel(of: trainer, to: new)
    guard rename(new, best) == 0 else {
      throw FileError.system(
        best, "path", expected: "a place for the best model", remedy: "move away what stands there")
    }
  }

  /// The step of the model in the folder of the best one; nil where there is none.
  package static func bestStep(_ folder: String) -> Int? {
    let weights = try? SafetensorsFile(folder + "/" + bestName + "/" + ModelFolder.weightsName)
    return weights?.metadata["step"].flatMap { Int($0) }
  }

  /// Links the newest checkpoint to its name by step, and removes the oldest of more than `count` and those of later steps
  /// than the run is at.
  private static func keep(_ count: Int, in folder: String, newest: Int) {
    if count > 1 {
      let (path, kept) = (checkpointPath(folder), checkpointPath(folder, at: newest))
      unlink(kept)
      // Where the file system has no hard links, a copy does.
      if link(path, kept) != 0 { try? FileManager.default.copyItem(atPath: path, toPath: kept) }
    }
    let steps = keptSteps(folder), past = steps.filter { $0 <= newest }
    for step in steps where !past.suffix(count > 1 ? count : 0).contains(step) {
      unlink(checkpointPath(folder, at: step))
    }
  }

  /// The record of the newest checkpoint in a folder.
  ///
  /// - Throws: `FileError` where there is none, or it is damaged.
  public static func record(_ folder: String) throws -> RunRecord { try Checkpoint(folder).record }

  /// A trainer at the newest checkpoint of a folder.
  ///
  /// - Parameters:
  ///   - corpora: those that the run began with.
  ///   - settings: what to change of the run's.
  /// - Throws: `FileError` where there is no checkpoint or it is damaged, ``TrainingError`` where the corpora are
  ///   others or a setting may not change.
  public static func resume(
    _ folder: String, corpora: CorpusMixture, settings: TrainingSettings? = nil
  ) throws -> Trainer {
    try Checkpoint(folder).resume(corpora: corpora, settings: settings)
  }

  /// Refuses to begin what the disk cannot keep.
  package static func checkSpace(for trainer: Trainer, in folder: String) throws {
    let settings = trainer.settings, text = TrainingMemory.text
    let checkpoint = Checkpoint.byteCount(of: trainer), model = 4 * trainer.model.parameterCount
    if let limit = DiskSpace.largestFile, limit < checkpoint {
      throw TrainingError(
        "a checkpoint of this run is a file of \(text(checkpoint)), and this process may write files of at most "
          + "\(text(limit)); raise the limit (ulimit -f)")
    }
    func size(_ name: String) -> Int { (try? InputFile(folder + "/" + name).size) ?? 0 }
    // What is there is replaced; a new checkpoint is written beside those that are kept.
    let needed = (settings.keptCheckpoints + 1) * checkpoint + (settings.keepBest ? 2 : 1) * model
    let present =
      size(optimizerName) * max(1, keptSteps(folder).count) + size(ModelFolder.weightsName)
      + size(bestName + "/" + ModelFolder.weightsName)
    guard let free = DiskSpace.free(at: folder), free < needed - present else { return }
    throw TrainingError(
      "the checkpoints of this run take \(text(needed)) on the disk of \(folder) (\(text(checkpoint)) each, and one more "
        + "while it is written), and \(text(free)) are free; free some space, keep fewer (--keep-checkpoints), or choose "
        + "another disk")
  }
}
