/// How well a model answers a synthetic task: documents side by side, each from a fresh state, in any form.

import Foundation
import RunnelCorpora
import RunnelModels
import RunnelRecurrences
import RunnelStreaming
import RunnelTensors

/// A sum over documents of a task.
public struct AnswerScore: Sendable, Equatable {
  /// Over the tokens that were asked for.
  public var score = Score()
  /// How many of them the model held for the most probable.
  public var correct = 0
  /// Documents that were asked.
  public var documents = 0
  /// Documents all of whose answers were right.
  public var correctDocuments = 0
  /// Tokens that the model read.
  public var tokensRead = 0

  /// The sum over no documents.
  public init() {}
  /// The share of right answers; 0 where nothing was asked.
  public var accuracy: Double { Double(correct) / Double(max(1, score.tokens)) }
  /// The share of documents without a wrong answer; 0 without documents.
  public var documentAccuracy: Double { Double(correctDocuments) / Double(max(1, documents)) }
}

/// Asks a model for the answers in every document that lies in a range.
///
/// Documents run side by side as rows, the shorter ones on past their ends, where nothing is asked. Memory is that of
/// 8,192 tokens, however long a document is.
///
/// - Parameters:
///   - range: documents that begin or end outside it are left out.
///   - form: how the recurrence runs; `step` takes token by token.
///   - limit: about the most tokens looked at, one document at least. Where the range has more, documents are, spread
///     evenly over it.
///   - progress: called after every piece with the share that is done; what it throws ends the scoring.
/// - Throws: ``TrainingError`` where the corpus asks for nothing, `CorpusError` where a frame is damaged,
///   `NonFiniteNumbers` where the model's scores are not finite.
public func scoreAnswers(
  of model: some LanguageFunction, on corpus: Corpus, range: Range<Int>, form: Form = .mix, limit: Int = .max,
  progress: (Double) throws -> Void = { _ in }
) throws -> AnswerScore {
  guard let task = corpus.task else {
    throw TrainingError(
      "\(corpus.path) is of no task that asks for answers; make one with `runnel corpus synth`")
  }
  let model = model.stream(packing: false)
  let documents = try wholeDocuments(of: corpus, in: range, limit: limit)
  let tokens = documents.reduce(0) { $0 + $1.count }
  var total = AnswerScore()
  var group: [Range<Int>] = []
  func finish() throws {
    let read = total.tokensRead
    if !group.isEmpty {
      try total.add(group, of: task, model, corpus, form) {
        try progress(Double(read + $0) / Double(tokens))
      }
    }
    group.removeAll(keepingCapacity: true)
  }
  for document in documents {
    let longest = max(document.count, group.map(\.count).max() ?? 0)
    if (group.count + 1) * longest > tokensAtOnce { try finish() }
    group.append(document)
  }
  try finish()
  return total
}

/// The documents that lie in a range; where they have more than `limit` tokens, some, spread evenly.
private func wholeDocuments(of corpus: Corpus, in range: Range<Int>, limit: Int) throws -> [Range<Int>] {
  let first = corpus.documentStarts(in: range).startIndex
  var documents: [Range<Int>] = []
  for index in first..<max(first, corpus.documentCount) {
    let document = try corpus.documentRange(index)
    guard document.upperBound <= range.upperBound else { break }
    if !document.isEmpty { documents.append(document) }
  }
  let tokens = documents.reduce(0) { $0 + $1.count }
  guard tokens > limit else { return documents }
  let count = max(1, Int(Double(documents.count) * Double(limit) / Double(tokens)))
  return (0..<count).map { documents[Int((Double($0) + 0.5) * Double(documents.count) / Double(count))] }
}

private let tokensAtOnce = 8192

extension AnswerScore {
  /// Reads the documents of a group from fresh states, a piece of all of them at a time.
  ///
  /// - Parameter progress: called before every piece with the tokens of the group that were read.
  fileprivate mutating func add(
    _ group: [Range<Int>], of task: any SyntheticTask, _ model: StreamingModel, _ corpus: Corpus,
    _ form: Form, progress: (Int) throws -> Void
  ) throws {
    let rows = group.count
    // The last token of a document has no target.
    let length = max(1, (group.map(\.count).max() ?? 1) - 1)
    let run = form == .step ? 1 : form == .mix ? 512 : 1024
    var state = model.initialState(batch: rows)
    var isRight = [Bool](repeating: true, count: rows)
    for start in stride(from: 0, to: length, by: run) {
      try progress(rows * start)
      let n = min(run, length - start)
      var inputs = [Int32](repeating: 0, count: rows * n)
      var asked: [(place: Int32, target: Int32)] = []
      for (row, document) in group.enumerated() {
        let first = document.lowerBound + start
        let tokens = try corpus.read(
          min(first, document.upperBound)..<min(first + n + 1, document.upperBound))
        for (i, token) in tokens.enumerated() {
          if i < n { inputs[row * n + i] = token }
          if i > 0, task.asks(for: token, at: start + i, of: document.count, after: tokens[i - 1]) {
            asked.append((Int32(row * n + i - 1), token))
          }
        }
      }
      // A step changes the state in place.
      let before = n > 1 ? state : nil
      let hidden = model.hidden(inputs, batch: rows, form: form, resets: .none, state: &state)
      guard !asked.isEmpty else { continue }
      let answers = embedding(
        hidden.reshaped([rows * n, model.width]), ids: asked.map(\.place), shape: [asked.count])
      let logits = model.logits(ofHidden: answers)
      guard logits.isFinite else {
        throw model.nonFinite(inputs, batch: rows, form: form, state: before ?? state, seen: logits)
      }
      let targets = asked.map(\.target)
      score.add(crossEntropy(logits, targets: targets).perToken.scalars, of: targets)
      let scalars = logits.scalars
      for (i, answer) in asked.enumerated() {
        let own = scalars[i * model.vocabularySize..<(i + 1) * model.vocabularySize]
        if own.indices.max(by: { own[$0] < own[$1] }) == own.startIndex + Int(answer.target) {
          correct += 1
        } else {
          isRight[Int(answer.place) / n] = false
        }
      }
    }
    documents += rows
    correctDocuments += isRight.count { $0 }
    tokensRead += group.reduce(0) { $0 + $1.count }
  }
}
