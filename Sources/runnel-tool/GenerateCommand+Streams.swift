import Foundation
import Runnel

/// `generate --streams`: many continuations, one step of the model for all of them.
extension GenerateCommand {
  /// A stream of the batch; `number` counts from one.
  private struct Stream {
    let number: Int
    let seed: UInt64
    var continuation: Continuation
    var text: [UInt8] = []
  }

  private func stream(
    _ number: Int, _ tokenizer: some Tokenizer, _ marks: TextMarks, stops: [String], pending: [UInt8]
  ) -> Stream {
    Stream(
      number: number, seed: sampling.seed(offset: number - 1),
      continuation: Continuation(
        tokenizer, stops: stops, maximum: maxTokens, ends: marks.ends, pending: pending))
  }

  /// Continues one prompt `count` times, with seeds that count up; each is printed when it has ended.
  func continueManyTimes(
    _ model: StreamingModel, _ tokenizer: some Tokenizer, _ marks: TextMarks, count: Int
  ) throws {
    var pending: [UInt8] = []
    var begun = try begin(model, pending: &pending)
    try readPrompt(into: &begun, tokenizer, marks)
    let session = begun.session
    var running = (1...count).map { stream($0, tokenizer, marks, stops: stop, pending: pending) }
    var batch = SessionBatch(session.model)
    batch.add(
      running.map {
        var fork = session
        fork.sampler.reseed($0.seed)
        return fork
      })
    while !running.isEmpty {
      for stream in try step(&batch, &running) {
        guard try printWhole(stream, headed: true) else { return }
      }
    }
  }

  /// Continues every line of stdin, `limit` of them at a time: a line that has ended makes room for the next. What a line
  /// gives does not depend on those beside it. Printed in the order of the lines.
  func continueLines(
    _ model: StreamingModel, _ tokenizer: some Tokenizer, _ marks: TextMarks, atOnce limit: Int
  ) throws {
    let (begun, pending) = try start(model)
    var input = LineInput(), batch = SessionBatch(begun.model)
    var running: [Stream] = [], ended: [Int: Stream] = [:]
    var read = 0, printed = 0
    while true {
      var joining: [Session] = []
      while running.count < limit, !Interrupt.hasArrived,
        let line = try input.next(waits: running.isEmpty && ended.isEmpty)
      {
        read += 1
        var fork = begun
        let new = stream(read, tokenizer, marks, stops: answerStops, pending: pending)
        fork.sampler.reseed(new.seed)
        var encoder = tokenizer.encoder(for: begun)
        try fork.feed(encoder.whole(line))
        if fork.logits == nil, let begin = marks.begin { try fork.feed([begin]) }
        if fork.logits == nil {
          ended[read] = new
        } else {
          joining.append(fork)
          running.append(new)
        }
      }
      batch.add(joining)
      for stream in try step(&batch, &running) { ended[stream.number] = stream }
      while let stream = ended.removeValue(forKey: printed + 1) {
        printed += 1
        guard try printWhole(stream, headed: false) else { return }
      }
      guard !running.isEmpty || !Interrupt.hasArrived && !input.isOver else { return }
    }
  }

  /// One token of every stream; those that ended with it leave the batch.
  private func step(_ batch: inout SessionBatch, _ running: inout [Stream]) throws -> [Stream] {
    for (i, token) in try batch.next().enumerated() {
      running[i].continuation.add(token)
      running[i].text += running[i].continuation.take()
    }
    // Asked once, so that a signal ends all of them at one token.
    let isOver = Interrupt.hasArrived
    func goesOn(_ stream: Stream) -> Bool { stream.continuation.end == nil && !isOver }
    let rows = running.indices.filter { goesOn(running[$0]) }
    guard rows.count < running.count else { return [] }
    let ended = running.filter { !goesOn($0) }
    batch.keep(rows)
    running = rows.map { running[$0] }
    return ended
  }

  /// False once nobody reads any more.
  private func printWhole(_ stream: Stream, headed: Bool) throws -> Bool {
    var stream = stream
    stream.text += stream.continuation.finish()
    let isEmpty = stream.continuation.tokens == 0 && !Interrupt.hasArrived
    let end = stream.continuation.end ?? (isEmpty ? .empty_prompt : .interrupt)
    if json {
      return try Continuation.Record(
        stream: stream.number, stream.text, tokens: stream.continuation.tokens, seed: stream.seed,
        ended_by: end
      ).print()
    }
    let heading = headed ? "== stream \(stream.number), seed \(stream.seed), ended by \(end.rawValue)\n" : ""
    return Output.write(Array(heading.utf8) + stream.text + [UInt8(ascii: "\n")])
  }
}
