import Foundation
import Runnel

/// `generate --follow`: one stream that is written to and answers.
extension GenerateCommand {
  /// Where an answer ends.
  var answerStops: [String] { stop.isEmpty ? ["\n"] : stop }

  /// Answers every line of stdin. What the stream reads is what stands on the screen: the lines, and the answers, each with
  /// its line feed. No token waits for the next line.
  func answerLines(_ model: StreamingModel, _ tokenizer: some Tokenizer, _ marks: TextMarks) throws {
    var pending: [UInt8] = []
    var stream = try begin(model, pending: &pending)
    var encoder = tokenizer.encoder(for: stream.session)
    var input = LineInput()
    var number = 0
    while !Interrupt.hasArrived, let line = try input.next(waits: true) {
      number += 1
      try stream.feed(encoder.whole(line + Self.lineFeed))
      guard let end = try answer(number, &stream, &pending, tokenizer, marks) else { break }
      // A model that ended its line has read the line feed already; behind an end token another text begins.
      if end != .line && end != .end_token { try stream.feed(encoder.whole(Self.lineFeed)) }
    }
    if let saveState {
      // Whoever goes on with the stream ends the line.
      try stream.feed(encoder.whole(input.rest))
      try StateFile.save(stream.session, pending: pending, to: saveState)
    }
  }

  private static let lineFeed = [UInt8(ascii: "\n")]

  /// One answer, and why it ended; nil once nobody reads any more.
  ///
  /// - Parameter pending: what a saved stream held back; taken.
  private func answer(
    _ number: Int, _ stream: inout RecordedStream, _ pending: inout [UInt8], _ tokenizer: some Tokenizer,
    _ marks: TextMarks
  ) throws -> Continuation.End? {
    var continuation = Continuation(
      tokenizer, stops: answerStops, maximum: maxTokens, ends: marks.ends, pending: pending)
    pending = []
    var text: [UInt8] = []
    while continuation.end == nil && !Interrupt.hasArrived {
      guard let token = try stream.next() else { break }
      continuation.add(token)
      let bytes = continuation.take()
      text += bytes
      guard json || Output.write(bytes) else { return nil }
    }
    let rest = continuation.finish()
    text += rest
    let isRead =
      try json ? printRecord(number, text, continuation) : Output.write(rest + Self.lineFeed)
    return isRead ? continuation.end ?? .interrupt : nil
  }
}
