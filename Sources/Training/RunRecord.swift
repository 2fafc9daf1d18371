/// The record of a run: `run.json`.

import RunnelCorpora

public struct RunRecord: Codable, Sendable, Equatable {
  public static let version = 2

  public var mixer: String
  public var settings: TrainingSettings
  /// The corpora as the user named them: a file, or files with weights.
  public var corpus: String
  /// The place in the data; it also tells corpora apart, as a run may only go on with those it began with.
  public var cursor: SegmentSampler.Cursor
  public var steps: Int
  public var tokens: Int
  public var seconds: Double
  public var threads: Int

  public init(
    mixer: String, settings: TrainingSettings, corpus: String, cursor: SegmentSampler.Cursor, steps: Int,
    tokens: Int, seconds: Double, threads: Int
  ) {
    (self.mixer, self.settings, self.corpus, self.cursor) = (mixer, settings, corpus, cursor)
    (self.steps, self.tokens, self.seconds, self.threads) = (steps, tokens, seconds, threads)
  }

  enum CodingKeys: String, CodingKey {
    case version, mixer, settings, corpus, cursor, steps, tokens, seconds, threads
    case corpusTokens = "corpus_tokens"
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(Self.version, forKey: .version)
    try fields.encode(mixer, forKey: .mixer)
    try fields.encode(settings, forKey: .settings)
    try fields.encode(corpus, forKey: .corpus)
    try fields.encode(cursor, forKey: .cursor)
    try fields.encode(steps, forKey: .steps)
    try fields.encode(tokens, forKey: .tokens)
    try fields.encode(seconds, forKey: .seconds)
    try fields.encode(threads, forKey: .threads)
  }

  /// Reads version 2, and version 1, whose runs had the lanes of one corpus.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    mixer = try fields.decode(String.self, forKey: .mixer)
    settings = try fields.decode(TrainingSettings.self, forKey: .settings)
    corpus = try fields.decode(String.self, forKey: .corpus)
    steps = try fields.decode(Int.self, forKey: .steps)
    tokens = try fields.decode(Int.self, forKey: .tokens)
    seconds = try fields.decode(Double.self, forKey: .seconds)
    threads = try fields.decode(Int.self, forKey: .threads)
    switch try fields.decode(Int.self, forKey: .version) {
    case Self.version: cursor = try fields.decode(SegmentSampler.Cursor.self, forKey: .cursor)
    case 1:
      let place = try fields.decode(FirstCursor.self, forKey: .cursor)
      let count = try fields.decode(Int.self, forKey: .corpusTokens)
      guard let cursor = place.cursor(corpusTokens: count, settings) else {
        throw DecodingError.dataCorruptedError(
          forKey: .cursor, in: fields, debugDescription: "no place in a corpus")
      }
      self.cursor = cursor
    case let other:
      throw DecodingError.dataCorruptedError(
        forKey: .version, in: fields, debugDescription: "version \(other)")
    }
  }
}

/// The cursor of version 1: all lanes had walked equally far.
private struct FirstCursor: Decodable {
  /// Tokens walked per lane.
  var position: Int
  var seed: UInt64
  var lanes: Int
  var start: Int
  var end: Int

  /// The same place as it is stored now; nil where the numbers are none that a run has written.
  func cursor(corpusTokens: Int, _ settings: TrainingSettings) -> SegmentSampler.Cursor? {
    let counts = 0..<1 << 48
    guard counts.contains(start), counts.contains(end), end - start >= 2, (1...1 << 24).contains(lanes),
      position >= 0, position <= counts.upperBound / lanes
    else { return nil }
    let stretch = max(1, (end - start - 1) / lanes)
    let (epoch, offset) = position.quotientAndRemainder(dividingBy: stretch)
    let taken = (epoch + (offset > 0 ? 1 : 0)) * lanes
    return SegmentSampler.Cursor(
      strategy: .lanes, lanes: lanes, length: settings.segment, seed: seed,
      resetAtDocuments: settings.resetAtDocuments,
      parts: [
        .init(
          fingerprint: CorpusFingerprint(tokens: corpusTokens), weight: 1, start: start, end: end,
          taken: taken, assigned: taken * stretch)
      ],
      places: (0..<lanes).map {
        offset > 0 ? SegmentSampler.Place(part: 0, unit: epoch * lanes + $0, offset: offset) : nil
      })
  }
}
