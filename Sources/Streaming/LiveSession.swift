/// Streams for concurrent tasks.

import RunnelModels

/// A stream that several tasks share: one feeds it, another reads what comes.
///
///     let live = LiveSession(session)
///     try await live.feed(tokenizer.encode("Once upon a time"))
///     for try await token in live.tokens(limit: 100) { print(token) }
///     let fork = await live.session              // a value again: to save, or to go on elsewhere
public actor LiveSession {
  /// The stream as it stands; what is put in goes on from there.
  public var session: Session

  /// Shares a copy of the stream.
  public init(_ session: Session) { self.session = session }

  /// Reads tokens, as `Session.feed` does, and throws where one is none of the model's; between two that are drawn, not during.
  public func feed(_ tokens: [Int32]) throws(UnknownToken) { try session.feed(tokens) }

  /// Draws the next token and reads it; nil before the first token was fed. Throws where the stream cannot go on.
  public func next() throws(NonFiniteNumbers) -> Int32? { try session.next() }

  /// The tokens that the stream draws, each when it is asked for; at most `limit`, or without end. Cancelling the task that
  /// reads them ends the sequence, not the stream.
  ///
  /// - Parameter ends: end tokens, such as `ModelFolder.marks` knows: the stream reads one, the sequence ends before it.
  public nonisolated func tokens(limit: Int? = nil, ends: Set<Int32> = []) -> Tokens {
    Tokens(live: self, limit: limit, ends: ends)
  }

  /// Tokens as they are drawn; each iteration goes on where the stream stands.
  public struct Tokens: AsyncSequence, Sendable {
    let live: LiveSession
    let limit: Int?
    let ends: Set<Int32>
    public func makeAsyncIterator() -> Iterator { Iterator(live: live, ends: ends, left: limit) }

    /// Draws a token for each element that is asked for.
    public struct Iterator: AsyncIteratorProtocol {
      let live: LiveSession
      let ends: Set<Int32>
      var left: Int?

      public mutating func next() async throws -> Int32? {
        guard !Task.isCancelled, left != 0 else { return nil }
        left = left.map { $0 - 1 }
        guard let token = try await live.next(), !ends.contains(token) else {
          left = 0
          return nil
        }
        return token
      }
    }
  }
}
