/// `score --follow`: the surprisal of every line of stdin as soon as the line has come, the state carried on.

import Foundation
import Runnel

extension ScoreCommand {
  /// Longer lines are scored in parts, so that memory stays bounded.
  private static let longestLine = 1 << 24

  /// Scores lines until the input ends, a signal comes or nobody reads; each of these is a good end.
  func follow(_ model: StreamingModel, _ tokenizer: some Tokenizer) throws {
    Interrupt.watch()
    let stream = try self.stream(of: model)
    let lengths = special.byteLengths(of: tokenizer)
    var scorer = StreamScorer(continuing: stream, form: form, byteLengths: lengths)
    var encoder = tokenizer.encoder(for: stream)
    let clock = ContinuousClock()
    var spent = Duration.zero
    var position = stream.position

    /// False where nobody reads any more.
    func score(_ line: [UInt8]) throws -> Bool {
      let start = clock.now
      var ids: [Int32] = []
      line.withUnsafeBufferPointer { encoder.feed($0, into: &ids) }
      // What the encoder keeps back would else be scored with the next line, whenever that comes.
      encoder.flush(into: &ids)
      let unpredicted = position > 0 ? nil : ids.first.map { lengths[Int($0)] }
      position += ids.count
      let before = scorer.score.nats
      try scorer.feed(ids)
      spent += clock.now - start
      let unit = ScoredUnit(
        line, tokens: ids.count, nats: scorer.score.nats - before, unpredicted: unpredicted ?? 0)
      if let above, (unit.bits_per_byte ?? 0) <= above { return true }
      return try unit.print(isLine: true, json: output.json)
    }

    var line: [UInt8] = []
    var isRead = true
    while isRead, let bytes = try Input.read() {
      var rest = bytes[...]
      while isRead, !rest.isEmpty {
        let end = rest.firstIndex(of: 0x0A).map { $0 + 1 } ?? rest.endIndex
        line += rest[..<end]
        rest = rest[end...]
        guard line.last == 0x0A || line.count >= Self.longestLine else { break }
        isRead = try score(line)
        line.removeAll(keepingCapacity: line.capacity <= 1 << 16)
      }
    }
    if isRead, !line.isEmpty { _ = try score(line) }
    if let saveState { try StateFile.save(scorer.session, to: saveState) }
    if scorer.score.tokens > 0 {
      Output.note(summary(scorer.score, seconds: max(1e-9, spent / .seconds(1))))
    }
  }
}
