// The JSON header of a corpus: what its tokens are, where they came from, how they are split.

import Foundation
import RunnelFiles

/// What a corpus says about itself; stored as JSON with the same names in snake_case.
public struct CorpusHeader: Codable, Sendable, Equatable {
  /// Who made the token ids.
  public struct Tokenizer: Codable, Sendable, Equatable {
    /// `bytes`, `task` for ids that a synthetic task made, or the name of the tokenizer's file.
    public var name: String
    /// The SHA-256 of the tokenizer's file in hexadecimal; nil for bytes.
    public var sha256: String?

    package init(name: String, sha256: String? = nil) {
      (self.name, self.sha256) = (name, sha256)
    }

    /// Bytes as tokens: 256 of them, no file.
    public static let bytes = Tokenizer(name: "bytes")
  }

  /// The width of a token id in the file.
  public enum TokenType: String, Codable, Sendable, CaseIterable {
    case u8, u16, u32

    /// Bytes per token.
    public var width: Int {
      switch self {
      case .u8: 1
      case .u16: 2
      case .u32: 4
      }
    }

    /// The smallest type that holds every id below `vocabularySize`.
    public init(vocabularySize: Int) {
      self = vocabularySize <= 1 << 8 ? .u8 : vocabularySize <= 1 << 16 ? .u16 : .u32
    }
  }

  /// What encoding did about special tokens.
  public struct SpecialTokens: Codable, Sendable, Equatable {
    /// The tokens around every document, from the template of the tokenizer.
    public var before, after: [Int32]
    /// Special tokens in the texts were taken for text.
    public var areText: Bool

    /// Nothing is checked: `CorpusBuilder.build` takes the tokens as they are.
    public init(before: [Int32], after: [Int32], areText: Bool) {
      (self.before, self.after, self.areText) = (before, after, areText)
    }

    enum CodingKeys: String, CodingKey {
      case before, after
      case areText = "are_text"
    }
  }

  /// One input, as it was on disk or came through the pipe.
  public struct Source: Codable, Sendable, Equatable {
    /// The name of the file, with those of folders below the one that was given.
    public var name: String
    /// Bytes as read: compressed ones for a `.zst`.
    public var bytes: Int
    /// Of those bytes, in hexadecimal.
    public var sha256: String

    package init(name: String, bytes: Int, sha256: String) {
      (self.name, self.bytes, self.sha256) = (name, bytes, sha256)
    }
  }

  /// How a synthetic corpus was made, and how well it can be predicted.
  public struct Task: Codable, Sendable, Equatable {
    /// The task's name, as ``SyntheticTasks`` knows it, or `stories`.
    public var name: String
    /// The seed that its documents were drawn with.
    public var seed: UInt64
    /// A loss known to be reachable, in nats per token: in the mean over the tokens asked for, or
    /// over all where the task asks for none in particular.
    public var bestLoss: Double?
    /// A share of right answers known to be reachable where the task asks for one.
    public var bestAccuracy: Double?
    /// What `bestLoss` and `bestAccuracy` mean for this task, in a sentence.
    public var note: String?
    /// The task's own settings.
    public var settings: [String: Double]?

    package init(
      name: String, seed: UInt64, bestLoss: Double? = nil, bestAccuracy: Double? = nil,
      note: String? = nil, settings: [String: Double]? = nil
    ) {
      (self.name, self.seed, self.bestLoss) = (name, seed, bestLoss)
      (self.bestAccuracy, self.note, self.settings) = (bestAccuracy, note, settings)
    }

    enum CodingKeys: String, CodingKey {
      case name, seed, note, settings
      case bestLoss = "best_loss"
      case bestAccuracy = "best_accuracy"
    }
  }

  /// The version of the format, 1.
  public var version = 1
  /// Who made the token ids.
  public var tokenizer: Tokenizer
  /// All ids are below it.
  public var vocabularySize: Int
  /// How ids are stored.
  public var dtype: TokenType
  /// How many tokens and documents there are, in all splits together.
  public var tokens, documents: Int
  /// The first token of the validation split; `tokens` when there is none.
  public var validationStart: Int
  /// How the validation split was chosen: `tail`, `tail-of-documents` or `document`; nil for none, or if its
  /// parts were chosen in several ways.
  public var validationBy: String?
  /// The fraction that was asked for.
  public var validationFraction: Double?
  /// The token that ends every document, where one was appended.
  public var endOfDocument: Int32?
  /// What was done about special tokens, where something was asked for.
  public var specialTokens: SpecialTokens?
  /// Documents left out because they equalled an earlier one; nil where duplicates were not looked for.
  public var duplicatesRemoved: Int?
  /// The inputs, in the order of their documents; of an import the files of ids.
  public var sources: [Source]
  /// How the documents were generated; nil for text.
  public var task: Task?
  /// zstd's compression level.
  public var level: Int
  /// Bytes of token ids in every data frame but the last.
  public var frameBytes: Int
  /// XXH64 over the seek table's entries of all data frames, 16 hexadecimal digits.
  public var frameTable: String

