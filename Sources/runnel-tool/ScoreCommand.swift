import ArgumentParser
import Foundation
import Runnel

struct ScoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "score", abstract: "Measure how well a model predicts a text.",
    discussion: """
      Example: runnel score stories < tale.txt
      Reads stdin in constant memory, or a split of a corpus. Of a synthetic task's corpus the
      answers are scored: the share that is right, each document from a fresh state.
      """)

  @Argument(help: ArgumentHelp("A model folder, or a .pth file of RWKV.", valueName: "model")) var model:
    String
  @Option(help: ArgumentHelp("Score a corpus instead of stdin.", valueName: "file")) var corpus: String?
  @Option(help: "Which split of the corpus: train, validation or all.") var split = ScoredSplit.validation
  @Option(help: "How the recurrence runs: step, mix or parallel.") var form = Form.mix
  @Flag(
    inversion: .prefixedNo,
    help: "Score the answers of a synthetic task, not every token (default: where the corpus is of a task).")
  var task: Bool?
  @Option(help: "Also print the cross-entropy of every token or line as it is known.") var per: Unit?
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var output: OutputOptions

  enum ScoredSplit: String, ExpressibleByArgument, CaseIterable { case train, validation, all }
  enum Unit: String, ExpressibleByArgument, CaseIterable { case token, line }

  func validate() throws {
    if task == true, corpus == nil { throw ValidationError("--task needs the --corpus of a task") }
    if task == true, per != nil {
      throw ValidationError("--per prints a text's tokens; it does not go with --task")
    }
  }

  func run() throws {
    compute.apply()
    let file = try corpus.map { try Corpus(path: $0) }
    if let file, task ?? (file.task != nil && per == nil) {
      return try scoreTask(ModelFolder.load(model), file)
    }
    try score(ModelFolder.load(model), file)
  }

  private struct Result: Encodable {
    let form: String
    let tokens: Int
    let loss, bits_per_byte, perplexity, tokens_per_second: Double
    let peak_rss_bytes: Int
  }

  private func range(in corpus: Corpus) -> Range<Int> {
    switch split {
    case .train: corpus.range(of: .train)
    case .validation: corpus.range(of: .validation)
    case .all: 0..<corpus.count
    }
  }

  private struct TaskResult: Encodable {
    let form, task: String
    let tokens, documents, tokens_read: Int
    let accuracy, document_accuracy, loss, tokens_per_second: Double
    let peak_rss_bytes: Int
  }

  private func scoreTask(_ model: LanguageModel, _ corpus: Corpus) throws {
    guard model.vocabularySize >= corpus.header.vocabularySize else {
      throw ToolError(
        "\(corpus.path) has \(corpus.header.vocabularySize) kinds of token, the model \(model.vocabularySize)"
      )
    }
    let start = ContinuousClock.now
    var line = ProgressLine()
    let result = try scoreAnswers(of: model, on: corpus, range: range(in: corpus), form: form) {
      line.show($0, "\(corpus.task.map { type(of: $0).name } ?? "task")")
    }
    line.finish()
    guard result.score.tokens > 0 else {
      throw ToolError(
        "there is nothing to score: the \(split) split of \(corpus.path) holds no whole document")
    }
    let rate = Double(result.tokensRead) / max(1e-9, (ContinuousClock.now - start) / .seconds(1))
    if output.json {
      return try Output.json(
        TaskResult(
          form: form.rawValue, task: corpus.header.task?.name ?? "", tokens: result.score.tokens,
          documents: result.documents, tokens_read: result.tokensRead, accuracy: result.accuracy,
          document_accuracy: result.documentAccuracy, loss: result.score.loss, tokens_per_second: rate,
          peak_rss_bytes: Machine.peakResidentBytes))
    }
    Output.line(
      String(
        format:
          "%@ answers in %@ documents, %@: %.2f %% right, %.2f %% of the documents, loss %.6f nats, %@ tokens/s",
        Output.grouped(result.score.tokens), Output.grouped(result.documents), form.rawValue,
        100 * result.accuracy, 100 * result.documentAccuracy, result.score.loss, Output.grouped(Int(rate))))
  }

  private func score(_ model: LanguageModel, _ corpus: Corpus?) throws {
    var scorer = StreamScorer(model, form: form)
    var units = per.map { UnitPrinter($0, json: output.json) }
    let clock = ContinuousClock()
    let start = clock.now
    func feed(_ ids: [Int32]) throws {
      if let bad = ids.first(where: { $0 < 0 || Int($0) >= model.vocabularySize }) {
        throw ToolError("token \(bad) is outside the model's vocabulary of \(model.vocabularySize)")
      }
      scorer.feed(ids) { losses in units?.add(losses) }
    }
    if let corpus {
      try corpus.forEachPiece(of: range(in: corpus)) { piece in
        units?.read(piece.map { Int32(truncatingIfNeeded: $0) })
        try feed(piece.map { Int32(truncatingIfNeeded: $0) })
      }
    } else {
      while let bytes = try Input.read() {
        units?.read(bytes.map(Int32.init))
        try feed(bytes.map(Int32.init))
      }
    }
    units?.finish()
    guard scorer.score.tokens > 0 else {
      throw ToolError(
        "there is nothing to score: \(self.corpus.map { "the split of \($0)" } ?? "stdin") has fewer than two tokens"
      )
    }
    let seconds = max(1e-9, (clock.now - start) / .seconds(1)), score = scorer.score
    if output.json {
      return try Output.json(
        Result(
          form: form.rawValue, tokens: score.tokens, loss: score.loss, bits_per_byte: score.bitsPerByte,
          perplexity: score.perplexity, tokens_per_second: Double(score.tokens) / seconds,
          peak_rss_bytes: Machine.peakResidentBytes), pretty: per == nil)
    }
    Output.line(
      String(
        format: "%@ tokens, %@: loss %.6f nats per token, %.6f bits per byte, perplexity %.3f, %@ tokens/s",
        Output.grouped(score.tokens), form.rawValue, score.loss, score.bitsPerByte, score.perplexity,
        Output.grouped(Int(Double(score.tokens) / seconds))))
  }
}

