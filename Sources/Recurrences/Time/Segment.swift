/// The tokens of one call, and the chunks that they are worked on in.

import RunnelTensors

/// Rows of a batch over some tokens.
struct Segment: Sendable {
  let batch, length: Int
  let resets: Resets
  /// How many tokens each row's document had before the segment, where a recurrence depends on it.
  let counts: [Int]?

  init(batch: Int, length: Int, resets: Resets, counts: [Int]? = nil) {
    (self.batch, self.length, self.resets, self.counts) = (batch, length, resets, counts)
  }
}

/// Some tokens of a row, all of one document.
struct Chunk: Sendable {
  let start, count: Int
  /// Whether the memory before it is the initial one, not what the chunk before left.
  let isFresh: Bool
  /// How many tokens of the document were before it, as far as the segment knows.
  let position: Int
  /// How many chunks of the row before it are kept.
  var number = 0
  /// Whether the tape keeps the memory before it: not what a document begins with, nor the state before the segment, which is
  /// there.
  var isKept: Bool { !isFresh && start > 0 }
  var tokens: Range<Int> { start..<start + count }
}

/// Rows cut into chunks of at most `longest` tokens, counted from the start of each document.
struct Grid: Sendable {
  let rows: [[Chunk]]
  /// How many chunks of the rows before each are kept.
  let first: [Int]
  /// The number of all chunks that are kept, and the most tokens in one of any kind.
  let count, longest: Int

  init(_ segment: Segment, chunk: Int) {
    precondition(chunk > 0, "Recurrence: chunks of \(chunk) tokens; give at least one")
    if chunk == .max, segment.resets.isEmpty {
      // What a stream asks for with every token.
      rows = (0..<segment.batch).map { row in
        [Chunk(start: 0, count: segment.length, isFresh: false, position: segment.counts?[row] ?? 0)]
      }
      (first, count, longest) = (Array(repeating: 0, count: segment.batch), 0, segment.length)
      return
    }
    func chunks(_ row: Int) -> [Chunk] {
      var number = 0
      return segment.resets.stretches(row: row, length: segment.length).flatMap { stretch in
        var chunks: [Chunk] = [], start = stretch.range.lowerBound
        var position = stretch.isFresh ? 0 : segment.counts?[row] ?? 0
        while start < stretch.range.upperBound {
          let count = min(chunk - position % chunk, stretch.range.upperBound - start)
          let isFresh = stretch.isFresh && start == stretch.range.lowerBound
          let own = Chunk(start: start, count: count, isFresh: isFresh, position: position, number: number)
          chunks.append(own)
          if own.isKept { number += 1 }
          start += count
          position += count
        }
        return chunks
      }
    }
    let isUniform = segment.resets.isEmpty && segment.counts == nil && segment.batch > 0
    rows =
      isUniform ? Array(repeating: chunks(0), count: segment.batch) : (0..<segment.batch).map(chunks)
    var first: [Int] = [], count = 0, longest = 0
    for row in rows {
      first.append(count)
      count += row.count(where: \.isKept)
      longest = row.reduce(longest) { max($0, $1.count) }
    }
    (self.first, self.count, self.longest) = (first, count, longest)
  }
}
