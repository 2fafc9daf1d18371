import ArgumentParser
import Foundation
import Runnel

struct CorpusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "corpus", abstract: "Build, read and check corpora.",
    discussion: "Example: runnel corpus build book.tokens.zst book.txt",
    subcommands: [Build.self, Info.self, Cat.self, Verify.self, Synth.self])
}

/// Where the validation split begins.
struct ValidationOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The share at the end that is kept for validation.", valueName: "fraction"))
  var validation = 0.1

  func validate() throws {
    guard validation >= 0, validation < 1 else {
      throw ValidationError("--validation is \(validation); it must lie in [0, 1)")
    }
  }
}

extension CorpusCommand {
  struct Build: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a corpus from texts: .txt, .jsonl with a text field, either also .zst, or - for stdin.",
      discussion: "Example: runnel corpus build book.tokens.zst book.txt more.jsonl.zst --validation 0.05")

    @Argument(help: ArgumentHelp("The corpus to write.", valueName: "out")) var path: String
    @Argument(help: ArgumentHelp("Texts, in order; - is stdin.", valueName: "input")) var inputs: [String]
    @OptionGroup var split: ValidationOptions
    @Option(help: "zstd's level, 1 to 22.") var level = 3
    @OptionGroup var output: OutputOptions

    func validate() throws {
      guard (1...22).contains(level) else {
        throw ValidationError("--level is \(level); it must lie in 1...22")
      }
      if inputs.isEmpty { throw ValidationError("name at least one text, or - for stdin") }
    }

    func run() throws {
      var line = ProgressLine()
      let total = inputs.reduce(0) { $0 + fileSize($1) }
      let header = try CorpusBuilder.build(
        inputs: inputs, output: path, validation: split.validation > 0 ? .tail(split.validation) : .none,
        level: level
      ) { done in
        line.show(Double(done) / Double(max(1, total, done)), "\(Output.grouped(done)) bytes read")
      }
      line.finish()
      try report(header, at: path, output)
    }

    private func fileSize(_ path: String) -> Int {
      (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
    }
  }

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
        ["tokens", "\(Output.grouped(header.tokens)) (\(header.tokenizer.name), \(header.dtype.rawValue))"],
        ["documents", Output.grouped(header.documents)],
        ["training", Output.grouped(corpus.range(of: .train).count)],
        ["validation", Output.grouped(corpus.range(of: .validation).count)],
        [
          "file",
          String(
            format: "%@ bytes in %d frames, %.2f times smaller", Output.grouped(info.fileBytes), info.frames,
            info.ratio),
        ],
      ]
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
          "source", "\(source.name), \(Output.grouped(source.bytes)) bytes, sha256 \(source.sha256)",
        ])
      }
      Output.table(rows)
    }
  }

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

  struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Check every checksum of a corpus.",
      discussion: "Example: runnel corpus verify book.tokens.zst")
    @Argument(help: ArgumentHelp("The corpus.", valueName: "corpus")) var path: String
    @OptionGroup var output: OutputOptions

    private struct Result: Encodable {
      let passed: Bool
      let findings: [CorpusFinding]
    }

    func run() throws {
      var line = ProgressLine()
      let findings = try Corpus.verify(path: path) { line.show($0, "checking \(path)") }
      line.finish()
      if output.json {
        try Output.json(Result(passed: findings.isEmpty, findings: findings))
      } else if findings.isEmpty {
        Output.line("\(path): every frame is sound")
      } else {
        for finding in findings { Output.line("\(path): \(finding)") }
      }
      if !findings.isEmpty { throw ExitCode(1) }
    }
  }
}

func report(_ header: CorpusHeader, at path: String, _ output: OutputOptions) throws {
  if output.json { return try Output.json(header) }
  let training = header.validationStart
  Output.line(
    "\(path): \(Output.grouped(header.tokens)) tokens in \(Output.grouped(header.documents)) documents, "
      + "\(Output.grouped(training)) for training, \(Output.grouped(header.tokens - training)) for validation"
  )
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
