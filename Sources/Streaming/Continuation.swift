/// The text that a model adds to a stream: tokens become bytes, whole characters, and end at a stop string.

import RunnelText

/// Where a continuation ends, besides at an end token of the model.
public struct TextLimits: Sendable, Equatable {
  /// It ends before any of these; none is empty.
  public var stops: [String]
  /// It ends after so many tokens; 0: never.
  public var maximumTokens: Int

  /// - Parameters: as the properties.
  public init(stops: [String] = [], maximumTokens: Int = 0) {
    (self.stops, self.maximumTokens) = (stops, maximumTokens)
  }
}

/// One continuation under way: it takes tokens and gives the bytes that may be shown, which are whole characters and belong to no
/// stop string. ``TextSession`` and ``TextBatch`` draw the tokens; who draws them elsewhere feeds this value alone.
public struct Continuation: Sendable {
  private var stops: StopMatcher
  private var characters = UTF8Stream()
  private var decoder: any TokenDecoder
  private var bytes: [UInt8] = []
  /// Bytes that may be shown.
  private var ready: [UInt8]
  /// How many tokens it has taken, an end token among them.
  public private(set) var tokens = 0
  private let maximum: Int
  private let ends: Set<Int32>
  /// The model has ended its text.
  private var hasEnded = false

  /// Why a continuation ended; raw values are the words of `--json`.
  public enum End: String, Codable, Sendable {
    /// A stop string came.
    case stop
    /// The model drew a token that ends its texts.
    case endToken = "end_token"
    /// ``TextLimits/maximumTokens`` were drawn.
    case maximumTokens = "max_tokens"
    /// The stop string was a line feed.
    case line
    /// Whoever asked for it asked for no more.
    case interrupt
    /// There was nothing to continue, and the model has no token that begins a text.
    case emptyPrompt = "empty_prompt"
  }

  /// - Parameters:
  ///   - tokenizer: of the model; the continuation goes on within a text.
  ///   - ends: tokens that end it and stand for no text.
  ///   - pending: bytes that an earlier continuation of the stream held back.
  public init(
    _ tokenizer: some Tokenizer, limits: TextLimits, ends: Set<Int32> = [], pending: [UInt8] = []
  ) {
    stops = StopMatcher(limits.stops)
    maximum = limits.maximumTokens
    self.ends = ends
    // It goes on within a text, be it that of a prompt or of a saved stream.
    decoder = tokenizer.decoder(continuing: true)
    ready = characters.feed(stops.feed(pending).emit)
  }

  /// Nil while it goes on.
  public var end: End? {
    if let stop = stops.found { return stop == [UInt8(ascii: "\n")] ? .line : .stop }
    if hasEnded { return .endToken }
    return maximum > 0 && tokens >= maximum ? .maximumTokens : nil
  }

  /// Bytes that have not been taken.
  public var pending: [UInt8] { ready + characters.pending + stops.pending }

  /// Takes the next token of the stream.
  public mutating func add(_ token: Int32) {
    tokens += 1
    guard !ends.contains(token) else {
      hasEnded = true
      return
    }
    decoder.feed(token, into: &bytes)
    ready += characters.feed(stops.feed(bytes).emit)
    bytes.removeAll(keepingCapacity: true)
  }

  /// What can be shown now: whole characters of UTF-8, or bytes that are none.
  public mutating func take() -> [UInt8] {
    defer { ready = [] }
    return ready
  }

  /// The rest of it, characters that have no end among them; nothing is pending afterwards.
  public mutating func finish() -> [UInt8] { take() + characters.feed(stops.flush()) + characters.flush() }
}