  enum CodingKeys: String, CodingKey {
    case version, tokenizer, dtype, tokens, documents, sources, task, level
    case vocabularySize = "vocabulary_size"
    case validationStart = "validation_start"
    case validationBy = "validation_by"
    case validationFraction = "validation_fraction"
    case endOfDocument = "end_of_document"
    case specialTokens = "special_tokens"
    case duplicatesRemoved = "duplicates_removed"
    case frameBytes = "frame_bytes"
    case frameTable = "frame_table_xxh64"
  }

}

extension CorpusHeader {
  /// The header as JSON, its keys sorted so that equal headers are equal bytes.
  func json() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return [UInt8](try encoder.encode(self))
  }

  /// Reads the header from JSON of no great depth; throws a `CorpusProblem`.
  init(json: [UInt8]) throws(CorpusProblem) {
    do {
      var scanner = JSONScanner(json, file: "", name: "the header")
      try scanner.skipValue()
      try scanner.finish()
      self = try JSONDecoder().decode(CorpusHeader.self, from: Data(json))
    } catch let error as FileError {
      throw CorpusProblem("\(error.place): expected \(error.expected), found \(error.found)")
    } catch DecodingError.keyNotFound(let key, _) {
      throw CorpusProblem("the header lacks the field \(key.stringValue)")
    } catch DecodingError.typeMismatch(_, let context),
      DecodingError.valueNotFound(_, let context), DecodingError.dataCorrupted(let context)
    {
      let field = context.codingPath.map(\.stringValue).joined(separator: ".")
      // The scanner has read all of it, but for its depth.
      throw CorpusProblem(
        field.isEmpty
          ? "the header is nested too deep" : "the header's field \(field) has an unexpected value")
    } catch {
      throw CorpusProblem("the header cannot be read: \(error)")
    }
    guard version == 1 else {
      throw CorpusProblem("format version \(version), this reader knows 1; use a newer runnel")
    }
    guard (1...Limits.vocabulary).contains(vocabularySize) else {
      throw CorpusProblem(
        "the header's vocabulary_size is \(vocabularySize), expected 1 to \(Limits.vocabulary)")
    }
    guard dtype == TokenType(vocabularySize: vocabularySize) else {
      throw CorpusProblem("the header's dtype \(dtype) does not fit \(vocabularySize) tokens")
    }
    guard tokens >= 0, documents >= 0, (0...tokens).contains(validationStart) else {
      throw CorpusProblem("the header's counts contradict each other")
    }
    guard sources.allSatisfy({ $0.bytes >= 0 }), duplicatesRemoved ?? 0 >= 0 else {
      throw CorpusProblem("the header's sources or duplicates_removed are negative")
    }
    guard endOfDocument.map({ $0 >= 0 && Int($0) < vocabularySize }) ?? true else {
      throw CorpusProblem("the header's end_of_document is outside the vocabulary")
    }
    let around = (specialTokens?.before ?? []) + (specialTokens?.after ?? [])
    guard around.allSatisfy({ $0 >= 0 && Int($0) < vocabularySize }), around.count <= 64 else {
      throw CorpusProblem("the header's special_tokens are outside the vocabulary, or more than 64")
    }
  }
}

/// The limits of the format, as `docs/corpus-format.md` states them.
enum Limits {
  /// Token ids are non-negative 32-bit integers for everyone.
  static let vocabulary = 1 << 31
  /// Decoded bytes in a data frame.
  static let frameBytes = 16 << 20
  /// Bytes in the payload of a metadata frame.
  static let blockBytes = 64 << 20
  /// Document starts in one metadata frame.
  static let documentsPerBlock = 1 << 20
  /// Bytes in the name of a tokenizer's file.
  static let tokenizerName = 255
  /// Bytes in a tokenizer's file.
  static let tokenizerBytes = 256 << 20
  /// Frames in a file, as the seekable format has it.
  static let frames = 0x800_0000
}

/// A violation of the format, before the file and place are added.
struct CorpusProblem: Error {
  let message: String
  init(_ message: String) { self.message = message }
}
