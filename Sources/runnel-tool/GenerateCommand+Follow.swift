import Foundation
import Runnel

/// `generate --follow`: one stream that is written to and answers.
extension GenerateCommand {
  /// Where an answer ends.
  var answerLimits: TextLimits {
    TextLimits(stops: stop.isEmpty ? ["\n"] : stop, maximumTokens: maxTokens)
  }

  /// Answers every line of stdin. What the stream reads is what stands on the screen: the lines, and the answers, each with
  /// its line feed. No token waits for the next line.
  func answerLines<Stream: TokenStream & ~Copyable>(_ text: consuming TextSession<Stream>) throws {
    var input = LineInput()
    var number = 0
    while !Interrupt.hasArrived, let line = try input.next(waits: true) {
      number += 1
      try text.read(line + Self.lineFeed)
      guard try answer(number, &text) else { break }
      try text.endLine()
    }
    if let saveState {
      // Whoever goes on with the stream ends the line.
      try text.read(input.rest)
      try text.save(to: saveState)
    }
  }

  private static let lineFeed = [UInt8(ascii: "\n")]

  /// One answer; false once nobody reads any more.
  private func answer<Stream: TokenStream & ~Copyable>(
    _ number: Int, _ text: inout TextSession<Stream>
  ) throws -> Bool {
    text.start(answerLimits)
    var answer: [UInt8] = []
    while !Interrupt.hasArrived, let bytes = try text.next() {
      answer += bytes
      guard json || Output.write(bytes) else { return false }
    }
    let rest = text.finish()
    return try json
      ? printRecord(number, answer + rest, text.continuation) : Output.write(rest + Self.lineFeed)
  }
}
