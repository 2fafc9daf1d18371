// Damage: finding all of it, and reading around it.

import Foundation
import Synchronization

extension Corpus {
  /// Decodes and checks every frame, on several threads.
  ///
  /// - Parameter progress: called now and then with the share done, 0 ... 1.
  /// - Returns: every damaged place, in file order; empty for a sound corpus.
  public func verify(
    threads: Int = ProcessInfo.processInfo.activeProcessorCount, progress: (Double) -> Void = { _ in }
  ) -> [CorpusFinding] {
    var found = findings
    let block = 32 * threads
    for first in stride(from: 0, to: frames.count, by: block) {
      let end = min(first + block, frames.count)
      let damaged = Mutex<[(Int, CorpusFinding)]>([])
      DispatchQueue.concurrentPerform(iterations: threads) { thread in
        var buffer = FrameBuffer()
        for index in stride(from: first + thread, to: end, by: threads) {
          guard let finding = damage(of: frames[index], &buffer) else { continue }
          damaged.withLock { $0.append((index, finding)) }
        }
      }
      found += damaged.withLock { $0.sorted { $0.0 < $1.0 }.map(\.1) }
      progress(Double(end) / Double(frames.count))
    }
    return found
  }

  /// Checks the corpus at `path` whole, however damaged.
  ///
  /// - Returns: every damaged place; empty for a sound corpus.
  /// - Throws: `CorpusError` when the file cannot be read or is no corpus at all.
  public static func verify(
    path: String, progress: (Double) -> Void = { _ in }
  ) throws -> [CorpusFinding] {
    try Corpus(path: path, salvage: true).verify(progress: progress)
  }

  /// Passes on the tokens of `range` piece by piece, leaving out frames that are damaged.
  ///
  /// - Parameter body: receives each piece's token range and ids.
  /// - Returns: the damage passed over.
  /// - Throws: `CorpusError` for a range outside the corpus, and what `body` throws.
  public func salvage(
    _ range: Range<Int>, _ body: (Range<Int>, [Int32]) throws -> Void
  ) throws -> [CorpusFinding] {
    try check(range)
    var found = findings
    var buffer = FrameBuffer()
    for frame in frames[frameIndices(of: range)] {
      if let finding = damage(of: frame, &buffer) {
        found.append(finding)
      } else {
        let part = range.clamped(to: frame.tokens)
        try body(part, ids(in: buffer.bytes, of: frame, part))
      }
    }
    return found
  }

  /// Decodes a frame into `buffer`, or says what is wrong with it.
  func damage(of frame: DataFrame, _ buffer: inout FrameBuffer) -> CorpusFinding? {
    do {
      try decode(frame, into: &buffer)
      return nil
    } catch {
      let message = (error as? CorpusError)?.message ?? "\(error)"
      return CorpusFinding(
        message, frame: frame.number, offset: frame.entry.offset, tokens: frame.tokens)
    }
  }
}
