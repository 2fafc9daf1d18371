/// What a stream of tokens is to those who make text of it.

/// A stream that reads tokens and draws them: a ``Session``, or a ``Journal``, which writes them down as well.
public protocol TokenStream: ~Copyable {
  /// The stream as it stands; a copy is a fork.
  var session: Session { get }

  /// Reads tokens.
  ///
  /// - Throws: `UnknownToken` where one of them is none of the model's, and a journal where it cannot write; none is read then.
  mutating func feed(_ tokens: [Int32]) throws

  /// Draws the next token and reads it; nil before the first token was fed.
  ///
  /// - Throws: `NonFiniteNumbers` where there is nothing to draw from, and a journal where it cannot write.
  mutating func next() throws -> Int32?
}

extension Session: TokenStream {
  public var session: Session { self }
}

extension Journal: TokenStream {}
