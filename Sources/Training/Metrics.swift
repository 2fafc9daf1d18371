/// The course of a run, line by line.

import Foundation
import RunnelCheckpoints
import RunnelFiles

/// `metrics.jsonl`: one object a line. Lines after the checkpoint that a run resumes from are dropped.
struct Metrics {
  private let file: FileHandle

  init(folder: String, upTo step: Int) throws {
    try ModelFolder.makeFolder(folder)
    let path = folder + "/" + RunFolder.metricsName
    struct Line: Decodable { let step: Int }
    var kept = ""
    if step > 0, let text = try? String(contentsOfFile: path, encoding: .utf8) {
      for line in text.split(separator: "\n") {
        guard let entry = try? JSONDecoder().decode(Line.self, from: Data(line.utf8)), entry.step <= step
        else {
          continue
        }
        kept += line + "\n"
      }
    }
    try AtomicFile.write(kept, to: path)
    guard let file = FileHandle(forWritingAtPath: path) else {
      throw TrainingError("\(path) cannot be opened for writing; choose another folder for --out")
    }
    file.seekToEndOfFile()
    self.file = file
  }

  private func write(_ entry: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    try file.write(contentsOf: try encoder.encode(entry) + Data("\n".utf8))
  }

  private struct Entry: Encodable {
    var step, tokens: Int
    var seconds: Double
    var loss, learning_rate, gradient_norm: Double?
    var validation_loss, bits_per_byte, validation_accuracy, validation_document_accuracy: Double?
    var validation_tokens, validation_split_tokens: Int?
    var validation: [CorpusValidation]?
  }

  mutating func add(_ step: StepReport, trainer: Trainer) throws {
    try write(
      Entry(
        step: trainer.steps, tokens: trainer.tokens, seconds: trainer.seconds, loss: step.loss,
        learning_rate: step.learningRate, gradient_norm: step.gradientNorm))
  }

  mutating func add(_ validation: Validation, trainer: Trainer) throws {
    try write(
      Entry(
        step: trainer.steps, tokens: trainer.tokens, seconds: trainer.seconds,
        validation_loss: validation.loss, bits_per_byte: validation.bitsPerByte,
        validation_accuracy: validation.accuracy,
        validation_document_accuracy: validation.documentAccuracy, validation_tokens: validation.tokens,
        validation_split_tokens: validation.splitTokens, validation: validation.each))
  }
}
