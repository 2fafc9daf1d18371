// Training data: B lanes of contiguous text, endlessly, from a cursor that can be saved.

/// Cuts a range of tokens into parallel lanes and walks them for ever.
///
/// A range of n tokens has N = n − 1 positions (inputs with a target), taken as a ring. In epoch e
/// lane b walks the L = max(1, ⌊N / B⌋) positions from b·L + shift(e) on, modulo N, and then goes
/// on with epoch e + 1: all lanes at the same time. shift(0) = 0; later shifts are drawn from the
/// seed, so that segments fall differently in every epoch. An epoch leaves out fewer than B
/// positions. Lanes reset where a stretch begins, where the ring closes, and at documents.
///
/// The whole of the sampler's state is the number of tokens walked per lane. Memory: none but the
/// corpus's cache, for which one frame per lane is right.
public struct LaneSampler: Sendable {
  /// The sampler's place, to be stored with a checkpoint.
  public struct Cursor: Codable, Sendable, Equatable {
    /// Tokens walked per lane.
    public var position: Int
    public var seed: UInt64
    public var lanes: Int
    /// The first token of the range.
    public var start: Int
    /// The end of the range.
    public var end: Int
  }

  /// B.
  public let lanes: Int
  /// T.
  public let length: Int
  /// The tokens sampled.
  public let range: Range<Int>
  public let seed: UInt64
  public let resetAtDocuments: Bool
  private let corpus: Corpus
  private var position = 0

  /// A sampler at the start of `range`, by default the training split.
  ///
  /// - Parameters:
  ///   - lanes: B, at least 1; lanes overlap where the range is shorter.
  ///   - length: T, at least 1.
  /// - Throws: `CorpusError` when the range is not in the corpus or has fewer than two tokens.
  public init(
    _ corpus: Corpus, range: Range<Int>? = nil, lanes: Int, length: Int, seed: UInt64 = 0,
    resetAtDocuments: Bool = true
  ) throws {
    precondition(lanes > 0 && length > 0, "a segment of [\(lanes) \(length)] tokens is empty")
    self.range = range ?? corpus.range(of: .train)
    try corpus.checkForTargets(self.range)
    (self.corpus, self.lanes, self.length) = (corpus, lanes, length)
    (self.seed, self.resetAtDocuments) = (seed, resetAtDocuments)
  }

  /// Positions that each lane walks in an epoch.
  public var stretch: Int { max(1, (range.count - 1) / lanes) }

  /// Whole epochs walked.
  public var epoch: Int { position / stretch }

  /// The place from which another sampler of the same settings goes on exactly.
  public var cursor: Cursor {
    Cursor(
      position: position, seed: seed, lanes: lanes, start: range.lowerBound,
      end: range.upperBound)
  }

  /// Goes to a stored place.
  ///
  /// - Throws: `CorpusError` when the cursor belongs to a sampler of another seed, lanes or range.
  public mutating func restore(_ cursor: Cursor) throws {
    var here = self.cursor
    here.position = cursor.position
    guard cursor == here, cursor.position >= 0 else {
      throw CorpusError(
        corpus.path,
        "the saved place is for \(cursor.lanes) lanes over tokens "
          + "\(cursor.start)..<\(cursor.end) with seed \(cursor.seed), but this run has \(lanes) "
          + "over \(range.lowerBound)..<\(range.upperBound) with seed \(seed); resume unchanged")
    }
    position = cursor.position
  }

  /// The next segment, always full. Shape: [B T].
  ///
  /// - Throws: `CorpusError` when a frame is damaged; the sampler then stays where it was.
  public mutating func next() throws -> Segment {
    var segment = Segment(lanes: lanes, length: length)
    let ring = range.count - 1
    for lane in 0..<lanes {
      var t = 0
      while t < length {
        let (epoch, step) = (position + t).quotientAndRemainder(dividingBy: stretch)
        let place = (lane * stretch + shift(epoch) + step) % ring
        let run = min(length - t, stretch - step, ring - place)
        let first = range.lowerBound + place
        try segment.fill(
          lane: lane, at: t, from: corpus, first..<first + run, isStart: step == 0 || place == 0,
          resetAtDocuments: resetAtDocuments)
        t += run
      }
    }
    position += length
    return segment
  }

  /// How far epoch e is turned around the ring.
  private func shift(_ epoch: Int) -> Int {
    guard epoch > 0 else { return 0 }
    var generator = SplitMix64(seed: seed ^ UInt64(epoch) &* 0xD6E8_FEB8_6659_FD93)
    return generator.next(below: range.count - 1)
  }
}

extension Corpus {
  /// Throws unless `range` lies inside and holds a token and its target.
  func checkForTargets(_ range: Range<Int>) throws {
    try check(range)
    guard range.count >= 2 else {
      throw CorpusError(
        path,
        "tokens \(range.lowerBound)..<\(range.upperBound) are too few to predict any: "
          + "a split needs two; build the corpus with more text or another validation fraction")
    }
  }
}
