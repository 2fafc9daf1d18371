/// The loss of a model over a stretch of a corpus, in any form.

import Foundation
import RunnelCorpora
import RunnelModels
import RunnelRecurrences
import RunnelStreaming
import RunnelTensors

/// Scores the targets of stretches of a corpus; what it does not ask for is no target.
///
/// - Parameters:
///   - stretches: one, or several of one length, as ``evenStretches(of:limit:length:)`` gives them.
///   - lanes: how many stretches are read side by side, or parts of the only one; one lane gives every target of it its whole
///     context.
///   - length: tokens per piece, which bounds memory; `step` takes them one by one.
///   - carryState: whether the state goes on from piece to piece, or starts afresh in each.
///   - byteLengths: the bytes of every token of the vocabulary; nil where tokens are bytes.
///   - progress: called after every piece with the share that is done; what it throws ends the evaluation.
public func evaluate(
  _ model: some LanguageFunction, on corpus: Corpus, stretches: [Range<Int>], lanes: Int, length: Int,
  form: Form = .mix,
  resetAtDocuments: Bool = true, carryState: Bool = true, byteLengths: [Int]? = nil,
  progress: (Double) throws -> Void = { _ in }
) throws -> Score {
  let model = model.stream(packing: false)
  var score = Score()
  var walked = 0
  let total = stretches.reduce(0) { $0 + $1.count - 1 }
  func walk(_ segments: SequentialSegments) throws {
    var segments = segments
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
        walked += piece.inputs.count
        try progress(Double(walked) / Double(total))
      }
    }
  }
  if stretches.count == 1 {
    try walk(
      SequentialSegments(
        corpus, range: stretches[0], lanes: lanes, length: length, resetAtDocuments: resetAtDocuments))
  } else {
    for start in stride(from: 0, to: stretches.count, by: lanes) {
      let group = Array(stretches[start..<min(start + lanes, stretches.count)])
      try walk(
        SequentialSegments(corpus, stretches: group, length: length, resetAtDocuments: resetAtDocuments))
    }
  }
  return score
}

/// Stretches of one length that together have at most `limit` tokens, spread evenly over a range; the range itself where
/// it has no more. They are some pieces of `length` long, so that how little a model knows at their starts hardly counts.
public func evenStretches(of range: Range<Int>, limit: Int, length: Int) -> [Range<Int>] {
  guard range.count > limit else { return [range] }
  let size = max(2, min(limit, max(1, 4096 / length) * length))
  let count = max(1, limit / size), spare = range.count - count * size
  guard spare > 0 else { return [range] }
  return (0..<count).map {
    let start = range.lowerBound + $0 * size + Int(Double(spare) * (Double($0) + 0.5) / Double(count))
    return start..<start + size
  }
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
