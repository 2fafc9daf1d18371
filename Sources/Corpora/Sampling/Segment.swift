// What a model is fed: inputs, targets, and where documents begin.

/// A rectangle of `lanes` parallel texts, `length` tokens each. Shape: [B T].
///
/// Lane b of one segment goes on where lane b of the segment before ended, so that the state may
/// be carried over; where it does not, `resets` says so.
public struct Segment: Sendable, Equatable {
  /// B.
  public let lanes: Int
  /// T.
  public let length: Int
  /// Row-major [B T].
  public var inputs: [Int32]
  /// Row-major [B T]: the token that follows each input; −1 where none is asked for.
  public var targets: [Int32]
  /// For each lane, ascending, the t in 0 ..< T *before* whose input the state must be reset.
  public var resets: [[Int]]

  package init(lanes: Int, length: Int) {
    (self.lanes, self.length) = (lanes, length)
    inputs = [Int32](repeating: 0, count: lanes * length)
    targets = inputs
    resets = [[Int]](repeating: [], count: lanes)
  }

  /// Fills lane `lane` from place `t` on with the inputs `positions` of `corpus` and their targets.
  ///
  /// - Parameter endsDocument: whether the last input has no target, as nothing is predicted across
  ///   the end of its document.
  mutating func fill(
    lane: Int, at t: Int, from corpus: Corpus, _ positions: Range<Int>, isStart: Bool,
    endsDocument: Bool = false, resetAtDocuments: Bool
  ) throws {
    let n = positions.count
    let place = lane * length + t
    try inputs.withUnsafeMutableBufferPointer {
      try corpus.read(positions, into: UnsafeMutableBufferPointer(rebasing: $0[place..<place + n]))
    }
    for i in place..<place + n - 1 { targets[i] = inputs[i + 1] }
    try targets.withUnsafeMutableBufferPointer { targets in
      let last = UnsafeMutableBufferPointer(rebasing: targets[place + n - 1..<place + n])
      if endsDocument {
        last[0] = -1
      } else {
        try corpus.read(positions.upperBound..<positions.upperBound + 1, into: last)
      }
      let asked = endsDocument ? positions.dropLast() : positions
      inputs.withUnsafeBufferPointer { inputs in
        corpus.mask(
          UnsafeMutableBufferPointer(rebasing: targets[place..<place + asked.count]),
          after: UnsafeBufferPointer(rebasing: inputs[place..<place + asked.count]), at: asked)
      }
    }
    if isStart { resets[lane].append(t) }
    guard resetAtDocuments else { return }
    for start in corpus.documentStarts(in: positions) {
      let reset = t + start - positions.lowerBound
      if resets[lane].last != reset { resets[lane].append(reset) }
    }
  }

  /// Leaves lane `lane` without targets from place `t` on.
  mutating func leave(lane: Int, from t: Int) {
    for i in lane * length + t..<(lane + 1) * length { targets[i] = -1 }
  }
}
