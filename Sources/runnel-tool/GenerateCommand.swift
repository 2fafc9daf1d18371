import ArgumentParser
import Foundation
import Runnel

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Continue a text, token by token, at constant cost.",
    discussion: """
      Example: echo "Once upon a time" | runnel generate stories --max-tokens 400 --temperature 0.8
      The prompt is --prompt, or else all of stdin; only the continuation is printed. It ends with an end token of the
      model, after --max-tokens, or before a --stop. An empty prompt begins a text where the model has a token for that.

      With --follow the stream reads on: each line of stdin is read as it arrives, and answered with one line, or
      with text up to a --stop. The stream remembers the lines and its answers, as they stand on the screen:
        runnel generate stories --follow --save-state talk
      With --streams the prompt is continued several times, with seeds from --seed on; --follow --streams takes every
      line of stdin as a prompt of its own, so many at a time, and prints the continuations in order:
        runnel generate stories --follow --streams 8 --json < prompts
      With --journal all that the stream reads and draws is written down, and --rewind puts it back:
        runnel generate stories --journal tale --rewind 1000
      """)

  @Argument(help: ArgumentHelp("A model folder, or a .pth file of RWKV.", valueName: "model")) var model:
    String
  @Option(help: ArgumentHelp("The text to continue, instead of stdin.", valueName: "text")) var prompt:
    String?
  @Option(help: "End after this many tokens (0: never); with --follow, an answer's.") var maxTokens = 256
  @Option(
    help: ArgumentHelp(
      "End before this text; may be given several times. With --follow, instead of at the end of a line.",
      valueName: "text"))
  var stop: [String] = []
  @Flag(
    name: .customLong("ignore-eos"),
    help: "Go on behind the model's end tokens (default: a text ends with them).")
  var ignoreEOS = false
  @Flag(help: "Answer stdin line by line, as it comes.") var follow = false
  @Option(help: ArgumentHelp("Streams side by side, in one batch.", valueName: "n")) var streams: Int?
  @Option(help: ArgumentHelp("Go on with a saved stream.", valueName: "file")) var loadState: String?
  @Option(help: ArgumentHelp("Save the stream at the end.", valueName: "file")) var saveState: String?
  @Option(
    help: ArgumentHelp(
      "Write down all that the stream reads and draws, or go on with the stream written down there.",
      valueName: "folder"))
  var journal: String?
  @Option(help: ArgumentHelp("Tokens between snapshots in a journal (default: 1024).", valueName: "n"))
  var journalEvery: Int?
  @Option(
    help: ArgumentHelp(
      "Put the stream of the journal back to this position first; what came after it is forgotten.",
      valueName: "position"))
  var rewind: Int?
  @OptionGroup var replacing: ReplacingOptions
  @OptionGroup var sampling: SamplingOptions
  @OptionGroup var text: TokenizerOptions
  @OptionGroup var special: SpecialTokenOptions
  @OptionGroup var compute: ComputeOptions
  @Flag(help: "Print one JSON object per continuation, when it has ended.") var json = false

  func validate() throws {
    if maxTokens < 0 { throw ValidationError("--max-tokens is \(maxTokens); it must be 0 (no end) or more") }
    if stop.contains("") { throw ValidationError("--stop is empty; leave it out") }
    if follow, prompt != nil {
      throw ValidationError("--follow reads its prompts from stdin; leave --prompt out")
    }
    if journal == nil, rewind != nil || journalEvery != nil {
      throw ValidationError("--rewind and --journal-every go with a --journal")
    }
    if let journalEvery, journalEvery < 1 {
      throw ValidationError("--journal-every is \(journalEvery); it must be at least 1")
    }
    if let rewind, rewind < 0 { throw ValidationError("--rewind is \(rewind); it must be 0 or more") }
    guard let streams else { return }
    guard (1...4096).contains(streams) else {
      throw ValidationError("--streams is \(streams); it must lie between 1 and 4096")
    }
    if saveState != nil || journal != nil {
      throw ValidationError("--save-state and --journal keep one stream; leave --streams out")
    }
  }

  func run() throws {
    compute.apply()
    if let saveState {
      try replacing.check(saveState, for: StateFile.kind, inputs: [model])
    }
    let loaded = try ModelFolder.load(model)
    try sampling.check(fits: loaded)
    Interrupt.watch()
    let tokenizer = try text.open(for: loaded, at: model)
    var marks = try ModelFolder.marks(
      of: loaded, at: model, tokenizer: tokenizer, from: text.tokenizer ?? model)
    if ignoreEOS { marks.ends = [] }
    if json || streams != nil, maxTokens == 0, !follow, stop.isEmpty, marks.ends.isEmpty {
      throw ValidationError(
        "--streams and --json print what has ended; without end tokens of the model, --max-tokens 0 never ends "
          + "without a --stop")
    }
    try run(loaded, special.applied(to: tokenizer), marks)
  }

  private func run(_ model: StreamingModel, _ tokenizer: some Tokenizer, _ marks: TextMarks) throws {
    switch (follow, streams) {
    case (false, nil): try generate(model, tokenizer, marks)
    case (true, nil): try answerLines(model, tokenizer, marks)
    case (false, let count?): try continueManyTimes(model, tokenizer, marks, count: count)
    case (true, let count?): try continueLines(model, tokenizer, marks, atOnce: count)
    }
  }

  /// One stream, to its end.
  private func generate(_ model: StreamingModel, _ tokenizer: some Tokenizer, _ marks: TextMarks) throws {
    var pending: [UInt8] = []
    var stream = try begin(model, pending: &pending)
    try readPrompt(into: &stream, tokenizer, marks)
    var continuation = Continuation(
      tokenizer, stops: stop, maximum: maxTokens, ends: marks.ends, pending: pending)
    var printed: [UInt8] = []
    while continuation.end == nil && !Interrupt.hasArrived {
      guard let token = try stream.next() else { break }
      continuation.add(token)
      if json { printed += continuation.take() } else if !Output.write(continuation.take()) { break }
    }
    // What is held back of a text that goes on is saved; of one that has ended nothing is.
    let rest = saveState == nil || continuation.end == .end_token ? continuation.finish() : []
    if let saveState { try StateFile.save(stream.session, pending: continuation.pending, to: saveState) }
    if json { try printRecord(1, printed + rest, continuation) } else { Output.write(rest) }
  }

  // MARK: What all kinds share

  /// A fresh stream, or the saved one, and the bytes that it held back.
  func start(_ model: StreamingModel) throws -> (session: Session, pending: [UInt8]) {
    guard let loadState else {
      let sampler = try Sampler(sampling.changed(SamplingSettings(), for: model), seed: sampling.seed())
      return (Session(model, sampler: sampler), [])
    }
    var (session, pending) = try StateFile.load(loadState, into: model) { Output.note($0) }
    if let seed = sampling.seed { session.sampler.reseed(seed) }
    session.sampler.settings = try sampling.changed(session.sampler.settings, for: model)
    return (session, pending)
  }

  /// The same with its journal, if it has one.
  ///
  /// - Parameter pending: receives the bytes that the stream held back.
  func begin(_ model: StreamingModel, pending: inout [UInt8]) throws -> RecordedStream {
    var session: Session
    guard let path = journal else {
      (session, pending) = try start(model)
      return .plain(session)
    }
    let isThere = Journal.exists(path)
    if isThere, loadState != nil {
      throw ToolError("\(path) holds a stream already; leave --load-state out, or choose another --journal")
    }
    (session, pending) = try start(model)
    var journal = try Journal(session, in: path, interval: journalEvery ?? 1024) { Output.note($0) }
    if let rewind { try journal.rewind(to: rewind) }
    if isThere {
      var sampler = journal.sampler
      if let seed = sampling.seed { sampler.reseed(seed) }
      sampler.settings = try sampling.changed(sampler.settings, for: model)
      try journal.setSampler(sampler)
    }
    return .recorded(journal)
  }

  /// Reads --prompt, or else all of stdin. Where there is nothing to continue, a text begins, if the model has a token for
  /// that.
  func readPrompt(
    into stream: inout RecordedStream, _ tokenizer: some Tokenizer, _ marks: TextMarks
  ) throws {
    let isBegun = stream.session.position > 0
    var encoder = tokenizer.encoder(for: stream.session)
    var ids: [Int32] = []
    func take(_ bytes: [UInt8]) throws {
      bytes.withUnsafeBufferPointer { encoder.feed($0, into: &ids) }
      try stream.feed(ids)
      ids.removeAll(keepingCapacity: true)
    }
    if let prompt {
      try take(Array(prompt.utf8))
    } else if !isBegun || isatty(STDIN_FILENO) == 0 {
      // A saved stream goes on by itself; it waits for stdin only where something is piped in.
      while let bytes = try Input.read() { try take(bytes) }
    }
    // What continues it belongs to the same text: no mark of an end comes between.
    encoder.flush(into: &ids)
    try stream.feed(ids)
    guard stream.session.logits == nil else { return }
    guard let begin = marks.begin else {
      throw ToolError(
        "the prompt is empty: give text on stdin or with --prompt, so that there is something to continue")
    }
    try stream.feed([begin])
  }

  /// Prints a continuation of one stream as JSON; `number` counts from one. False once nobody reads any more.
  @discardableResult
  func printRecord(_ number: Int, _ text: [UInt8], _ continuation: Continuation) throws -> Bool {
    let ownSeed = loadState != nil && sampling.seed == nil
    return try Continuation.Record(
      stream: number, text, tokens: continuation.tokens, seed: ownSeed ? nil : sampling.seed(),
      ended_by: continuation.end ?? .interrupt
    ).print()
  }
}
