import ArgumentParser
import Foundation
import Runnel

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Continue a text, token by token, at constant cost.",
    discussion: """
      Example: echo "Once upon a time" | runnel generate stories --max-tokens 400 --temperature 0.8
      The prompt is --prompt, or else all of stdin; only the continuation is printed.
      """)

  @Argument(help: ArgumentHelp("A model folder, or a .pth file of RWKV.", valueName: "model")) var model:
    String
  @Option(help: ArgumentHelp("The text to continue, instead of stdin.", valueName: "text")) var prompt:
    String?
  @Option(help: "End after this many tokens (0: never).") var maxTokens = 256
  @Option(parsing: .unconditional, help: "Divides the logits; 0 always takes the most likely token.")
  var temperature: Double?
  @Option(help: "Keep the k most likely tokens (0: all).") var topK: Int?
  @Option(help: "Keep the most likely tokens whose probabilities reach p.") var topP: Double?
  @Option(help: "Keep tokens of at least this share of the largest probability.") var minP: Double?
  @Option(help: "Make recent tokens less likely by this factor.") var repetitionPenalty: Double?
  @Option(help: "The seed of the draws.") var seed: UInt64?
  @Option(help: ArgumentHelp("End before this text; may be given several times.", valueName: "text"))
  var stop: [String] = []
  @Option(help: ArgumentHelp("Go on with a saved stream.", valueName: "file")) var loadState: String?
  @Option(help: ArgumentHelp("Save the stream at the end.", valueName: "file")) var saveState: String?
  @OptionGroup var text: TokenizerOptions
  @OptionGroup var compute: ComputeOptions

  func validate() throws {
    if maxTokens < 0 { throw ValidationError("--max-tokens is \(maxTokens); it must be 0 (no end) or more") }
    if stop.contains("") { throw ValidationError("--stop is empty; leave it out") }
    do { try changed(SamplingSettings()).validate() } catch { throw ValidationError("\(error)") }
  }

  /// The settings with this call's options in place of those given.
  private func changed(_ settings: SamplingSettings) -> SamplingSettings {
    var settings = settings
    if let temperature { settings.temperature = temperature }
    if let topK { settings.topK = topK }
    if let topP { settings.topP = topP }
    if let minP { settings.minP = minP }
    if let repetitionPenalty { settings.repetitionPenalty = repetitionPenalty }
    return settings
  }

  func run() throws {
    compute.apply()
    let loaded = try ModelFolder.load(model)
    try generate(loaded, text.open(for: loaded, at: model))
  }

  private func generate(_ model: LanguageModel, _ tokenizer: some Tokenizer) throws {
    Interrupt.watch()
    signal(SIGPIPE, SIG_IGN)
    var session = Session(model, sampler: Sampler(seed: seed ?? 1))
    var printer = Printer(stops: stop, pending: [])
    if let loadState {
      let (loaded, pending) = try StateFile.load(loadState, into: model)
      session = loaded
      printer = Printer(stops: stop, pending: pending)
      if let seed { session.sampler = Sampler(session.sampler.settings, seed: seed) }
    }
    session.sampler.settings = changed(session.sampler.settings)
    try read(into: &session, tokenizer)
    guard session.logits != nil else {
      throw ToolError(
        "the prompt is empty: give text on stdin or with --prompt, so that there is something to continue")
    }
    var made = 0
    // A saved stream that has printed before goes on within its text, and so does one behind a prompt.
    var decoder = tokenizer.decoder(continuing: true)
    var bytes: [UInt8] = []
    while (maxTokens == 0 || made < maxTokens) && !Interrupt.hasArrived && !printer.isStopped {
      guard let token = session.next() else { break }
      made += 1
      decoder.feed(token, into: &bytes)
      guard printer.write(bytes) else { break }
      bytes.removeAll(keepingCapacity: true)
    }
    if let saveState {
      try StateFile.save(session, pending: printer.pending, to: saveState)
    } else {
      printer.finish()
    }
  }

  private func read(into session: inout Session, _ tokenizer: some Tokenizer) throws {
    var encoder = tokenizer.encoder()
    var ids: [Int32] = []
    func feed() throws {
      guard ids.allSatisfy({ Int($0) < session.model.vocabularySize }) else {
        throw ToolError(
          "the prompt has bytes outside the model's vocabulary of \(session.model.vocabularySize)")
      }
      session.feed(ids)
      ids.removeAll(keepingCapacity: true)
    }
    func take(_ bytes: [UInt8]) throws {
      bytes.withUnsafeBufferPointer { encoder.feed($0, into: &ids) }
      try feed()
    }
    if let prompt {
      try take(Array(prompt.utf8))
    } else if loadState == nil || isatty(STDIN_FILENO) == 0 {
      // A saved stream goes on by itself; it waits for stdin only where something is piped in.
      while let bytes = try Input.read() { try take(bytes) }
    }
    encoder.finish(into: &ids)
    try feed()
  }
}

/// Prints bytes as they come, in whole characters, up to a stop string.
private struct Printer {
  private var stops: StopMatcher
  private var characters = UTF8Stream()
  private var ready: [UInt8]

  /// - Parameter pending: what an earlier printer of the stream held back.
  init(stops: [String], pending: [UInt8]) {
    self.stops = StopMatcher(stops)
    ready = characters.feed(self.stops.feed(pending).emit)
  }

  /// Bytes that are not printed yet.
  var pending: [UInt8] { ready + characters.pending + stops.pending }
  var isStopped: Bool { stops.isStopped }

  /// False at a stop string, or when nobody reads any more.
  mutating func write(_ bytes: [UInt8]) -> Bool {
    ready += characters.feed(stops.feed(bytes).emit)
    defer { ready = [] }
    return (ready.isEmpty || Output.write(ready)) && !isStopped
  }

  mutating func finish() { Output.write(ready + characters.feed(stops.flush()) + characters.flush()) }
}
