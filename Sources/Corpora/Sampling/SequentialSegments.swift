// Evaluation data: one walk over a range or over a sample of it, every target once.

/// Walks the targets of stretches of a corpus side by side, each target once.
///
/// Of a range of n tokens all N = n − 1 targets are walked, in order, in B lanes: lane b walks the ⌊N / B⌋ positions from
/// b·⌊N / B⌋ on; the last piece of the lanes may be shorter. The fewer than B targets left over come last as one lane of
/// their own. With one lane every target is seen with all its context; with more, B − 1 stretches start without any.
///
/// When `Segment.lanes` changes, begin with a fresh state.
public struct SequentialSegments: Sendable {
  /// T; pieces are at most this long.
  public let length: Int
  /// Whether documents inside a lane reset the state.
  public let resetAtDocuments: Bool
  private let corpus: Corpus
  /// The first position of each lane; all walk equally far.
  private let starts: [Int]
  private let stretch: Int
  /// Positions that come last, in a lane of their own.
  private let leftOver: Range<Int>
  private var position = 0  // walked per lane, then on through the left-over targets

  /// A walk over `range`, by default the validation split.
  ///
  /// - Throws: `CorpusError` when the range is not in the corpus or has fewer than two tokens.
  public init(
    _ corpus: Corpus, range: Range<Int>? = nil, lanes: Int = 1, length: Int,
    resetAtDocuments: Bool = true
  ) throws {
    precondition(lanes > 0 && length > 0, "a segment of [\(lanes) \(length)] tokens is empty")
    let range = range ?? corpus.range(of: .validation)
    try corpus.checkForTargets(range)
    (self.corpus, self.length, self.resetAtDocuments) = (corpus, length, resetAtDocuments)
    let lanes = min(lanes, range.count - 1), stretch = (range.count - 1) / lanes
    self.stretch = stretch
    starts = (0..<lanes).map { range.lowerBound + $0 * stretch }
    leftOver = range.lowerBound + lanes * stretch..<range.upperBound - 1
  }

  /// A walk over stretches of one length, a lane for each.
  ///
  /// - Throws: `CorpusError` when a stretch is not in the corpus or has fewer than two tokens.
  public init(
    _ corpus: Corpus, stretches: [Range<Int>], length: Int, resetAtDocuments: Bool = true
  ) throws {
    let count = stretches.first?.count ?? 0
    precondition(
      length > 0 && stretches.allSatisfy { $0.count == count },
      "stretches of \(stretches.map(\.count)) tokens in pieces of \(length); they must be of one length")
    for stretch in stretches { try corpus.checkForTargets(stretch) }
    (self.corpus, self.length, self.resetAtDocuments) = (corpus, length, resetAtDocuments)
    (starts, stretch, leftOver) = (stretches.map(\.lowerBound), max(0, count - 1), 0..<0)
  }

  /// B.
  public var lanes: Int { starts.count }

  /// The number of targets in the whole walk.
  public var targetCount: Int { lanes * stretch + leftOver.count }

  /// The next piece, or nil at the end. Shape: [B t], t ≤ T; the left-over targets [1 t].
  ///
  /// - Throws: `CorpusError` when a frame is damaged.
  public mutating func next() throws -> Segment? {
    let isLeftOver = position >= stretch
    let run = min(length, (isLeftOver ? leftOver.count + stretch : stretch) - position)
    guard run > 0 else { return nil }
    var segment = Segment(lanes: isLeftOver ? 1 : lanes, length: run)
    for lane in 0..<segment.lanes {
      let first = isLeftOver ? leftOver.lowerBound + position - stretch : starts[lane] + position
      try segment.fill(
        lane: lane, at: 0, from: corpus, first..<first + run,
        isStart: position == 0 || position == stretch, resetAtDocuments: resetAtDocuments)
    }
    position += run
    return segment
  }
}
