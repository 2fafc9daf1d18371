/// The loss of a model over a stretch of a corpus, in any form.

import Foundation
import RunnelCorpora
import RunnelModels
import RunnelRecurrences
import RunnelStreaming
import RunnelTensors

/// Scores every target of a range once; what the corpus does not ask for is no target.
///
/// - Parameters:
///   - lanes: how many stretches are read side by side; one gives every target its whole context.
///   - length: tokens per piece, which bounds memory; `step` takes them one by one.
///   - carryState: whether the state goes on from piece to piece, or starts afresh in each.
///   - byteLengths: the bytes of every token of the vocabulary; nil where tokens are bytes.
///   - limit: the most tokens looked at.
public func evaluate(
  _ model: LanguageModel, on corpus: Corpus, range: Range<Int>, lanes: Int, length: Int, form: Form = .mix,
  resetAtDocuments: Bool = true, carryState: Bool = true, byteLengths: [Int]? = nil,
  limit: Int = .max
) throws -> Score {
  let range = range.lowerBound..<range.lowerBound + min(range.count, limit)
  let model = model.frozen()
  var segments = try SequentialSegments(
    corpus, range: range, lanes: lanes, length: length, resetAtDocuments: resetAtDocuments)
  var score = Score()
  var state = model.initialState(batch: 1)
  var rows = 0
  while let segment = try segments.next() {
    if rows != segment.lanes || !carryState { state = model.initialState(batch: segment.lanes) }
    rows = segment.lanes
    for piece in form == .step ? segment.tokens : [segment] {
      let losses = model.loss(
        piece.inputs, targets: piece.targets, batch: rows, form: form, resets: Resets(rows: piece.resets),
        state: &state)
      score.add(losses.perToken.scalars, of: piece.targets, lengths: byteLengths)
    }
  }
  return score
}

extension Segment {
  /// The same tokens in pieces of one per lane.
  fileprivate var tokens: [Segment] {
    (0..<length).map { t in
      var piece = Segment(lanes: lanes, length: 1)
      for lane in 0..<lanes {
        piece.inputs[lane] = inputs[lane * length + t]
        piece.targets[lane] = targets[lane * length + t]
        piece.resets[lane] = resets[lane].contains(t) ? [0] : []
      }
      return piece
    }
  }
}
