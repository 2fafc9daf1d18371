// Corpora that are trained on together, and in which shares.

import Foundation

/// One or several corpora of one tokenizer, each with its share of the training tokens.
public struct CorpusMixture: Sendable {
  /// A corpus and its share.
  public struct Part: Sendable {
    /// A mixture samples its training split.
    public let corpus: Corpus
    /// Its share of the tokens; the shares of a mixture sum to one.
    public let weight: Double
  }

  /// At least one.
  public let parts: [Part]

  /// How a user names it: a path, or paths with weights.
  public let name: String

  /// A single corpus.
  public init(_ corpus: Corpus) {
    parts = [Part(corpus: corpus, weight: 1)]
    name = corpus.path
  }

  /// Corpora with weights in any unit.
  ///
  /// - Throws: `CorpusError` where a weight is not a positive number, or tokenizers or
  ///   vocabularies differ.
  public init(_ corpora: [(corpus: Corpus, weight: Double)]) throws {
    precondition(!corpora.isEmpty, "a mixture of no corpora")
    let first = corpora[0].corpus
    for (corpus, weight) in corpora {
      guard weight > 0, weight.isFinite else {
        throw CorpusError(
          corpus.path, "its weight in the mixture is \(weight); it must be a positive number")
      }
      let (own, other) = (corpus.header, first.header)
      guard own.tokenizer == other.tokenizer, own.vocabularySize == other.vocabularySize else {
        throw CorpusError(
          corpus.path,
          "its tokens are of \(describe(own)), those of \(first.path) of \(describe(other)); "
            + "a mixture has one tokenizer: build one of the two anew")
      }
    }
    // In units of the largest where the sum has no number.
    let isLarge = !corpora.reduce(0) { $0 + $1.weight }.isFinite
    let unit = isLarge ? corpora.map(\.weight).max() ?? 1 : 1
    let sum = corpora.reduce(0) { $0 + $1.weight / unit }
    parts = corpora.map { Part(corpus: $0.corpus, weight: $0.weight / unit / sum) }
    if let idle = parts.first(where: { $0.weight == 0 }) {
      throw CorpusError(
        idle.corpus.path, "its weight in the mixture is nothing beside the others; leave it out or raise it")
    }
    name = corpora.map { "\($0.corpus.path):\($0.weight)" }.joined(separator: ",")
  }

  /// Opens what a user names: `a.tokens.zst`, or `a.tokens.zst:0.7,b.tokens.zst:0.3`.
  ///
  /// A file of the whole name wins over its reading as a list, and one of an entry's whole name
  /// over its reading as a name and a weight. Without weights each corpus has the share that its
  /// training tokens have.
  ///
  /// - Parameter open: opens one corpus.
  /// - Throws: `CorpusError`.
  public init(
    named text: String, open: (String) throws -> Corpus = { try Corpus(path: $0) }
  ) throws {
    func isFile(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
    if isFile(text) || !text.contains(where: { $0 == "," || $0 == ":" }) {
      self.init(try open(text))
      return
    }
    let entries = text.split(separator: ",", omittingEmptySubsequences: false).map {
      entry -> (path: String, weight: Double?) in
      guard !isFile(String(entry)), let colon = entry.lastIndex(of: ":"),
        let weight = Double(entry[entry.index(after: colon)...])
      else { return (String(entry), nil) }
      return (String(entry[..<colon]), weight)
    }
    let weighted = entries.count { $0.weight != nil }
    guard weighted == 0 || weighted == entries.count else {
      throw CorpusError(
        text, "\(weighted) of \(entries.count) corpora have a weight; give one to all, as in a:0.7,b:0.3")
    }
    try self.init(
      entries.map { entry in
        let corpus = try open(entry.path)
        return (corpus, entry.weight ?? Double(max(1, corpus.range(of: .train).count)))
      })
  }
}

private func describe(_ header: CorpusHeader) -> String {
  let hash = header.tokenizer.sha256.map { " (sha256 \($0.prefix(12)))" } ?? ""
  return "tokenizer \(header.tokenizer.name)\(hash) with \(header.vocabularySize) ids"
}

/// Tells corpora apart without reading them through.
public struct CorpusFingerprint: Codable, Sendable, Equatable {
  /// Tokens of all splits.
  public var tokens: Int
  /// Documents of all splits; nil in cursors whose writer did not record it, as is `frameTable`.
  public var documents: Int?
  /// XXH64 over the seek table's entries of all data frames, checksums included.
  public var frameTable: String?

  enum CodingKeys: String, CodingKey {
    case tokens, documents
    case frameTable = "frame_table_xxh64"
  }

  package init(tokens: Int, documents: Int? = nil, frameTable: String? = nil) {
    (self.tokens, self.documents, self.frameTable) = (tokens, documents, frameTable)
  }
}

extension Corpus {
  /// What a sampler's cursor knows this corpus by.
  public var fingerprint: CorpusFingerprint {
    CorpusFingerprint(
      tokens: header.tokens, documents: header.documents, frameTable: header.frameTable)
  }
}
