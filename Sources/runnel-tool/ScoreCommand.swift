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
      Watching a log: tail -f log | runnel score logs --follow --above 4
      --per prints nats, tokens, bits per byte and the text. --follow does so for every line as soon as
      it has come. A tokenizer then takes each line for itself, so that ids differ from those of the whole
      text where a token would have held a line's end and what follows.
      """)

  @Argument(help: ArgumentHelp("A model folder, or a .pth file of RWKV.", valueName: "model")) var model:
    String
  @Option(help: ArgumentHelp("Score a corpus instead of stdin.", valueName: "file")) var corpus: String?
  @Option(help: "Which split of the corpus: train, validation or all (default: validation).") var split:
    ScoredSplit?
  @Option(help: "How the recurrence runs: step, mix or parallel.") var form = Form.mix
  @Flag(
    inversion: .prefixedNo,
    help: "Score the answers of a synthetic task, not every token (default: where the corpus is of a task).")
  var task: Bool?
  @Option(help: "Also print the cross-entropy of every token, line or document as it is known.") var per:
    Unit?
  @Flag(help: "Score every line as soon as it has come; the summary goes to stderr.") var follow = false
  @Option(
    help: ArgumentHelp("Of --per or --follow, print only what has more bits per byte.", valueName: "bits"))
  var above: Double?
  @Option(help: ArgumentHelp("Go on with a saved stream.", valueName: "file")) var loadState: String?
  @Option(help: ArgumentHelp("Save the stream at the end.", valueName: "file")) var saveState: String?
  @Option(
    help: ArgumentHelp(
      "Read token ids instead: a safetensors file with a tensor ids of shape [B T].", valueName: "file"))
  var ids: String?
  @Option(
    help: ArgumentHelp("Write the logits of --ids as a tensor logits of shape [B T V].", valueName: "file"))
  var logits: String?
  @OptionGroup var replacing: ReplacingOptions
  @OptionGroup var text: TokenizerOptions
  @OptionGroup var special: SpecialTokenOptions
  @OptionGroup var compute: ComputeOptions
  @OptionGroup var output: OutputOptions

  enum ScoredSplit: String, ExpressibleByArgument, CaseIterable { case train, validation, all }
  enum Unit: String, ExpressibleByArgument, CaseIterable { case token, line, document }

  func validate() throws {
    if split != nil, corpus == nil { throw ValidationError("--split is one of a --corpus; leave it out") }
    if task == true, corpus == nil { throw ValidationError("--task needs the --corpus of a task") }
    if ids != nil, corpus != nil || per != nil {
      throw ValidationError("--ids is a text of its own; it does not go with --corpus or --per")
    }
    if (ids == nil) != (logits == nil) {
      throw ValidationError("--ids and --logits go together: the tokens to read and the scores to write")
    }
    if follow || loadState != nil || saveState != nil, corpus != nil || ids != nil {
      throw ValidationError(
        "--follow, --load-state and --save-state are of a stream on stdin; they do not go with --corpus or --ids"
      )
    }
    if follow, per != nil, per != .line {
      throw ValidationError("--follow scores line by line; leave --per out")
    }
    if let above, per == nil && !follow || above.isNaN {
      throw ValidationError(
        above.isNaN ? "--above is no number of bits" : "--above chooses among the lines of --follow or --per")
    }
    if special.addSpecialTokens || special.splitSpecialTokens, corpus != nil || ids != nil {
      throw ValidationError(
        "--add-special-tokens and --split-special-tokens are for text; a --corpus and --ids are encoded already"
      )
    }
    if task == true, per != nil {
      throw ValidationError("--per prints a text's tokens; it does not go with --task")
    }
  }

  func run() throws {
    compute.apply()
    if let ids, let logits { return try writeLogits(of: ids, to: logits) }
    if let saveState {
      try replacing.check(saveState, for: StateFile.kind, inputs: [model])
    }
    let file = try corpus.map { try Corpus(path: $0) }
    let loaded = try ModelFolder.load(model)
    if let file { try file.check(isReadBy: loaded, at: model, tokenizer: text.tokenizer) }
    if let file, task ?? (file.task != nil && per == nil) { return try scoreTask(loaded.stream(), file) }
    // A corpus knows its own tokenizer; where it keeps none, ids can be scored but not counted in bytes.
    let tokenizer =
      if let file, text.tokenizer == nil { try file.tokenizer() } else {
        special.applied(to: try text.open(for: loaded, at: model))
      }
    if per != nil, tokenizer == nil {
      throw ToolError(
        "\(corpus ?? "") keeps no tokenizer that could make text of its ids; name it with --tokenizer, or leave --per out"
      )
    }
    if follow, let tokenizer { return try follow(loaded, tokenizer) }
    try score(loaded, file, tokenizer)
  }

  /// The stream that is scored: a new one, or a saved one.
  func stream(of model: StreamingModel) throws -> Session {
    guard let loadState else { return Session(model, sampler: Sampler(seed: 1)) }
    return try StateFile.load(loadState, into: model) { Output.note($0) }.session
  }

  private struct Result: Encodable {
    let form: String
    let tokens: Int
    let loss, tokens_per_second: Double
    /// Missing where it is beyond the largest number.
    let perplexity: Double?
    /// Missing where nobody knows the bytes of the tokens.
    let bits_per_byte: Double?
    let peak_rss_bytes: Int
  }

  private func range(in corpus: Corpus) -> Range<Int> {
    switch split {
    case .train: corpus.range(of: .train)
    case nil, .validation: corpus.range(of: .validation)
    case .all: 0..<corpus.count
    }
  }

  private struct TaskResult: Encodable {
    let form, task: String
    let tokens, documents, tokens_read: Int
    let accuracy, document_accuracy, loss, tokens_per_second: Double
    let peak_rss_bytes: Int
  }

  private func scoreTask(_ model: StreamingModel, _ corpus: Corpus) throws {
    let start = ContinuousClock.now
    var line = ProgressLine()
    let result = try scoreAnswers(of: model, on: corpus, range: range(in: corpus), form: form) {
      line.show($0, "\(corpus.task.map { type(of: $0).name } ?? "task")")
    }
    line.finish()
    guard result.score.tokens > 0 else {
      throw ToolError(
        "there is nothing to score: the \(split ?? .validation) split of \(corpus.path) holds no whole document"
      )
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
          "%@ in %@, %@: %.2f %% right, %.2f %% of the documents, loss %.6f nats, %@ tokens/s",
        counted(result.score.tokens, "answer"), counted(result.documents, "document"), form.rawValue,
        100 * result.accuracy, 100 * result.documentAccuracy, result.score.loss, grouped(Int(rate))))
  }

  private func score(_ model: StreamingModel, _ corpus: Corpus?, _ tokenizer: (any Tokenizer)?) throws {
    let stream = try self.stream(of: model)
    var scorer = StreamScorer(
      continuing: stream, form: form, byteLengths: tokenizer.map { special.byteLengths(of: $0) } ?? [])
    var units: ScoredUnits?
    if let per, let tokenizer {
      units = ScoredUnits(
        per, tokenizer, json: output.json, continuing: stream.position > 0, above: above)
    }
    if saveState != nil { Interrupt.watch() }
    let clock = ContinuousClock()
    let start = clock.now
    func feed(_ ids: [Int32]) throws {
      if Output.isClosed, saveState == nil { throw ExitCode.success }
      try scorer.feed(ids) { losses in units?.add(losses) }
    }
    if let corpus {
      let range = range(in: corpus)
      var position = range.lowerBound
      var line = ProgressLine()
      try corpus.forEachPiece(of: range) { piece in
        // A document ends where the next one begins.
        let starts = corpus.documentStarts(in: position + 1..<position + piece.count + 1)
        units?.read(piece, documentEnds: starts.map { $0 - 1 - position })
        let done = position - range.lowerBound
        if units == nil {
          line.show(
            Double(done) / Double(range.count),
            "scored \(grouped(done)) of \(counted(range.count, "token"))")
        }
        try feed(piece)
        position += piece.count
      }
      line.finish()
    } else if let tokenizer {
      var encoder: any TokenEncoder = tokenizer.encoder(for: stream)
      var ids: [Int32] = []
      while let bytes = try Input.read() {
        bytes.withUnsafeBufferPointer { encoder.feed($0, into: &ids) }
        units?.read(ids)
        try feed(ids)
        ids.removeAll(keepingCapacity: true)
      }
      // A stream that is put aside has not ended.
      if saveState == nil { encoder.finish(into: &ids) } else { encoder.flush(into: &ids) }
      units?.read(ids)
      try feed(ids)
    }
    units?.finish()
    guard scorer.score.tokens > 0 else {
      throw ToolError(
        "there is nothing to score: \(self.corpus.map { "the split of \($0)" } ?? "stdin") has fewer than two tokens"
      )
    }
    if let saveState { try StateFile.save(scorer.session, to: saveState) }
    let seconds = max(1e-9, (clock.now - start) / .seconds(1)), score = scorer.score
    if output.json {
      return try Output.json(
        Result(
          form: form.rawValue, tokens: score.tokens, loss: score.loss,
          tokens_per_second: Double(score.tokens) / seconds, perplexity: score.perplexity.ifFinite,
          bits_per_byte: score.bytes > 0 ? score.bitsPerByte : nil, peak_rss_bytes: Machine.peakResidentBytes),
        pretty: per == nil)
    }
    Output.line(summary(score, seconds: seconds))
  }

  func summary(_ score: Score, seconds: Double) -> String {
    String(
      format: "%@, %@: loss %.6f nats per token%@, perplexity %.3f, %@ tokens/s",
      counted(score.tokens, "token"), form.rawValue, score.loss,
      score.bytes > 0 ? String(format: ", %.6f bits per byte", score.bitsPerByte) : "", score.perplexity,
      grouped(Int(Double(score.tokens) / seconds)))
  }
}

extension ScoreCommand {
  /// Logits of given ids, every row a text of its own.
  private func writeLogits(of ids: String, to path: String) throws {
    let kind = FileKind("a file of logits") { (try? SafetensorsFile($0).names) == ["logits"] }
    try replacing.check(path, for: kind, inputs: [ids, self.model])
    let model = try ModelFolder.load(model).stream()
    let file = try SafetensorsFile(ids)
    let shape = try file.entry("ids").shape
    guard shape.count == 2, shape[0] > 0, shape[1] > 0 else {
      throw ToolError("\(ids): the tensor ids has shape \(shape); it must be [B T]")
    }
    let tokens = try file.integers("ids")
    if let index = tokens.firstIndex(where: { !(0..<model.vocabularySize).contains($0) }) {
      throw FileError(
        ids, at: "tensor ids, row \(index / shape[1]), token \(index % shape[1])",
        expected: "ids from 0 to \(model.vocabularySize - 1)", found: "\(tokens[index])",
        remedy:
          "where that stands for no token, pad with any id behind a row's end: what comes before is the same")
    }
    let needed = 4 * Double(tokens.count) * Double(model.vocabularySize)
    guard needed < Double(Machine.usableMemory) else {
      throw ToolError(
        "\(ids): logits of \(shape[0]) × \(shape[1]) tokens would take \(Int(needed / 1e9)) GB of memory; give fewer tokens"
      )
    }
    var state = model.initialState(batch: shape[0])
    let inputs = tokens.map { Int32($0) }
    let logits: Tensor
    if form == .step {
      let steps = (0..<shape[1]).map { t in
        model.step((0..<shape[0]).map { inputs[$0 * shape[1] + t] }, state: &state)
      }
      logits = concatenated(steps)
    } else {
      logits = model.logits(inputs, batch: shape[0], form: form, state: &state)
    }
    guard logits.isFinite else {
      throw model.nonFinite(
        inputs, batch: shape[0], form: form, state: model.initialState(batch: shape[0]), seen: logits)
    }
    var writer = SafetensorsWriter()
    writer.add("logits", logits.reshaped([shape[0], shape[1], model.vocabularySize]))
    try writer.write(to: path)
    Output.note("\(path): logits \(shape[0]) × \(shape[1]) × \(model.vocabularySize)")
  }
}
