/// The loss of a model over a stretch of a corpus, in any form.

import Foundation
import RunnelCorpora
import RunnelModels
import RunnelRecurrences
import RunnelStreaming
import RunnelTensors

/// Scores every target of a range once, the state carried from piece to piece.
///
/// - Parameters:
///   - lanes: how many stretches are read side by side; one gives every target its whole context.
///   - length: tokens per piece, which bounds memory; `step` takes them one by one.
///   - limit: the most tokens looked at.
public func evaluate<M: Model>(
  _ model: M, on corpus: Corpus, range: Range<Int>, lanes: Int, length: Int, form: Form = .mix,
  resetAtDocuments: Bool = true, limit: Int = .max
) throws -> Score {
  let range = range.lowerBound..<range.lowerBound + min(range.count, limit)
  let model = model.frozen()
  var segments = try SequentialSegments(
    corpus, range: range, lanes: lanes, length: form == .step ? 1 : length, resetAtDocuments: resetAtDocuments)
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