/// Prints one line per token or line of text: its tokens, its cross-entropy in nats.
private struct UnitPrinter {
  private let unit: ScoreCommand.Unit
  private let json: Bool
  /// Tokens whose cross-entropy is not known yet.
  private var waiting: [Int32] = []
  private var isFirst = true
  private var line: [Int32] = []
  private var nats = 0.0

  private struct Entry: Encodable {
    let text: String
    let tokens: Int
    let nats: Double
  }

  init(_ unit: ScoreCommand.Unit, json: Bool) {
    self.unit = unit
    self.json = json
  }

  mutating func read(_ tokens: [Int32]) { waiting += tokens }

  mutating func add(_ losses: ArraySlice<Float>) {
    // The first token of a stream has nothing before it that could predict it.
    if isFirst, let first = waiting.first {
      line.append(first)
      waiting.removeFirst()
      isFirst = false
    }
    for (token, loss) in zip(waiting, losses) {
      line.append(token)
      nats += Double(loss)
      if unit == .token || token == 10 { flush() }
    }
    waiting.removeFirst(min(waiting.count, losses.count))
  }

  mutating func finish() { if !line.isEmpty { flush() } }

  private mutating func flush() {
    let text = String(decoding: line.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
    if json {
      try? Output.json(Entry(text: text, tokens: line.count, nats: nats), pretty: false)
    } else {
      let shown = text.hasSuffix("\n") && unit == .line ? String(text.dropLast()) : text.debugDescription
      Output.line(String(format: "%.4f\t%d\t", nats, line.count) + shown)
    }
    line.removeAll(keepingCapacity: true)
    nats = 0
  }
}
