import ArgumentParser
import Foundation
import Runnel

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Continue a text, token by token, at constant cost.",
    discussion: """
      Example: echo "Once upon a time" | runnel generate stories --max-tokens 400 --temperature 0.8
      The prompt is --prompt, or else all of stdin; only the continuation is printed.

      With --follow the stream reads on: each line of stdin is read as it arrives, and answered with one line, or
      with text up to a --stop. The stream remembers the lines and its answers, as they stand on the screen:
        runnel generate stories --follow --save-state talk
      With --streams the prompt is continued several times, with seeds from --seed on; --follow --streams takes every
      line of stdin as a prompt of its own, so many at a time, and prints the continuations in order:
        runnel generate stories --follow --streams 8 --json < prompts
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
  @Flag(help: "Answer stdin line by line, as it comes.") var follow = false
  @Option(help: ArgumentHelp("Streams side by side, in one batch.", valueName: "n")) var streams: Int?
  @Option(help: ArgumentHelp("Go on with a saved stream.", valueName: "file")) var loadState: String?
  @Option(help: ArgumentHelp("Save the stream at the end.", valueName: "file")) var saveState: String?
  @OptionGroup var sampling: SamplingOptions
  @OptionGroup var text: TokenizerOptions
  @OptionGroup var compute: ComputeOptions
  @Flag(help: "Print one JSON object per continuation, when it has ended.") var json = false

  func validate() throws {
    if maxTokens < 0 { throw ValidationError("--max-tokens is \(maxTokens); it must be 0 (no end) or more") }
    if stop.contains("") { throw ValidationError("--stop is empty; leave it out") }
    if follow, prompt != nil {
      throw ValidationError("--follow reads its prompts from stdin; leave --prompt out")
    }
    if json || streams != nil, maxTokens == 0, !follow, stop.isEmpty {
      throw ValidationError(
        "--streams and --json print what has ended; --max-tokens 0 never ends without a --stop")
    }
    guard let streams else { return }
    guard (1...4096).contains(streams) else {
      throw ValidationError("--streams is \(streams); it must lie between 1 and 4096")
    }
    if saveState != nil { throw ValidationError("--save-state keeps one stream; leave --streams out") }
  }

  func run() throws {
    compute.apply()
    let loaded = try ModelFolder.load(model)
    try sampling.check(fits: loaded)
    Interrupt.watch()
    signal(SIGPIPE, SIG_IGN)
    try run(loaded, text.open(for: loaded, at: model))
  }

  private func run(_ model: LanguageModel, _ tokenizer: some Tokenizer) throws {
    switch (follow, streams) {
    case (false, nil): try generate(model, tokenizer)
    case (true, nil): try answerLines(model, tokenizer)
    case (false, let count?): try continueManyTimes(model, tokenizer, count: count)
    case (true, let count?): try continueLines(model, tokenizer, atOnce: count)
    }
  }

  /// One stream, to its end.
  private func generate(_ model: LanguageModel, _ tokenizer: some Tokenizer) throws {
    var (session, pending) = try start(model)
    try readPrompt(into: &session, tokenizer)
    var continuation = Continuation(tokenizer, stops: stop, maximum: maxTokens, pending: pending)
    var printed: [UInt8] = []
    while continuation.end == nil && !Interrupt.hasArrived {
      guard let token = session.next() else { break }
      continuation.add(token)
      if json { printed += continuation.take() } else if !Output.write(continuation.take()) { break }
    }
    if let saveState {
      try StateFile.save(session, pending: continuation.pending, to: saveState)
    } else if !json {
      Output.write(continuation.finish())
    }
    if json {
      try printRecord(1, printed + (saveState == nil ? continuation.finish() : []), continuation)
    }
  }

  // MARK: What all kinds share

  /// A fresh stream, or the saved one, and the bytes that it held back.
  func start(_ model: LanguageModel) throws -> (session: Session, pending: [UInt8]) {
    guard let loadState else {
      let sampler = Sampler(sampling.changed(SamplingSettings()), seed: sampling.seed())
      return (Session(model, sampler: sampler), [])
    }
    var (session, pending) = try StateFile.load(loadState, into: model)
    if let seed = sampling.seed { session.sampler.reseed(seed) }
    session.sampler.settings = sampling.changed(session.sampler.settings)
    return (session, pending)
  }

  /// Reads --prompt, or else all of stdin; refuses where there is nothing to continue.
  func readPrompt(into session: inout Session, _ tokenizer: some Tokenizer) throws {
    var encoder = tokenizer.encoder()
    var ids: [Int32] = []
    func take(_ bytes: [UInt8]) throws {
      bytes.withUnsafeBufferPointer { encoder.feed($0, into: &ids) }
      try feed(ids, to: &session)
      ids.removeAll(keepingCapacity: true)
    }
    if let prompt {
      try take(Array(prompt.utf8))
    } else if loadState == nil || isatty(STDIN_FILENO) == 0 {
      // A saved stream goes on by itself; it waits for stdin only where something is piped in.
      while let bytes = try Input.read() { try take(bytes) }
    }
    encoder.finish(into: &ids)
    try feed(ids, to: &session)
    guard session.logits != nil else {
      throw ToolError(
        "the prompt is empty: give text on stdin or with --prompt, so that there is something to continue")
    }
  }

  func feed(_ ids: [Int32], to session: inout Session) throws {
    guard ids.allSatisfy({ Int($0) < session.model.vocabularySize }) else {
      throw ToolError(
        "the prompt has bytes outside the model's vocabulary of \(session.model.vocabularySize)")
    }
    session.feed(ids)
  }

  /// Prints a continuation of one stream as JSON; `number` counts from one. False once nobody reads any more.
  @discardableResult
  func printRecord(_ number: Int, _ text: [UInt8], _ continuation: Continuation) throws -> Bool {
    let ownSeed = loadState != nil && sampling.seed == nil
    return try Continuation.Record(
      stream: number, text: String(decoding: text, as: UTF8.self), tokens: continuation.tokens,
      seed: ownSeed ? nil : sampling.seed(), ended_by: continuation.end ?? .interrupt
    ).print()
  }
}
