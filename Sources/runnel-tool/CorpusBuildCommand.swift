/// `runnel corpus build`: texts become a corpus.

import ArgumentParser
import Foundation
import Runnel

extension CorpusCommand {
  struct Build: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract:
        "Make a corpus from texts: .txt, .jsonl with a text field, either also .zst, folders of these, or -.",
      discussion: """
        What is no text, such as gzip data or a PDF, is known by its first bytes and refused; UTF-16 with its byte order mark is \
        made UTF-8.

        Example: runnel corpus build book.tokens.zst book.txt more.jsonl.zst --validation 0.05
        Example: runnel corpus build web.tokens.zst web/ --tokenizer tokenizer.json --append-token '<|endoftext|>' \
        --validation-by document --deduplicate
        Example: zcat novels.txt.gz | runnel corpus build novels.tokens.zst - --separator '<|endoftext|>'
        """)

    @Argument(help: ArgumentHelp("The corpus to write.", valueName: "out")) var path: String
    @Argument(help: ArgumentHelp("Texts or folders, in order; - is stdin.", valueName: "input")) var inputs:
      [String]
    @OptionGroup var reading: ReadingOptions
    @Option(
      help: ArgumentHelp(
        "bytes, or the file or folder of a tokenizer; it is kept in the corpus.", valueName: "file"))
    var tokenizer = "bytes"
    @Option(
      help: ArgumentHelp("A token to end every document with, such as <|endoftext|>.", valueName: "token"))
    var appendToken: String?
    @OptionGroup var special: SpecialTokenOptions
    @OptionGroup var split: ValidationOptions
    @Option(help: "What is kept for validation: the tail, or documents by a hash of their text.")
    var validationBy = SplitRule.tail
    @Flag(help: "Leave out documents that equal an earlier one.") var deduplicate = false
    @Option(help: "zstd's level, 1 to 22.") var level = 3
    @Option(
      help: ArgumentHelp("Bytes of token ids per frame, the unit of random access.", valueName: "bytes"))
    var frameSize = 256 << 10
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var replacing: ReplacingOptions
    @OptionGroup var output: OutputOptions

    enum SplitRule: String, ExpressibleByArgument, CaseIterable { case tail, document }

    func validate() throws {
      guard (1...22).contains(level) else {
        throw ValidationError("--level is \(level); it must lie in 1...22")
      }
      guard frameSize % 4 == 0, (4...16 << 20).contains(frameSize) else {
        throw ValidationError("--frame-size is \(frameSize); it must be a multiple of 4 up to \(16 << 20)")
      }
      if inputs.isEmpty { throw ValidationError("name at least one text, or - for stdin") }
    }

    func run() throws {
      let texts = try reading.texts(inputs)
      try replacing.check(path, for: .corpus, inputs: texts.map(\.path))
      let tokenizer = try Tokenizers.load(tokenizer)
      var builder = CorpusBuilder(
        tokenizer: tokenizer, validation: validation, level: level)
      builder.endToken = appendToken
      builder.specialTokens = special.recorded(for: tokenizer)
      builder.removesDuplicates = deduplicate
      builder.frameBytes = frameSize
      if let threads = compute.threads { builder.threads = threads }
      var progress = ReadingProgress(of: texts)
      let header = try builder.build(texts, to: path, badLines: ReadingOptions.note) { try progress.show($0) }
      progress.finish()
      try report(header, at: path, output)
    }

    private var validation: ValidationSplit {
      guard split.validation > 0 else { return .none }
      return validationBy == .tail ? .tail(split.validation) : .byDocument(split.validation)
    }
  }
}

/// How texts are read.
struct ReadingOptions: ParsableArguments {
  @Option(
    help: "Take all inputs for text, jsonl, or bytes that nobody looks at, whatever their names.")
  var format: CorpusInput.Format?
  @Option(
    help: ArgumentHelp(
      "Of .jsonl: the field that holds the text, as in content or page.text.", valueName: "name"))
  var field = "text"
  @Option(help: "Of text: a document is a file, a line, or a paragraph (up to a blank line).")
  var documents = Unit.file
  @Option(
    help: ArgumentHelp("Of text: documents end at this string; \\n is a line break.", valueName: "string"))
  var separator: String?
  @Flag(
    help: "Of .jsonl: leave out lines without such a field, and say how many; without this they end the work."
  )
  var skipBadLines = false

