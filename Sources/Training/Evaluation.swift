/// The loss of a model over a stretch of a corpus, in any form.

import Foundation
import RunnelCorpora
import RunnelModels
import RunnelRecurrences
import RunnelTensors

/// A sum over predicted tokens.
public struct Score: Sendable, Equatable {
  /// The sum of the cross-entropies in nats.
  public var nats = 0.0
  /// How many tokens were predicted.
  public var tokens = 0

  public init() {}
  /// Nats per token.
  public var loss: Double { tokens == 0 ? 0 : nats / Double(tokens) }
  public var perplexity: Double { exp(loss) }
  /// For a model of bytes: bits per token.
  public var bitsPerByte: Double { loss / log(2) }

  public mutating func add(_ losses: some Sequence<Float>) {
    for loss in losses {
      nats += Double(loss)
      tokens += 1
    }
  }
}

/// Scores every target of a range once, the state carried from piece to piece.
///
/// - Parameters:
///   - lanes: how many stretches are read side by side; one gives every target its whole context.
///   - length: tokens per piece, which bounds memory.
///   - limit: the most tokens looked at.
public func evaluate<M: Model>(
  _ model: M, on corpus: Corpus, range: Range<Int>, lanes: Int, length: Int, form: Form = .mix,
  resetAtDocuments: Bool = true, limit: Int = .max
) throws -> Score {
  let range = range.lowerBound..<range.lowerBound + min(range.count, limit)
  let model = model.frozen()
  var segments = try SequentialSegments(
    corpus, range: range, lanes: lanes, length: length, resetAtDocuments: resetAtDocuments)
  var score = Score()
  var state: M.State?
  var rows = 0
  while let segment = try segments.next() {
    var current = rows == segment.lanes ? state ?? model.initialState(batch: rows) : model.initialState(batch: segment.lanes)
    rows = segment.lanes
    state = nil
    let losses = model.loss(
      segment.inputs, targets: segment.targets, batch: rows, form: form, resets: Resets(rows: segment.resets),
      state: &current)
    score.add(losses.perToken.scalars)
    state = current
  }
  return score
}
