// Evaluation data: one walk over a range, every target once.

/// Walks the N = n − 1 targets of a range of n tokens once, in order, in B lanes.
///
/// Lane b walks the ⌊N / B⌋ positions from b·⌊N / B⌋ on; the last piece of the lanes may be
/// shorter. The fewer than B targets left over come last as one lane of their own. With one lane
/// every target is seen with all its context; with more, B − 1 stretches start without any.
///
/// When `Segment.lanes` changes, begin with a fresh state.
public struct SequentialSegments: Sendable {
  /// B.
  public let lanes: Int
  /// T; pieces are at most this long.
  public let length: Int
  public let range: Range<Int>
  public let resetAtDocuments: Bool
  private let corpus: Corpus
  private var position = 0  // walked per lane, then on through the left-over targets

  /// A walk over `range`, by default the validation split.
  ///
  /// - Throws: `CorpusError` when the range is not in the corpus or has fewer than two tokens.
  public init(
    _ corpus: Corpus, range: Range<Int>? = nil, lanes: Int = 1, length: Int,
    resetAtDocuments: Bool = true
  ) throws {
    precondition(lanes > 0 && length > 0, "a segment of [\(lanes) \(length)] tokens is empty")
    self.range = range ?? corpus.range(of: .validation)
    try corpus.checkForTargets(self.range)
    (self.corpus, self.resetAtDocuments) = (corpus, resetAtDocuments)
    (self.lanes, self.length) = (min(lanes, self.range.count - 1), length)
  }

  /// The number of targets in the whole walk.
  public var targetCount: Int { range.count - 1 }

  /// The next piece, or nil at the end. Shape: [B t], t ≤ T; the left-over targets [1 t].
  ///
  /// - Throws: `CorpusError` when a frame is damaged.
  public mutating func next() throws -> Segment? {
    let stretch = targetCount / lanes
    let isLeftOver = position >= stretch
    let walked = isLeftOver ? lanes * stretch + position - stretch : position
    let run = min(length, (isLeftOver ? targetCount : stretch) - walked)
    guard run > 0 else { return nil }
    var segment = Segment(lanes: isLeftOver ? 1 : lanes, length: run)
    for lane in 0..<segment.lanes {
      let first = range.lowerBound + lane * stretch + walked
      try segment.fill(
        lane: lane, at: 0, from: corpus, first..<first + run,
        isStart: position == 0 || position == stretch, resetAtDocuments: resetAtDocuments)
    }
    position += run
    return segment
  }
}
