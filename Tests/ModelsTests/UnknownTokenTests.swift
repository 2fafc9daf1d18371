import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelStreaming
import RunnelTensors
import Testing

/// A way for tokens into a stream.
struct Entrance: CustomTestStringConvertible, Sendable {
  let name: String
  /// Gives the stream each array in one call; the stream behind them, and what was refused.
  let enter: @Sendable (_ stream: Session, _ calls: [[Int32]]) async throws -> (Session, [any Error])
  var testDescription: String { name }

  /// The errors of calls that may each fail.
  private static func errors(_ calls: [[Int32]], _ feed: ([Int32]) throws -> Void) -> [any Error] {
    calls.compactMap { call in
      do {
        try feed(call)
        return nil
      } catch { return error }
    }
  }

  static let all =
    [
      Entrance(name: "a session") { stream, calls in
        var stream = stream
        let errors = errors(calls) { try stream.feed($0) }
        return (stream, errors)
      },
      Entrance(name: "a live session") { stream, calls in
        let live = LiveSession(stream)
        var errors: [any Error] = []
        for call in calls { do { try await live.feed(call) } catch { errors.append(error) } }
        return (await live.session, errors)
      },
      Entrance(name: "a journal") { stream, calls in
        try withFolder { folder in
          var journal = try Journal(stream, in: folder + "/journal", interval: 7)
          var errors: [any Error] = []
          for call in calls { do { try journal.feed(call) } catch { errors.append(error) } }
          // What is written down is what was read.
          let written = try Journal.session(in: folder + "/journal", at: nil, of: stream.model)
          #expect(JournalTests.agree(written, journal.session))
          return (journal.session, errors)
        }
      },
      Entrance(name: "a stream of a batch") { stream, calls in
        var stream = stream
        let errors = errors(calls) { try stream.feed($0) }
        var batch = SessionBatch(stream.model)
        batch.add([stream, stream])
        return (batch.remove(at: 1), errors)
      },
    ]
    + Form.allCases.map { form in
      Entrance(name: "a scorer, \(form)") { stream, calls in
        var scorer = StreamScorer(continuing: stream, form: form)
        let errors = errors(calls) { try scorer.feed($0) }
        return (scorer.session, errors)
      }
    }
}

@Suite("a token that is none of the model's is refused wherever it would come in, and changes nothing")
struct UnknownTokenTests {
  @Test(arguments: Entrance.all, [0, 40]) func refused(entrance: Entrance, begun: Int) async throws {
    let model = try JournalTests.model("retnet")
    var stream = Session(model, sampler: Sampler(seed: 1))
    try stream.feed(tokens(begun, below: 48, seed: 1))
    let good = [tokens(3, below: 48, seed: 2), tokens(600, below: 48, seed: 3), [47]]
    let (expected, none) = try await entrance.enter(stream, good)
    #expect(none.isEmpty && expected.position == begun + 604)
    for unknown in [48, -1, .max, .min] as [Int32] {
      // First, behind what is read at once, and alone.
      let bad = [[unknown, 1, 2], tokens(599, below: 48, seed: 4) + [unknown], [unknown]]
      let (found, errors) = try await entrance.enter(stream, zip(bad, good).flatMap { [$0, $1] })
      let unknowns = errors.compactMap { $0 as? UnknownToken }
      #expect(unknowns.map(\.position) == [begun, begun + 3 + 599, begun + 603], "\(errors)")
      #expect(unknowns.allSatisfy { $0.token == unknown && $0.vocabularySize == 48 }, "\(errors)")
      #expect(errors.count == 3 && JournalTests.agree(found, expected), "\(unknown)")
    }
  }
}
