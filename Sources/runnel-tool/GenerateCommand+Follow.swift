import Foundation
import Runnel

/// `generate --follow`: one stream that is written to and answers.
extension GenerateCommand {
  /// Where an answer ends.
  var answerStops: [String] { stop.isEmpty ? ["\n"] : stop }

  /// Answers every line of stdin. What the stream reads is what stands on the screen: the lines, and the answers, each with
  /// its line feed. A line is encoded for itself, so that no token waits for the next one.
  func answerLines(_ model: LanguageModel, _ tokenizer: some Tokenizer) throws {
    var (session, pending) = try start(model)
    var input = LineInput()
    var number = 0
    while !Interrupt.hasArrived, let line = try input.next(waits: true) {
      number += 1
      try feed(tokenizer.encode(line + [UInt8(ascii: "\n")]), to: &session)
      guard try answer(number, &session, &pending, tokenizer) else { break }
    }
    if let saveState { try StateFile.save(session, pending: pending, to: saveState) }
  }

  /// One answer; false once nobody reads any more.
  ///
  /// - Parameter pending: what a saved stream held back; taken.
  private func answer(
    _ number: Int, _ session: inout Session, _ pending: inout [UInt8], _ tokenizer: some Tokenizer
  ) throws -> Bool {
    var continuation = Continuation(tokenizer, stops: answerStops, maximum: maxTokens, pending: pending)
    pending = []
    var text: [UInt8] = []
    while continuation.end == nil && !Interrupt.hasArrived {
      guard let token = session.next() else { break }
      continuation.add(token)
      let bytes = continuation.take()
      text += bytes
      guard json || Output.write(bytes) else { return false }
    }
    let rest = continuation.finish()
    text += rest
    // A model that ended its line has read the line feed already.
    if continuation.end != .line { session.feed(tokenizer.encode("\n")) }
    guard !json else { return try printRecord(number, text, continuation) }
    return Output.write(rest + [UInt8(ascii: "\n")])
  }
}
