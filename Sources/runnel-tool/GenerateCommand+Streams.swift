import Foundation
import Runnel

/// `generate --streams`: many continuations, one step of the model for all of them.
extension GenerateCommand {
  /// Continues one prompt `count` times, with seeds that count up; each is printed when it has ended.
  func continueManyTimes<Stream: TokenStream & ~Copyable>(
    _ text: consuming TextSession<Stream>, count: Int
  ) throws {
    try readPrompt(into: &text)
    text.start(TextLimits(stops: stop, maximumTokens: maxTokens))
    let session = text.stream.session
    var batch = TextBatch(session.model)
    batch.add(
      (1...count).map {
        var fork = session
        fork.sampler.reseed(seed(of: $0))
        return (TextBatch.Member(id: $0, text.continuation), fork)
      })
    while !batch.isEmpty {
      for member in try batch.next(shouldStop: { Interrupt.hasArrived }) {
        guard try printWhole(member, headed: true) else { return }
      }
    }
  }

  /// Continues every line of stdin, `limit` of them at a time: a line that has ended makes room for the next. What a line
  /// gives does not depend on those beside it. Printed in the order of the lines.
  func continueLines<Stream: TokenStream & ~Copyable>(
    _ begun: consuming TextSession<Stream>, atOnce limit: Int
  ) throws {
    let session = begun.stream.session
    var input = LineInput(), batch = TextBatch(session.model)
    var ended: [Int: TextBatch.Member] = [:]
    var read = 0, printed = 0
    while true {
      var joining: [(member: TextBatch.Member, session: Session)] = []
      while batch.count + joining.count < limit, !Interrupt.hasArrived,
        let line = try input.next(waits: batch.isEmpty && joining.isEmpty && ended.isEmpty)
      {
        read += 1
        var text = TextSession(
          session, tokenizer: begun.tokenizer, marks: begun.marks, pending: begun.continuation.pending)
        text.stream.sampler.reseed(seed(of: read))
        try text.read(line)
        text.start(answerLimits)
        let member = TextBatch.Member(id: read, text.continuation)
        if try text.begin() { joining.append((member, text.stream)) } else { ended[read] = member }
      }
      batch.add(joining)
      for member in try batch.next(shouldStop: { Interrupt.hasArrived }) { ended[member.id] = member }
      while let member = ended.removeValue(forKey: printed + 1) {
        printed += 1
        guard try printWhole(member, headed: false) else { return }
      }
      guard !batch.isEmpty || !Interrupt.hasArrived && !input.isOver else { return }
    }
  }

  private func seed(of number: Int) -> UInt64 { sampling.seed(offset: number - 1) }

  /// False once nobody reads any more.
  private func printWhole(_ member: TextBatch.Member, headed: Bool) throws -> Bool {
    var continuation = member.continuation
    let text = member.text + continuation.finish()
    let isEmpty = continuation.tokens == 0 && !Interrupt.hasArrived
    let end = continuation.end ?? (isEmpty ? .emptyPrompt : .interrupt)
    let seed = seed(of: member.id)
    if json {
      return try ContinuationRecord(
        stream: member.id, text, tokens: continuation.tokens, seed: seed, ended_by: end
      ).print()
    }
    let heading = headed ? "== stream \(member.id), seed \(seed), ended by \(end.rawValue)\n" : ""
    return Output.write(Array(heading.utf8) + text + [UInt8(ascii: "\n")])
  }
}
