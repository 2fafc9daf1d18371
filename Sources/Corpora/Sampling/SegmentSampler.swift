// Training data: segments without end, from a place that can be saved.

/// Reads a mixture of corpora in lanes, each unit of text once an epoch.
///
/// Each lane reads a unit (`SamplingStrategy` says what that is) from its start to its end and
/// then takes the next one: from the corpus that its weight calls for, and there the next of that
/// corpus's order. A lane resets where a unit starts, at documents if asked to, and where a
/// stretch passes the end of its range and goes on at the beginning.
///
/// A sampler is a value: what `next` returns depends on its settings and its `cursor` alone, so a
/// restored one goes on with the bits of the original. Memory: none but the corpora's caches, for
/// which one frame per lane is right.
public struct SegmentSampler: Sendable {
  /// What is sampled, and in which shares.
  public let mixture: CorpusMixture
  /// What a unit is.
  public let strategy: SamplingStrategy
  /// B.
  public let lanes: Int
  /// T.
  public let length: Int
  /// Decides the order of units.
  public let seed: UInt64
  /// Whether documents inside a unit reset the state.
  public let resetAtDocuments: Bool

  /// One for every part of the mixture.
  let orders: [UnitOrder]
  /// Of every part, the units that lanes have taken.
  var taken: [Int]
  /// Of every part, the positions in these units.
  var assigned: [Int]
  /// What each lane is in the middle of.
  var places: [Place?]

  /// A place in a unit.
  public struct Place: Codable, Sendable, Equatable {
    /// The part of the mixture.
    public var part: Int
    /// The number of the unit in its corpus's endless order.
    public var unit: Int
    /// Positions of it that have been read.
    public var offset: Int

    package init(part: Int, unit: Int, offset: Int) {
      (self.part, self.unit, self.offset) = (part, unit, offset)
    }
  }

  /// Stretches of a mixture, in segments.
  static let stretchSegments = 32

  /// A sampler at the start of the training splits.
  ///
  /// - Parameters:
  ///   - range: of a mixture's only corpus, the tokens to sample instead of the training split.
  ///   - lanes: B, at least 1; lanes overlap where the text is shorter.
  ///   - length: T, at least 1.
  ///   - resetAtDocuments: whether documents inside a stretch reset the state.
  /// - Throws: `CorpusError` when a range is not in its corpus or has nothing to predict.
  public init(
    _ mixture: CorpusMixture, strategy: SamplingStrategy = .lanes, range: Range<Int>? = nil,
    lanes: Int, length: Int, seed: UInt64 = 0, resetAtDocuments: Bool = true
  ) throws {
    precondition(lanes > 0 && length > 0, "a segment of [\(lanes) \(length)] tokens is empty")
    precondition(range == nil || mixture.parts.count == 1, "a range of which corpus?")
    (self.mixture, self.strategy, self.lanes, self.length) = (mixture, strategy, lanes, length)
    (self.seed, self.resetAtDocuments) = (seed, resetAtDocuments)
    orders = try mixture.parts.enumerated().map { index, part in
      let corpus = part.corpus, range = range ?? corpus.range(of: .train)
      // Corpora of one mixture are shuffled each in its own way.
      let seed = seed ^ UInt64(index) &* 0xA076_1D64_78BD_642F
      switch strategy {
      case .lanes where mixture.parts.count == 1:
        return try UnitOrder(corpus, range: range, lanes: lanes, seed: seed)
      case .lanes:
        return try UnitOrder(
          corpus, range: range, length: length * Self.stretchSegments, seed: seed)
      case .segments: return try UnitOrder(corpus, range: range, length: length, seed: seed)
      case .documents: return try UnitOrder(documentsOf: corpus, range: range, seed: seed)
      }
    }
    taken = [Int](repeating: 0, count: orders.count)
    assigned = taken
    places = [Place?](repeating: nil, count: lanes)
  }

  /// A sampler of one corpus; the parameters are those of a mixture's.
  ///
  /// - Throws: `CorpusError` when a range is not in the corpus or has nothing to predict.
  public init(
    _ corpus: Corpus, strategy: SamplingStrategy = .lanes, range: Range<Int>? = nil, lanes: Int,
    length: Int, seed: UInt64 = 0, resetAtDocuments: Bool = true
  ) throws {
    try self.init(
      CorpusMixture(corpus), strategy: strategy, range: range, lanes: lanes, length: length,
      seed: seed, resetAtDocuments: resetAtDocuments)
  }

  /// Of every corpus, the epochs that have been read to their end.
  public var epochs: [Int] {
    orders.indices.map { part in
      let open = places.compactMap { $0?.part == part ? $0?.unit : nil }.min()
      return min(taken[part], open ?? .max) / orders[part].count
    }
  }

  /// The epochs that have been read to their end of every corpus.
  public var epoch: Int { epochs.min() ?? 0 }

  /// The next segment, always of full size. Shape: [B T].
  ///
  /// With `segments`, what is left of a row after an epoch's shorter last segment has no targets.
  ///
  /// - Throws: `CorpusError` when a frame is damaged; the sampler then stays where it was.
  public mutating func next() throws -> Segment {
    var after = self
    var segment = Segment(lanes: lanes, length: length)
    for lane in 0..<lanes {
      var t = 0
      while t < length {
        if after.places[lane] == nil, strategy == .segments, t > 0 {
          segment.leave(lane: lane, from: t)
          break
        }
        var place = after.places[lane] ?? after.take()
        let order = orders[place.part]
        let piece = order.piece(of: place.unit, from: place.offset, limit: length - t)
        try segment.fill(
          lane: lane, at: t, from: order.corpus, piece.positions, isStart: piece.isStart,
          endsDocument: piece.endsDocument, resetAtDocuments: resetAtDocuments)
        t += piece.positions.count
        place.offset += piece.positions.count
        after.places[lane] = place.offset < order.length(of: place.unit) ? place : nil
      }
    }
    self = after
    return segment
  }

  /// Takes the next unit that is not empty.
  private mutating func take() -> Place {
    let part = duePart()
    while true {
      let unit = taken[part]
      taken[part] += 1
      let length = orders[part].length(of: unit)
      if length > 0 {
        assigned[part] += length
        return Place(part: part, unit: unit, offset: 0)
      }
    }
  }

  /// The part of the mixture whose turn it is.
  ///
  /// Tijdeman's rule for the chairman assignment problem (1980): of the parts that are due by at
  /// least δ = 1 / (2m − 2) of a unit, the one that would soonest be a unit short. With units of one
  /// size each of m parts then always has its share to within 1 − δ units.
  private func duePart() -> Int {
    let m = orders.count
    guard m > 1 else { return 0 }
    let unit = Double(orders.reduce(0) { $0 + $1.typicalLength }) / Double(m)
    let total = Double(assigned.reduce(0, +)) + unit
    let least = 1 / Double(2 * m - 2)
    let due = (0..<m).map { (mixture.parts[$0].weight * total - Double(assigned[$0])) / unit }
    func deadline(_ part: Int) -> Double { (1 - least - due[part]) / mixture.parts[part].weight }
    let eligible = (0..<m).filter { due[$0] >= least }
    return eligible.min { deadline($0) < deadline($1) } ?? (0..<m).max { due[$0] < due[$1] } ?? 0
  }
}
