/// `runnel corpus cat`: the text of any part of a corpus.

import ArgumentParser
import Foundation
import Runnel

extension CorpusCommand {
  struct Cat: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print text of a corpus; of a synthetic task, its documents as symbols, one a line.",
      discussion: "Example: runnel corpus cat book.tokens.zst --split validation")
    @Argument(help: ArgumentHelp("The corpus.", valueName: "corpus")) var path: String
    @Option(help: "Only this split: train or validation.") var split: SplitName?
    @Option(help: ArgumentHelp("Only tokens a..<b.", valueName: "a:b")) var tokens: TokenRange?
    @Option(help: ArgumentHelp("Only this document, counted from 0.", valueName: "n")) var document: Int?
    @Flag(help: "Print what can be read of a damaged corpus; the damage goes to stderr.") var salvage = false

    func validate() throws {
      if [split != nil, tokens != nil, document != nil].filter({ $0 }).count > 1 {
        throw ValidationError("--split, --tokens and --document each choose a range; give one of them")
      }
    }

    func run() throws {
      let corpus = try Corpus(path: path, salvage: salvage)
      let range =
        try document.map { try corpus.documentRange($0) } ?? tokens?.range
        ?? split.map { corpus.range(of: $0.split) } ?? 0..<corpus.count
      if corpus.header.tokenizer == .task, !salvage {
        return try corpus.writeSymbols(of: range) { Output.write(Array($0.utf8)) }
      }
      guard salvage else { return try corpus.write(range, to: STDOUT_FILENO) }
      let width = corpus.header.dtype.width
      let found = try corpus.salvage(range) { _, ids in
        var bytes: [UInt8] = []
        for id in ids {
          for shift in 0..<width { bytes.append(UInt8(truncatingIfNeeded: id >> (8 * shift))) }
        }
        Output.write(bytes)
      }
      for finding in found { Output.note("\(finding)") }
      if !found.isEmpty { throw ExitCode(1) }
    }
  }
}

enum SplitName: String, ExpressibleByArgument, CaseIterable {
  case train, validation
  var split: Corpus.Split { self == .train ? .train : .validation }
}

/// a:b, from token a up to but not including token b.
struct TokenRange: ExpressibleByArgument {
  let range: Range<Int>
  init?(argument: String) {
    let parts = argument.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let first = parts[0], let end = parts[1], first >= 0, end >= first else {
      return nil
    }
    range = first..<end
  }
}
