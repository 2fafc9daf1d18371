/// `runnel corpus cat`: the text of any part of a corpus.

import ArgumentParser
import Foundation
import Runnel

extension CorpusCommand {
  struct Cat: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print text of a corpus; of a synthetic task, its documents as symbols, one a line.",
      discussion: """
        Example: runnel corpus cat book.tokens.zst --split validation
        Text is decoded with the tokenizer that the corpus keeps; without one, ids are printed, a document a line.
        """)
    @Argument(help: ArgumentHelp("The corpus.", valueName: "corpus")) var path: String
    @Option(help: "Only this split: train or validation.") var split: SplitName?
    @Option(help: ArgumentHelp("Only tokens a..<b.", valueName: "a:b")) var tokens: IndexRange?
    @Option(help: ArgumentHelp("Only this document, counted from 0.", valueName: "n")) var document: Int?
    @Option(help: ArgumentHelp("Only documents a..<b.", valueName: "a:b")) var documents: IndexRange?
    @Flag(help: "Print token ids, a document a line.") var ids = false
    @Flag(help: "Print a JSON object with the field text for each document.") var jsonl = false
    @Flag(help: "Print what can be read of a damaged corpus; the damage goes to stderr.") var salvage = false

    func validate() throws {
      if [split != nil, tokens != nil, document != nil, documents != nil].filter({ $0 }).count > 1 {
        throw ValidationError(
          "--split, --tokens, --document and --documents each choose a range; give one of them")
      }
      if ids && jsonl { throw ValidationError("--ids and --jsonl are two ways to print; give one of them") }
    }

    func run() throws {
      let corpus = try Corpus(path: path, salvage: salvage)
      let range = try range(in: corpus)
      if corpus.header.tokenizer == .task, !ids, !jsonl, !salvage {
        return try corpus.writeSymbols(of: range) { Output.write(Array($0.utf8)) }
      }
      let tokenizer = ids ? nil : try corpus.tokenizer()
      if let tokenizer, tokenizer.name == ByteTokenizer().name, !jsonl, !salvage {
        return try corpus.write(range, to: STDOUT_FILENO)
      }
      if jsonl && tokenizer == nil {
        throw ToolError("\(path) keeps no tokenizer that could make text of its ids; leave --jsonl out")
      }
      var printer = DocumentPrinter(tokenizer: tokenizer, asJSON: jsonl)
      var found: [CorpusFinding] = []
      if salvage {
        found = try corpus.salvage(range) { part, ids in try printer.take(ids, part, of: corpus) }
      } else {
        var position = range.lowerBound
        try corpus.forEachPiece(of: range) { ids in
          try printer.take(ids, position..<position + ids.count, of: corpus)
          position += ids.count
        }
      }
      try printer.finish(range, of: corpus)
      for finding in found { Output.note("\(finding)") }
      if !found.isEmpty { throw ExitCode(1) }
    }

    private func range(in corpus: Corpus) throws -> Range<Int> {
      if let document { return try corpus.documentRange(document) }
      if let documents = documents?.range {
        guard documents.upperBound <= corpus.documentCount else {
          throw ToolError("documents \(documents) asked for, \(path) holds 0..<\(corpus.documentCount)")
        }
        guard !documents.isEmpty else { return 0..<0 }
        return try corpus.documentRange(documents.lowerBound)
          .lowerBound..<corpus.documentRange(documents.upperBound - 1).upperBound
      }
      return tokens?.range ?? split.map { corpus.range(of: $0.split) } ?? 0..<corpus.count
    }
  }
}

/// Prints documents as they come in pieces: as text, as lines of JSON, or as lines of ids where there is no tokenizer.
private struct DocumentPrinter {
  private let tokenizer: (any Tokenizer)?
  private let asJSON: Bool
  private var decoder: (any TokenDecoder)?
  private var bytes: [UInt8] = []
  /// A document has begun, and whether any of its ids have come.
  private var isInside = false
  private var isEmpty = true

  private struct Line: Encodable { let text: String }

  init(tokenizer: (any Tokenizer)?, asJSON: Bool) {
    (self.tokenizer, self.asJSON) = (tokenizer, asJSON)
    decoder = tokenizer?.decoder()
  }

  mutating func take(_ ids: [Int32], _ part: Range<Int>, of corpus: Corpus) throws {
    var rest = ids[...]
    for start in corpus.documentStarts(in: part) {
      let n = start - part.lowerBound - (ids.count - rest.count)
      try print(rest.prefix(n))
      rest = rest.dropFirst(n)
      try begin()
    }
    try print(rest)
  }

  /// Ends the last document; at the end of the corpus, empty ones may follow it.
  mutating func finish(_ range: Range<Int>, of corpus: Corpus) throws {
    if range.upperBound == corpus.count {
      for _ in corpus.documentStarts(in: corpus.count..<corpus.count + 1) { try begin() }
    }
    if isInside { try end() }
  }

  private mutating func begin() throws {
    if isInside { try end() }
    isInside = true
  }

  private mutating func print(_ ids: ArraySlice<Int32>) throws {
    guard !ids.isEmpty else { return }
    if decoder == nil {
      let line = (isEmpty ? "" : " ") + ids.lazy.map(String.init).joined(separator: " ")
      bytes = Array(line.utf8)
    } else {
      for id in ids { decoder?.feed(id, into: &bytes) }
    }
    (isInside, isEmpty) = (true, false)
    if !asJSON { try flush() }
  }

  private mutating func end() throws {
    if decoder == nil { bytes.append(10) }
    decoder?.finish(into: &bytes)
    decoder = tokenizer?.decoder()
    (isInside, isEmpty) = (false, true)
    if asJSON {
      try Output.json(Line(text: String(decoding: bytes, as: UTF8.self)), pretty: false)
    } else {
      try flush()
    }
    bytes.removeAll(keepingCapacity: true)
  }

  private mutating func flush() throws {
    // A reader that has gone, as `head` does, ends the work and is no failure.
    guard Output.write(bytes) else { throw ExitCode.success }
    bytes.removeAll(keepingCapacity: true)
  }
}

enum SplitName: String, ExpressibleByArgument, CaseIterable {
  case train, validation
  var split: Corpus.Split { self == .train ? .train : .validation }
}

/// a:b, from number a up to but not including b.
struct IndexRange: ExpressibleByArgument {
  let range: Range<Int>
  init?(argument: String) {
    let parts = argument.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let first = parts[0], let end = parts[1], first >= 0, end >= first else {
      return nil
    }
    range = first..<end
  }
}
