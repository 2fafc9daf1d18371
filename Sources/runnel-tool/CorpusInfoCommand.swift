/// `runnel corpus info`: what a corpus holds.

import ArgumentParser
import Foundation
import Runnel

extension CorpusCommand {
  struct Info: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Say what a corpus holds.", discussion: "Example: runnel corpus info book.tokens.zst --json")
    @Argument(help: ArgumentHelp("The corpus.", valueName: "corpus")) var path: String
    @OptionGroup var output: OutputOptions

    func run() throws {
      let corpus = try Corpus(path: path)
      let info = corpus.info
      if output.json { return try Output.json(info) }
      let header = info.header
      var rows = [
        ["corpus", path],
        ["tokens", "\(grouped(header.tokens)) (\(header.dtype.rawValue))"],
        ["tokenizer", Self.tokenizer(of: info)],
        ["documents", grouped(header.documents)],
        ["training", grouped(corpus.range(of: .train).count)],
        ["validation", grouped(corpus.range(of: .validation).count) + Self.split(in: header)],
        [
          "file",
          String(
            format: "%@ in %@, %.2f times smaller", counted(info.fileBytes, "byte"),
            counted(info.frames, "frame"), info.ratio),
        ],
      ]
      if let special = header.specialTokens {
        let around = (special.before + special.after).map(String.init).joined(separator: ", ")
        rows.append([
          "special tokens",
          (around.isEmpty ? "none" : "\(around)") + " around each document; in the texts "
            + (special.areText ? "they are text" : "they are tokens"),
        ])
      }
      if let end = header.endOfDocument { rows.append(["end of document", "token \(end) after each"]) }
      if let duplicates = header.duplicatesRemoved {
        rows.append(["duplicates", "\(counted(duplicates, "document")) left out"])
      }
      if let task = header.task {
        rows.append(["task", "\(task.name), seed \(task.seed)"])
        if let best = task.bestLoss {
          rows.append(["best loss", String(format: "%.4f nats per token or less", best)])
        }
        if let best = task.bestAccuracy {
          rows.append(["best accuracy", String(format: "%.2f %%", 100 * best)])
        }
        if let settings = task.settings {
          let shown = settings.sorted { $0.key < $1.key }.map { key, value in
            "\(key) " + (Int(exactly: value).map(String.init) ?? "\(value)")
          }
          rows.append(["settings", shown.joined(separator: ", ")])
        }
        if let note = task.note { rows.append(["note", note]) }
      }
      for source in header.sources {
        rows.append([
          "source", "\(source.name), \(counted(source.bytes, "byte")), sha256 \(source.sha256)",
        ])
      }
      Output.table(rows)
    }

    private static func tokenizer(of info: Corpus.Info) -> String {
      let header = info.header
      var facts = [counted(header.vocabularySize, "token")]
      if let sha256 = header.tokenizer.sha256 {
        facts.append("sha256 \(sha256)")
        facts.append(info.keepsTokenizer ? "kept in the corpus" : "not kept in the corpus")
      }
      return "\(header.tokenizer.name): " + facts.joined(separator: ", ")
    }

    private static func split(in header: CorpusHeader) -> String {
      guard let rule = header.validationBy else { return "" }
      let share = header.validationFraction.map { String(format: "%g of the ", $0) } ?? ""
      switch rule {
      case "tail": return " (\(share)tokens, the last ones)"
      case "tail-of-documents": return " (\(share)tokens, the last documents)"
      case "document": return " (\(share)documents, by their content)"
      default: return " (\(rule))"
      }
    }
  }
}
