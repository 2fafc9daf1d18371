/// The record of a run: in its checkpoint, and for reading in `run.json`.

import Foundation
import RunnelCorpora
import RunnelFiles

/// What a run is and how far it has come, as JSON with these names in snake_case.
public struct RunRecord: Codable, Sendable, Equatable {
  static let version = 2

  /// The names of the model's mixers, joined by commas.
  public var mixer: String
  /// What decides the run's numbers.
  public var settings: TrainingSettings
  /// The corpora as the user named them: a file, or files with weights.
  public var corpus: String
  /// The place in the data; it also tells corpora apart, as a run may only go on with those it began with.
  public var cursor: SegmentSampler.Cursor
  /// Steps done and tokens trained on, of all sessions of the run.
  public var steps, tokens: Int
  /// Seconds of training, of all sessions of the run, with the validations on the way.
  public var seconds: Double
  /// The threads of the session that wrote the record.
  public var threads: Int
  /// What the tokens are of; nil in records of older versions.
  public var tokenizer: CorpusHeader.Tokenizer?
  /// What was changed on the way.
  public var changes: [SettingChange] = []
  /// What the run has counted.
  public var tally = RunTally()

  /// Of a trainer as it is.
  init(_ trainer: Trainer, threads: Int) {
    let corpora = trainer.sampler.mixture
    self.init(
      mixer: trainer.model.mixerName, settings: trainer.settings, corpus: corpora.name,
      cursor: trainer.sampler.cursor, steps: trainer.steps, tokens: trainer.tokens, seconds: trainer.seconds,
      threads: threads)
    (tokenizer, changes) = (corpora.parts[0].corpus.header.tokenizer, trainer.changes)
    tally = trainer.tally
  }

  package init(
    mixer: String, settings: TrainingSettings, corpus: String, cursor: SegmentSampler.Cursor, steps: Int,
    tokens: Int, seconds: Double, threads: Int
  ) {
    (self.mixer, self.settings, self.corpus, self.cursor) = (mixer, settings, corpus, cursor)
    (self.steps, self.tokens, self.seconds, self.threads) = (steps, tokens, seconds, threads)
  }

  enum CodingKeys: String, CodingKey {
    case version, mixer, settings, corpus, cursor, steps, tokens, seconds, threads, tokenizer, changes, tally
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
    try fields.encodeIfPresent(tokenizer, forKey: .tokenizer)
    if !changes.isEmpty { try fields.encode(changes, forKey: .changes) }
    if tally != RunTally() { try fields.encode(tally, forKey: .tally) }
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
    tokenizer = try fields.decodeIfPresent(CorpusHeader.Tokenizer.self, forKey: .tokenizer)
    changes = try fields.decodeIfPresent([SettingChange].self, forKey: .changes) ?? []
    tally = try fields.decodeIfPresent(RunTally.self, forKey: .tally) ?? RunTally()
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

extension RunRecord {
  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
  }

  /// Refuses numbers that no run has written.
  func check(_ path: String) throws {
    func refuse(_ place: String, expected: String, found: String) -> FileError {
      FileError(
        path, at: "metadata \"run\", \(place)", expected: expected, found: found,
        remedy: "train into a new folder")
    }
    do { try settings.validate() } catch {
      throw refuse("settings", expected: "settings in their ranges", found: "\(error)")
    }
    // What is allocated for the data is bounded by the size of the record.
    guard cursor.places.count == settings.batch else {
      throw refuse(
        "cursor", expected: "a place for each of \(settings.batch) lanes",
        found: "\(cursor.places.count) for segments of \(settings.segment)")
    }
    guard cursor.parts.allSatisfy({ 0 <= $0.start && $0.start < $0.end }) else {
      throw refuse("cursor", expected: "ranges of tokens", found: "an empty one")
    }
    let counts = 0..<1 << 62
    guard counts.contains(steps), counts.contains(tokens), seconds.isFinite else {
      throw refuse("steps", expected: "counts", found: "\(steps) steps, \(tokens) tokens")
    }
    guard tally.isPossible, tally.skippedSteps <= steps, tally.averagedSteps <= steps else {
      throw refuse("tally", expected: "counts of \(counted(steps, "step"))", found: "others")
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
