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
    @Flag(
      help: """
        Print a JSON object for each document: its text, or where that is not UTF-8 its bytes in hexadecimal. `corpus build` \
        reads both.
        """)
    var jsonl = false
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
        return try corpus.writeSymbols(of: range) { try Self.write(Array($0.utf8)) }
      }
      let tokenizer = ids ? nil : try tokenizer(of: corpus)
      if tokenizer is ByteTokenizer, !jsonl, !salvage {
        return try corpus.forEachStretch(of: range) { try Self.write(Array($0)) }
      }
      if jsonl && tokenizer == nil {
        throw ToolError("\(path) keeps no tokenizer that could make text of its ids; leave --jsonl out")
      }
      var printer = DocumentPrinter(
        tokenizer, asJSON: jsonl, starts: starts(in: corpus, range), range)
      var found: [CorpusFinding] = []
      if salvage {
        found = try corpus.salvage(range) { part, ids in try printer.take(ids, part) }
      } else {
        var position = range.lowerBound
        try corpus.forEachPiece(of: range) { ids in
          try printer.take(ids, position..<position + ids.count)
          position += ids.count
        }
      }
      try printer.finish()
      for finding in found { Output.note("\(finding)") }
      if !found.isEmpty { throw ExitCode(1) }
    }

    /// A reader that has gone, as `head` does, ends the work and is no failure.
    fileprivate static func write(_ bytes: [UInt8]) throws {
      guard Output.write(bytes) else { throw ExitCode.success }
    }

    private func tokenizer(of corpus: Corpus) throws -> (any Tokenizer)? {
      do { return try corpus.tokenizer() } catch  where salvage && !jsonl {
        Output.note("\(error); ids are printed")
        return nil
      }
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

    /// Where the documents to be printed start, empty ones too; of a range of tokens, those that start in it, and with
    /// the last tokens the empty ones that follow.
    private func starts(in corpus: Corpus, _ range: Range<Int>) -> ArraySlice<Int> {
      if let document { return corpus.documentStarts[document...document] }
      if let documents = documents?.range { return corpus.documentStarts[documents] }
      return corpus.documents(startingIn: range)
    }
  }
}

/// Prints documents as they come in pieces: as text, as lines of JSON, or as lines of ids where there is no tokenizer.
private struct DocumentPrinter {
  private let tokenizer: (any Tokenizer)?
  private let asJSON: Bool
  /// Documents that are still to begin.
  private var starts: ArraySlice<Int>
  private let end: Int
  private var decoder: (any TokenDecoder)?
  private var bytes: [UInt8] = []
  /// A document has begun, and whether any of its ids have come.
  private var isInside = false
  private var isEmpty = true

  private struct Line: Encodable { let text, bytes: String? }

  init(
    _ tokenizer: (any Tokenizer)?, asJSON: Bool, starts: ArraySlice<Int>, _ range: Range<Int>
  ) {
    (self.tokenizer, self.asJSON) = (tokenizer, asJSON)
    (self.starts, end) = (starts, range.upperBound)
    decoder = tokenizer?.decoder(continuing: starts.first != range.lowerBound)
  }

  mutating func take(_ ids: [Int32], _ part: Range<Int>) throws {
    var position = part.lowerBound
    while let start = starts.first, start < part.upperBound {
      if start > position {
        try print(ids[(position - part.lowerBound)..<(start - part.lowerBound)])
        position = start
      }
      starts = starts.dropFirst()
      // A document of which nothing can be read is left out; an empty one is not.
      let next = starts.first ?? end
      if next == start || next > part.lowerBound { try begin() } else if isInside { try close() }
    }
    try print(ids[(position - part.lowerBound)...])
  }

  /// Ends the last document, and the empty ones after it.
  mutating func finish() throws {
    while let start = starts.popFirst() {
      if starts.first ?? end == start { try begin() }
    }
    if isInside { try close() }
  }

  private mutating func begin() throws {
    if isInside { try close() }
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

  private mutating func close() throws {
    if decoder == nil { bytes.append(10) }
    decoder?.finish(into: &bytes)
    decoder = tokenizer?.decoder()
    (isInside, isEmpty) = (false, true)
    if asJSON {
      let (text, hex) = Output.textAndBytes(bytes)
      try CorpusCommand.Cat.write(
        Array((Output.encoded(Line(text: hex == nil ? text : nil, bytes: hex)) + "\n").utf8))
    } else {
      try flush()
    }
    bytes.removeAll(keepingCapacity: true)
  }

  private mutating func flush() throws {
    try CorpusCommand.Cat.write(bytes)
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
