// The place of a sampler, as it is stored with a checkpoint.

extension SegmentSampler {
  /// Everything that decides what a sampler gives next; a few dozen bytes per lane.
  public struct Cursor: Codable, Sendable, Equatable {
    /// The place in one corpus.
    public struct Part: Codable, Sendable, Equatable {
      /// Which corpus it is; a cursor is refused for another.
      public var fingerprint: CorpusFingerprint
      /// Its share of the tokens; the shares of all parts sum to one.
      public var weight: Double
      /// The first token of the range.
      public var start: Int
      /// The end of the range.
      public var end: Int
      /// Units that lanes have taken.
      public var taken: Int
      /// Positions in these units.
      public var assigned: Int

      package init(
        fingerprint: CorpusFingerprint, weight: Double, start: Int, end: Int, taken: Int,
        assigned: Int
      ) {
        (self.fingerprint, self.weight) = (fingerprint, weight)
        (self.start, self.end, self.taken, self.assigned) = (start, end, taken, assigned)
      }
    }

    /// The sampler's settings; a cursor is refused by a sampler of others.
    public var strategy: SamplingStrategy
    /// B and T of its segments.
    public var lanes, length: Int
    /// Decides the order of units.
    public var seed: UInt64
    /// Whether documents inside a unit reset the state.
    public var resetAtDocuments: Bool
    /// The place in each corpus of the mixture, in its order.
    public var parts: [Part]
    /// What each lane is in the middle of.
    public var places: [Place?]

    package init(
      strategy: SamplingStrategy, lanes: Int, length: Int, seed: UInt64, resetAtDocuments: Bool,
      parts: [Part], places: [Place?]
    ) {
      (self.strategy, self.lanes, self.length, self.seed) = (strategy, lanes, length, seed)
      (self.resetAtDocuments, self.parts, self.places) = (resetAtDocuments, parts, places)
    }

    enum CodingKeys: String, CodingKey {
      case strategy, lanes, length, seed, parts, places
      case resetAtDocuments = "reset_at_documents"
    }
  }

  /// The place from which another sampler of the same settings goes on exactly.
  public var cursor: Cursor {
    Cursor(
      strategy: strategy, lanes: lanes, length: length, seed: seed,
      resetAtDocuments: resetAtDocuments,
      parts: orders.indices.map {
        Cursor.Part(
          fingerprint: orders[$0].corpus.fingerprint, weight: mixture.parts[$0].weight,
          start: orders[$0].range.lowerBound, end: orders[$0].range.upperBound, taken: taken[$0],
          assigned: assigned[$0])
      }, places: places)
  }

  /// Goes to a stored place.
  ///
  /// - Throws: `CorpusError` when the cursor is of other settings or other corpora, or is no place
  ///   that a sampler comes to; the sampler then stays where it was.
  public mutating func restore(_ cursor: Cursor) throws {
    let here = self.cursor
    try check("strategy", cursor.strategy.rawValue, strategy.rawValue)
    try check("number of lanes", cursor.lanes, lanes)
    try check("segment length", cursor.length, length)
    try check("seed", cursor.seed, seed)
    try check("choice to reset at documents", cursor.resetAtDocuments, resetAtDocuments)
    try check("number of corpora", cursor.parts.count, here.parts.count)
    for (saved, (own, order)) in zip(cursor.parts, zip(here.parts, orders)) {
      let corpus = order.corpus
      func same<Value: Equatable>(_ name: String, _ saved: Value?, _ own: Value?) throws {
        guard saved == nil || saved == own else {
          throw refusal(name, saved.map { "\($0)" } ?? "", own.map { "\($0)" } ?? "", of: corpus)
        }
      }
      try same("number of tokens", saved.fingerprint.tokens, own.fingerprint.tokens)
      try same("number of documents", saved.fingerprint.documents, own.fingerprint.documents)
      try same("hash of the frames", saved.fingerprint.frameTable, own.fingerprint.frameTable)
      try same("weight", saved.weight, own.weight)
      try same("first token", saved.start, own.start)
      try same("last token", saved.end - 1, own.end - 1)
    }
    let counts = 0..<1 << 53
    let isPlace =
      cursor.places.count == lanes
      && cursor.parts.allSatisfy { counts.contains($0.taken) && counts.contains($0.assigned) }
      && cursor.places.allSatisfy { place in
        guard let place else { return true }
        return orders.indices.contains(place.part) && place.unit >= 0
          && place.unit < cursor.parts[place.part].taken && place.offset >= 0
          && place.offset < orders[place.part].length(of: place.unit)
      }
    guard isPlace else {
      throw CorpusError(
        orders[0].corpus.path,
        "the saved place is none that a sampler of these settings comes to; train into a new folder")
    }
    taken = cursor.parts.map(\.taken)
    assigned = cursor.parts.map(\.assigned)
    places = cursor.places
  }

  private func check<Value: Equatable>(_ name: String, _ saved: Value, _ own: Value) throws {
    guard saved == own else {
      throw refusal(name, "\(saved)", "\(own)", of: orders[0].corpus)
    }
  }

  private func refusal(
    _ name: String, _ saved: String, _ own: String, of corpus: Corpus
  ) -> CorpusError {
    CorpusError(
      corpus.path,
      "the saved place is for the \(name) \(saved), here it is \(own); "
        + "resume with the run's own corpora and settings")
  }
}
