/// Text in, text out: a stream of tokens with the tokenizer and the marks of its model.
///
///     var text = try TextSession(opening: "stories", seed: 1)
///     try text.read("Once upon a time".utf8)
///     text.start(TextLimits(stops: ["\n\n"], maximumTokens: 200))
///     while let bytes = try text.next() { print(String(decoding: bytes, as: UTF8.self), terminator: "") }
///     print(String(decoding: text.finish(), as: UTF8.self))    // what was held back
///     text.end                                   // .stop, .endToken or .maximumTokens

import RunnelCheckpoints
import RunnelModels
import RunnelText

/// A stream that reads and writes text. Over a ``Session`` it is a value: copying it forks the stream; over a ``Journal`` it has
/// one owner, as the journal has.
public struct TextSession<Stream: TokenStream & ~Copyable>: ~Copyable {
  /// The tokens; who feeds or draws some here writes past the text.
  public var stream: Stream
  /// How bytes become tokens and back.
  public let tokenizer: any Tokenizer
  /// The tokens that begin and end the model's texts.
  public let marks: TextMarks
  /// The text that is being added, or was last.
  public private(set) var continuation: Continuation
  private var encoder: any TokenEncoder

  /// - Parameters:
  ///   - stream: fresh, or under way: then what opens a text has been read.
  ///   - tokenizer: of its model.
  ///   - marks: none for a stream that has no begin and does not end.
  ///   - pending: bytes that the stream held back when it was saved; they are the first of the next continuation.
  public init(
    _ stream: consuming Stream, tokenizer: any Tokenizer, marks: TextMarks = TextMarks(),
    pending: [UInt8] = []
  ) {
    encoder = tokenizer.encoder(for: stream.session)
    continuation = Continuation(tokenizer, limits: TextLimits(), pending: pending)
    (self.tokenizer, self.marks) = (tokenizer, marks)
    self.stream = stream
  }

  /// Reads a text.
  ///
  /// - Parameters:
  ///   - bytes: in UTF-8; what is no character is data, too.
  ///   - isWhole: false where more of the same text follows, so that a token may lie across the two.
  /// - Throws: as the stream.
  public mutating func read(_ bytes: some Collection<UInt8>, isWhole: Bool = true) throws {
    var ids: [Int32] = []
    ContiguousArray(bytes).withUnsafeBufferPointer { encoder.feed($0, into: &ids) }
    if isWhole { encoder.flush(into: &ids) }
    try stream.feed(ids)
  }

  /// Sees to it that there is something to continue: where nothing has been read, the model's token that begins a text is.
  ///
  /// - Returns: false where nothing has been read and the model has no such token.
  /// - Throws: as the stream.
  public mutating func begin() throws -> Bool {
    guard stream.session.logits == nil else { return true }
    guard let begin = marks.begin else { return false }
    try stream.feed([begin])
    return true
  }

  /// Begins a continuation of what has been read; what the one before holds back are its first bytes.
  public mutating func start(_ limits: TextLimits = TextLimits()) {
    continuation = Continuation(
      tokenizer, limits: limits, ends: marks.ends, pending: continuation.pending)
  }

  /// Draws the next token and reads it.
  ///
  /// - Returns: what can be shown since the call before, which may be nothing; nil once the continuation has ended, or where
  ///   there is nothing to continue.
  /// - Throws: as the stream.
  public mutating func next() throws -> [UInt8]? {
    guard continuation.end == nil, let token = try stream.next() else { return nil }
    continuation.add(token)
    return continuation.take()
  }

  /// The bytes that are held back: the beginning of a character, or of a stop string. None is, afterwards.
  public mutating func finish() -> [UInt8] { continuation.finish() }

  /// Why the continuation ended; nil while it goes on.
  public var end: Continuation.End? { continuation.end }

  /// Reads the line feed behind an answer that is a line, unless the model has: one that ended its line has read it, and behind
  /// an end token another text begins.
  ///
  /// - Throws: as the stream.
  public mutating func endLine() throws {
    if end != .line && end != .endToken { try read(CollectionOfOne(UInt8(ascii: "\n"))) }
  }

  /// Saves the stream with what it holds back; ``StateFile/load(_:into:isMoving:note:)`` gives both back.
  ///
  /// - Throws: `FileError` where it cannot be written, `NonFiniteNumbers` where the stream cannot go on.
  public func save(to path: String) throws {
    try StateFile.save(stream.session, pending: continuation.pending, to: path)
  }
}

extension TextSession: Copyable where Stream: Copyable {}
extension TextSession: Sendable where Stream: Sendable & ~Copyable {}

extension TextSession where Stream == Session {
  /// A fresh stream of the model at a path, with its tokenizer and its marks.
  ///
  /// - Parameters:
  ///   - path: a model folder, own or foreign, or a file of weights.
  ///   - sampling: how tokens are drawn, with the draws of `seed`.
  /// - Throws: `FileError` where the model or its tokenizer does not load.
  public init(opening path: String, sampling: SamplingSettings = SamplingSettings(), seed: UInt64) throws {
    let model = try ModelFolder.load(path)
    let tokenizer = try ModelFolder.tokenizer(of: model, at: path)
    let marks = try ModelFolder.marks(of: model, at: path, tokenizer: tokenizer, from: path)
    self.init(
      Session(model, sampler: Sampler(sampling, seed: seed)), tokenizer: tokenizer, marks: marks)
  }
}

extension Tokenizer {
  /// A stream of ids for a text that begins, or goes on where a session has come to.
  public func encoder(for session: Session) -> Encoder {
    var encoder = encoder()
    var opening: [Int32] = []
    // Whatever opens a text, it has been read.
    if session.position > 0 { encoder.flush(into: &opening) }
    return encoder
  }
}