  enum Unit: String, ExpressibleByArgument, CaseIterable { case file, line, paragraph }

  func validate() throws {
    guard separator == nil || documents == .file else {
      throw ValidationError("--documents and --separator both say where documents end; give one of them")
    }
    guard separator?.isEmpty != true else {
      throw ValidationError("--separator is empty; give the string between documents")
    }
    guard field.split(separator: ".", omittingEmptySubsequences: false).allSatisfy({ !$0.isEmpty }) else {
      throw ValidationError("--field is \"\(field)\"; expected a name, or names joined by dots")
    }
  }

  var reading: CorpusInput.Reading {
    let cut: CorpusInput.Documents =
      if let separator {
        .separator(Array(Self.unescaped(separator).utf8))
      } else {
        switch documents {
        case .file: .file
        case .line: .line
        case .paragraph: .paragraph
        }
      }
    return CorpusInput.Reading(
      format: format, documents: cut, field: field.split(separator: ".").map(String.init),
      skipsBadLines: skipBadLines)
  }

  /// The texts that arguments stand for; what is passed over goes to stderr.
  func texts(_ inputs: [String]) throws -> [CorpusInput] {
    try CorpusInput.all(inputs, reading) { Output.note($0) }
  }

  static func note(_ bad: BadLines) {
    if bad.blank > 0 { Output.note("left out \(counted(bad.blank, "blank line"))") }
    guard let first = bad.first else { return }
    Output.note("left out \(counted(bad.count, "bad line")); the first: \(first)")
  }

  /// `\n`, `\r`, `\t` and `\\` as what they stand for.
  private static func unescaped(_ text: String) -> String {
    var result = ""
    var isEscaped = false
    for character in text {
      switch (isEscaped, character) {
      case (false, "\\"): isEscaped = true
      case (false, _): result.append(character)
      case (true, _):
        isEscaped = false
        switch character {
        case "n": result.append("\n")
        case "r": result.append("\r")
        case "t": result.append("\t")
        case "\\": result.append("\\")
        default: result += "\\" + String(character)
        }
      }
    }
    return isEscaped ? result + "\\" : result
  }
}

extension CorpusInput.Format: ExpressibleByArgument {}

/// A bar over the bytes of texts, with their rate and the time left; it also ends the work on SIGINT and SIGTERM, so that
/// no temporary file stays.
struct ReadingProgress {
  private var line = ProgressLine()
  /// Nil while stdin is among the texts.
  private let total: Int?
  private let start = ContinuousClock.now

  init(of inputs: [CorpusInput]) {
    let sizes = inputs.map(\.fileBytes)
    total = sizes.contains { $0 == nil } ? nil : sizes.reduce(0) { $0 + ($1 ?? 0) }
    Interrupt.watch()
  }

  mutating func show(_ done: Int) throws {
    if Interrupt.hasArrived {
      line.finish()
      throw ToolError("interrupted: nothing was written")
    }
    // A build that takes no time says only its result.
    guard ContinuousClock.now - start > .milliseconds(500) else { return }
    let share = total.map { Double(done) / Double(max(1, $0, done)) } ?? 0
    let (total, start) = (total, start)
    line.show(share, Self.text(done, of: total, since: start))
  }

  private static func text(_ done: Int, of total: Int?, since start: ContinuousClock.Instant) -> String {
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let rate = Double(done) / max(seconds, 1e-3)
    let speed = String(format: "%.1f MB read, %.1f MB/s", Double(done) / 1e6, rate / 1e6)
    guard let total, seconds > 1, done > 0 else { return speed }
    return speed + ", " + Output.duration(Double(max(0, total - done)) / rate) + " left"
  }

  func finish() { line.finish() }
}
