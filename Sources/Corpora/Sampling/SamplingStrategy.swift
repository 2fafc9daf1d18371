// How training meets a text: the unit that a lane reads in one go, and the order of the units.

/// What a lane reads from its start to its end before it takes something else.
public enum SamplingStrategy: String, Codable, Sendable, CaseIterable {
  /// Long stretches of contiguous text, whose state is carried from segment to segment. Of one
  /// corpus, each lane has one stretch an epoch, in order; of a mixture, stretches of 32 segments
  /// in shuffled order, so that lanes can change corpora.
  case lanes
  /// Segments in shuffled order, each from a fresh state.
  case segments
  /// Whole documents in shuffled order, packed one after the other, each from a fresh state; a
  /// longer one goes on in the lane's next segment. Nothing is predicted across their ends.
  case documents
}

/// The text of one corpus, cut into units and put in order.
///
/// Unit k of epoch e has the number e · `count` + k, so that one number says which tokens it has.
/// Stretches are cut out of the ring of N = n − 1 positions (inputs with a target) of a range of n
/// tokens, turned by shift(e) so that they fall differently in every epoch; shift(0) = 0.
struct UnitOrder: Sendable {
  let corpus: Corpus
  let range: Range<Int>
  /// Units in an epoch.
  let count: Int
  /// Positions in a unit, the last one of an epoch apart; of documents, their mean.
  let typicalLength: Int
  private let seed: UInt64
  private let kind: Kind

  private enum Kind {
    case stretches(isShuffled: Bool)
    /// The index of the first document.
    case documents(first: Int)
  }

  /// The part of a unit that one row of a segment takes.
  struct Piece {
    /// The inputs, as tokens of the corpus.
    var positions: Range<Int>
    /// Whether the state must be reset before it.
    var isStart: Bool
    /// Whether it ends a document past which nothing is predicted.
    var endsDocument: Bool
  }

  /// One stretch for each of `lanes` lanes, in order. Fewer than `lanes` positions are left out.
  init(_ corpus: Corpus, range: Range<Int>, lanes: Int, seed: UInt64) throws {
    try corpus.checkForTargets(range)
    (self.corpus, self.range, self.seed) = (corpus, range, seed)
    (count, typicalLength) = (lanes, max(1, (range.count - 1) / lanes))
    kind = .stretches(isShuffled: false)
  }

  /// Shuffled stretches of `length` positions; the rest makes a shorter one.
  init(_ corpus: Corpus, range: Range<Int>, length: Int, seed: UInt64) throws {
    try corpus.checkForTargets(range)
    (self.corpus, self.range, self.seed) = (corpus, range, seed)
    typicalLength = min(length, range.count - 1)
    count = (range.count - 1 + typicalLength - 1) / typicalLength
    kind = .stretches(isShuffled: true)
  }

  /// Shuffled documents: those of `range`, cut where it cuts them.
  init(documentsOf corpus: Corpus, range: Range<Int>, seed: UInt64) throws {
    try corpus.checkForTargets(range)
    (self.corpus, self.range, self.seed) = (corpus, range, seed)
    let starts = corpus.documentStarts
    let first = partition(starts.count) { starts[$0] > range.lowerBound } - 1
    let end = partition(starts.count) { starts[$0] >= range.upperBound }
    (count, kind) = (end - first, .documents(first: first))
    typicalLength = max(1, range.count / (end - first))
    guard (0..<count).contains(where: { document(first + $0).count >= 2 }) else {
      throw CorpusError(
        corpus.path,
        "no document has two tokens, so there is nothing to predict; sample lanes or segments")
    }
  }

  /// The positions of the unit number `number`; of a document none if it is empty.
  func length(of number: Int) -> Int {
    switch kind {
    case .stretches(let isShuffled):
      let k = index(of: number)
      return isShuffled ? min(typicalLength, range.count - 1 - k * typicalLength) : typicalLength
    case .documents(let first): return document(first + index(of: number)).count
    }
  }

  /// At most `limit` positions of a unit from `offset` on.
  func piece(of number: Int, from offset: Int, limit: Int) -> Piece {
    let left = min(limit, length(of: number) - offset)
    switch kind {
    case .stretches:
      let ring = range.count - 1
      let place = (index(of: number) * typicalLength + shift(number / count) + offset) % ring
      let first = range.lowerBound + place
      return Piece(
        positions: first..<first + min(left, ring - place), isStart: offset == 0 || place == 0,
        endsDocument: false)
    case .documents(let first):
      let document = document(first + index(of: number))
      let start = document.lowerBound + offset
      return Piece(
        positions: start..<start + left, isStart: offset == 0,
        endsDocument: start + left == document.upperBound)
    }
  }

  /// Where the unit stands in the text's own order.
  private func index(of number: Int) -> Int {
    let (epoch, k) = number.quotientAndRemainder(dividingBy: count)
    if case .stretches(isShuffled: false) = kind { return k }
    return Permutation(count: count, seed: key(epoch) &+ 1)[k]
  }

  /// How far epoch e is turned around the ring.
  private func shift(_ epoch: Int) -> Int {
    guard epoch > 0 else { return 0 }
    var generator = SplitMix64(seed: key(epoch))
    return generator.next(below: range.count - 1)
  }

  private func key(_ epoch: Int) -> UInt64 { seed ^ UInt64(epoch) &* 0xD6E8_FEB8_6659_FD93 }

  private func document(_ index: Int) -> Range<Int> {
    let starts = corpus.documentStarts
    let end = index + 1 < starts.count ? starts[index + 1] : corpus.count
    return (starts[index]..<end).clamped(to: range)
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
