/// What a run writes: its checkpoints, the last one before an error ends it, and the marks of its texts.

import RunnelCheckpoints
import RunnelCorpora
import RunnelKernels
import RunnelModels
import RunnelText

extension TrainingRun {
  /// Writes a checkpoint of the last step, and the model.
  mutating func save() throws {
    let record = RunRecord(trainer, threads: WorkerPool.shared.threads)
    do { try RunFolder.save(trainer, record: record, to: folder) } catch {
      // The checkpoint is written first, and may be there without the files beside it, which the next save writes.
      if (try? RunFolder.record(folder).steps) == trainer.steps { savedStep = trainer.steps }
      throw error
    }
    (savedStep, isSaved) = (trainer.steps, true)
  }

  /// Saves before an error ends the run; what came of it. Numbers from which a step overflows are saved over none from which
  /// none did: whatever the learning rate, going on with them leads there again.
  mutating func lastSave(hasOverflowed: Bool) -> String {
    let before = savedStep.map { "\(folder) holds the run at step \($0)" } ?? "nothing is saved"
    guard !isSaved, !(hasOverflowed && RunFolder.exists(folder)), trainer.isFinite else {
      return before
    }
    do { try save() } catch { return "\(before): \(error)" }
    return "the run is saved in \(folder) at step \(trainer.steps)"
  }

  /// What to do after an overflow. From the checkpoint of the step before it, the same numbers meet the same data: no learning
  /// rate leads past it.
  var wayOn: String {
    guard let savedStep else { return "begin anew with a lower --learning-rate" }
    guard savedStep == trainer.steps else {
      return "go on from there with --resume and a lower --learning-rate"
    }
    let remedy =
      RunFolder.keptSteps(folder).last { $0 < savedStep }.map {
        "go back with --resume --resume-at \($0) and"
      }
      ?? "begin anew in another folder with"
    return "from there every learning rate leads to the same; \(remedy) a lower --learning-rate"
  }

  /// What begins and ends the texts of the corpora, if it is the same in all; else those of the model that the run began with.
  func marks(_ tokenizer: (any Tokenizer)?) throws -> TextMarks {
    let headers = trainer.sampler.mixture.parts.map(\.corpus.header)
    let marks = TextMarks(of: headers[0])
    if !marks.isEmpty, headers.allSatisfy({ TextMarks(of: $0) == marks }) { return marks }
    guard let origin = trainer.settings.origin else { return TextMarks() }
    return try ModelFolder.marks(of: trainer.model, at: origin, tokenizer: tokenizer, from: origin)
  }
}

extension TextMarks {
  /// A token behind every document ends texts; where one stands before it, or nothing else does, it begins them.
  fileprivate init(of header: CorpusHeader) {
    let end = header.endOfDocument ?? header.specialTokens?.after.last
    self.init(begin: header.specialTokens?.before.last ?? end, ends: Set([end].compactMap { $0 }))
  }
}
