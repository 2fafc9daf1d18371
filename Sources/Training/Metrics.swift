/// The course of a run, line by line.

import Foundation
import RunnelCheckpoints
import RunnelFiles

/// `metrics.jsonl`: one object a line. Lines after the checkpoint that a run resumes from are dropped, and those that cannot
/// be read. A line that cannot be written ends nothing: it waits, and is tried again with the next.
struct Metrics: ~Copyable {
  /// Lines of an earlier session that were no JSON.
  private(set) var damagedLines = 0
  /// Why the lines that wait could not be written.
  var failure: FileError? { waiting.failure }
  private var file: AppendFile
  private var waiting = WaitingLines()
  /// The steps of whose validation there is a line: the one at the end, and the newest on the way.
  private var finalStep, validatedStep: Int?

  /// What an earlier line is told by.
  private struct Line: Decodable {
    let step: Int
    let setting: String?
    let is_final: Bool?
    let validation_loss: Double?
  }

  /// - Parameters:
  ///   - step: that of the checkpoint from which the run goes on.
  ///   - changes: of settings, of the whole run.
  init(folder: String, upTo step: Int = 0, changes: [SettingChange] = []) throws {
    try ModelFolder.makeFolder(folder)
    let path = folder + "/" + RunFolder.metricsName
    var kept: [UInt8] = []
    var isWhole = false
    if step > 0, fileExists(path) {
      let input = try InputFile(path), bytes = try input.bytes(at: 0, count: input.size)
      let lines = bytes.split(separator: 0x0A)
      for (i, bytes) in lines.enumerated() {
        guard let line = try? JSONDecoder().decode(Line.self, from: Data(bytes)) else {
          // The last line of a killed process may be cut.
          if i < lines.count - 1 || input.size > bytes.endIndex { damagedLines += 1 }
          continue
        }
        // Changes at this step are those of the checkpoint and of this session.
        guard line.step <= step, line.step < step || line.setting == nil else { continue }
        if line.is_final ?? false {
          finalStep = line.step
        } else if line.validation_loss != nil {
          validatedStep = line.step
        }
        kept += bytes + [0x0A]
      }
      isWhole = kept.count == input.size
    }
    if !isWhole { try AtomicFile.write(kept, to: path) }
    file = try AppendFile(path)
    for change in changes where change.step == step { write(change, step: step) }
  }

  private mutating func write(_ entry: some Encodable, step: Int) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    // Numbers that JSON does not have come to no line.
    guard let line = try? encoder.encode(entry) else { return }
    waiting.add(Array(line), step: step)
    flush()
  }

  private mutating func flush() {
    waiting.flush { bytes throws(FileError) in try file.append(bytes) }
  }

  /// A last try; says how many lines are lost.
  mutating func finish() throws {
    flush()
    guard let failure else { return }
    throw TrainingError(
      "\(counted(waiting.count, "line")) of \(RunFolder.metricsName) could not be written: \(failure)")
  }

  private struct Entry: Encodable {
    var step, tokens: Int
    var seconds: Double
    var loss, learning_rate, gradient_norm: Double?
    var validation_loss, bits_per_byte, validation_accuracy, validation_document_accuracy: Double?
    var average_validation_loss, average_bits_per_byte: Double?
    var validation_tokens, validation_split_tokens: Int?
    var validation: [CorpusValidation]?
    /// Whether it is the validation at the end of the budget.
    var is_final: Bool?
    /// Whether the step moved nothing.
    var is_skipped: Bool?
  }

  mutating func add(_ step: StepReport, trainer: Trainer) {
    write(
      Entry(
        step: trainer.steps, tokens: trainer.tokens, seconds: trainer.seconds, loss: step.loss,
        learning_rate: step.learningRate, gradient_norm: step.gradientNorm,
        is_skipped: step.isSkipped ? true : nil), step: trainer.steps)
  }

  /// A validation may be made anew when a run is resumed, and its line stands already.
  mutating func add(
    _ validation: Validation, average: Validation?, trainer: Trainer, isFinal: Bool = false
  ) {
    guard (isFinal ? finalStep : validatedStep) != trainer.steps else { return }
    write(
      Entry(
        step: trainer.steps, tokens: trainer.tokens, seconds: trainer.seconds,
        validation_loss: validation.loss, bits_per_byte: validation.bitsPerByte,
        validation_accuracy: validation.accuracy,
        validation_document_accuracy: validation.documentAccuracy,
        average_validation_loss: average?.loss, average_bits_per_byte: average?.bitsPerByte,
        validation_tokens: validation.tokens,
        validation_split_tokens: validation.splitTokens, validation: validation.each,
        is_final: isFinal ? true : nil), step: trainer.steps)
  }
}
