/// The text that a model adds to a stream: tokens become bytes, whole characters, and end at a stop string.

import Runnel

/// One continuation under way.
struct Continuation {
  private var stops: StopMatcher
  private var characters = UTF8Stream()
  private var decoder: any TokenDecoder
  private var bytes: [UInt8] = []
  /// Bytes that may be printed: whole characters that belong to no stop string.
  private var ready: [UInt8]
  private(set) var tokens = 0
  private let maximum: Int
  private let ends: Set<Int32>
  /// The model has ended its text.
  private var hasEnded = false

  /// Why it ended.
  enum End: String, Encodable {
    case stop, end_token, max_tokens, line, interrupt, empty_prompt
  }

  /// - Parameters:
  ///   - stops: it ends before any of these.
  ///   - maximum: and after so many tokens; 0: never.
  ///   - ends: it ends with any of these tokens, which stand for no text.
  ///   - pending: what an earlier continuation of the stream held back.
  init(
    _ tokenizer: some Tokenizer, stops: [String], maximum: Int, ends: Set<Int32> = [], pending: [UInt8] = []
  ) {
    self.stops = StopMatcher(stops)
    self.maximum = maximum
    self.ends = ends
    // It goes on within a text, be it that of a prompt or of a saved stream.
    decoder = tokenizer.decoder(continuing: true)
    ready = characters.feed(self.stops.feed(pending).emit)
  }

  /// Nil while it goes on.
  var end: End? {
    if let stop = stops.found { return stop == [UInt8(ascii: "\n")] ? .line : .stop }
    if hasEnded { return .end_token }
    return maximum > 0 && tokens >= maximum ? .max_tokens : nil
  }
  /// Bytes that have not been taken.
  var pending: [UInt8] { ready + characters.pending + stops.pending }

  mutating func add(_ token: Int32) {
    tokens += 1
    guard !ends.contains(token) else {
      hasEnded = true
      return
    }
    decoder.feed(token, into: &bytes)
    ready += characters.feed(stops.feed(bytes).emit)
    bytes.removeAll(keepingCapacity: true)
  }

  /// What can be printed now.
  mutating func take() -> [UInt8] {
    defer { ready = [] }
    return ready
  }

  /// The rest of it, characters that have no end among them.
  mutating func finish() -> [UInt8] { take() + characters.feed(stops.flush()) + characters.flush() }

  /// A continuation as it is printed with --json.
  struct Record: Encodable {
    let stream: Int
    let text: String
    /// In hexadecimal, where they are no text.
    let bytes: String?
    let tokens: Int
    /// Missing where a saved stream goes on with the draws of its own.
    let seed: UInt64?
    let ended_by: End

    init(stream: Int, _ bytes: [UInt8], tokens: Int, seed: UInt64?, ended_by: End) {
      (self.stream, self.tokens, self.seed, self.ended_by) = (stream, tokens, seed, ended_by)
      (text, self.bytes) = Output.textAndBytes(bytes)
    }

    /// False once nobody reads any more.
    func print() throws -> Bool { Output.write(Array((try Output.encoded(self) + "\n").utf8)) }
  }
}
