/// Document boundaries inside a segment.

/// Where documents start inside a segment: the state of a row returns to its initial value before such a token.
public struct Resets: Sendable, Equatable {
  /// Per row of the batch, the sorted positions in the segment; an empty list of rows means no resets at all.
  public let rows: [[Int]]
  /// One document goes through the whole segment, in all rows.
  public static let none = Resets(rows: [])

  /// One list for each row of the batch: the positions in the segment, ascending, of the first tokens of documents.
  public init(rows: [[Int]]) { self.rows = rows.contains { !$0.isEmpty } ? rows : [] }

  /// Whether no document starts in the segment.
  public var isEmpty: Bool { rows.isEmpty }

  /// The stretches of row `row` that share one memory. The first continues the state that came in unless it starts
  /// with a reset; every other one starts afresh.
  public func stretches(row: Int, length: Int) -> [Stretch] {
    guard length > 0 else { return [] }
    guard row < rows.count, !rows[row].isEmpty else { return [Stretch(range: 0..<length, isFresh: false)] }
    var stretches: [Stretch] = []
    var start = 0
    var isFresh = false
    for position in rows[row] {
      precondition(
        position >= start && position < length,
        "Resets: position \(position) of row \(row) is out of order or outside a segment of \(length)")
      if position > start { stretches.append(Stretch(range: start..<position, isFresh: isFresh)) }
      (start, isFresh) = (position, true)
    }
    stretches.append(Stretch(range: start..<length, isFresh: isFresh))
    return stretches
  }

  /// The positions in row `row`.
  public func starts(row: Int) -> [Int] { row < rows.count ? rows[row] : [] }

  /// Whether a document starts at the first token of row `row`.
  func startsAfresh(row: Int) -> Bool { starts(row: row).first == 0 }

  /// The resets of one token at `time`, as seen by a step.
  public func at(_ time: Int) -> Resets { Resets(rows: rows.map { $0.contains(time) ? [0] : [] }) }

  /// The resets of the tokens in `range`, counted from its start.
  public func within(_ range: Range<Int>) -> Resets {
    Resets(rows: rows.map { $0.filter(range.contains).map { $0 - range.lowerBound } })
  }

  /// Takes the number of tokens that each row's document has had over a segment of `length`. `body` is shown each stretch, row by
  /// row: how many tokens its document had before, and how many it has in it.
  package func advance(
    _ counts: inout [Int], over length: Int, _ body: (_ before: Int, _ count: Int) -> Void = { _, _ in }
  ) {
    for row in counts.indices {
      for stretch in stretches(row: row, length: length) {
        if stretch.isFresh { counts[row] = 0 }
        body(counts[row], stretch.range.count)
        counts[row] += stretch.range.count
      }
    }
  }

  /// Tokens of a row that lie in one document.
  public struct Stretch: Sendable, Equatable {
    /// Positions in the segment.
    public let range: Range<Int>
    /// Whether the stretch starts from the initial state.
    public let isFresh: Bool

    /// A stretch as `stretches(row:length:)` gives it; a caller makes one for a segment that it divides by itself.
    public init(range: Range<Int>, isFresh: Bool) {
      self.range = range
      self.isFresh = isFresh
    }
  }
}
