/// Loss and accuracy of a model in training on text that it is not trained on: of every corpus, and in the mean.

import RunnelCorpora
import RunnelModels
import RunnelRecurrences
import RunnelStreaming

/// What a validation found in one corpus of several; keys in `--json` are these in snake_case.
public struct CorpusValidation: Codable, Sendable, Equatable {
  /// The path of the corpus.
  public var corpus: String
  /// The corpus's share of the mixture.
  public var weight: Double
  /// Nats per token.
  public var loss: Double
  /// The share of right answers, where the corpus is of a task.
  public var accuracy: Double?
}

/// What a validation found. Means are by the weights of the corpora that have a validation split.
struct Validation: Sendable {
  /// One corpus.
  struct Part: Sendable {
    var path: String
    var weight: Double
    var score: Score
    /// The tokens that were looked at, and those of the split.
    var tokens, splitTokens: Int
    /// Where the corpus is of a task.
    var answers: AnswerScore?
  }

  /// At least one.
  var parts: [Part]

  var loss: Double { mean { $0.score.loss } ?? 0 }
  /// Nil for tasks and other tokens that stand for no known bytes.
  var bitsPerByte: Double? {
    mean { $0.answers == nil && $0.score.bytes > 0 ? $0.score.bitsPerByte : nil }
  }
  var accuracy: Double? { mean { $0.answers?.accuracy } }
  var documentAccuracy: Double? { mean { $0.answers?.documentAccuracy } }
  /// The tokens that were looked at, and those of the splits.
  var tokens: Int { parts.reduce(0) { $0 + $1.tokens } }
  var splitTokens: Int { parts.reduce(0) { $0 + $1.splitTokens } }

  /// Of every corpus, where there are several.
  var each: [CorpusValidation]? {
    guard parts.count > 1 else { return nil }
    return parts.map {
      CorpusValidation(
        corpus: $0.path, weight: $0.weight, loss: $0.score.loss, accuracy: $0.answers?.accuracy)
    }
  }

  /// The mean of what every part has; nil where one does not have it.
  private func mean(_ value: (Part) -> Double?) -> Double? {
    let values = parts.compactMap(value)
    guard values.count == parts.count else { return nil }
    if values.count == 1 { return values[0] }
    return zip(values, parts).reduce(0) { $0 + $1.0 * $1.1.weight } / parts.reduce(0) { $0 + $1.weight }
  }
}

extension Validation.Part {
  /// Scores a part's validation tokens with the settings of its training; a task is scored by its answers.
  ///
  /// - Parameters:
  ///   - limit: the most tokens looked at.
  ///   - progress: called often with the share that is done; what it throws ends the validation.
  init(
    _ model: LanguageModel, _ settings: TrainingSettings, _ part: CorpusMixture.Part, range: Range<Int>,
    limit: Int, byteLengths: [Int]?, form: Form, progress: (Double) throws -> Void
  ) throws {
    let corpus = part.corpus
    (path, weight, splitTokens) = (corpus.path, part.weight, range.count)
    if corpus.task != nil, corpus.targetChoice == .answers {
      let answers = try scoreAnswers(
        of: model, on: corpus, range: range, form: form, limit: limit, progress: progress)
      (score, self.answers, tokens) = (answers.score, answers, answers.tokensRead)
      return
    }
    let length = settings.carryState ? 256 : settings.segment
    let stretches = evenStretches(of: range, limit: limit, length: length)
    tokens = stretches.reduce(0) { $0 + $1.count }
    score = try evaluate(
      model, on: corpus, stretches: stretches, lanes: min(8, max(1, tokens / 4096)), length: length,
      form: form, resetAtDocuments: settings.resetAtDocuments, carryState: settings.carryState,
      byteLengths: byteLengths, progress: progress)
  }
}
