/// Options that several verbs share, each declared once.

import ArgumentParser
import Foundation
import Runnel
import RunnelFiles

struct ComputeOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Threads to compute with (default: one per core).", valueName: "n"))
  var threads: Int?

  func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads is \(threads); it must lie between 1 and 1024")
    }
  }

  /// Must be called before anything computes.
  func apply() {
    if let threads { WorkerPool.use(threads: threads) }
    Self.endOutOfMemory()
  }

  /// - Parameter kept: a half sentence on what of the work is on disk.
  static func endOutOfMemory(_ kept: @escaping @Sendable () -> String = { "" }) {
    OutOfMemory.handle { missing in
      Output.note(
        "Error: the system has no \(missing) left\(kept()); take a smaller model, --batch or --segment, fewer --threads, or "
          + "free some")
      // No thread can go on, so none is waited for.
      _exit(1)
    }
  }
}

/// How a model's tokens are read and written.
struct TokenizerOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The tokenizer, where none lies beside the weights: its file, or bytes.", valueName: "file"))
  var tokenizer: String?

  func open(for model: StreamingModel, at path: String) throws -> any Tokenizer {
    guard let tokenizer else { return try ModelFolder.tokenizer(of: model, at: path) }
    let opened = try Tokenizers.load(tokenizer)
    try ModelFolder.check(opened, fits: model, at: tokenizer)
    return opened
  }
}

/// What is done about special tokens when text becomes ids.
struct SpecialTokenOptions: ParsableArguments {
  @Flag(help: "Put the tokens around a text that its tokenizer's template names, such as BOS and EOS.")
  var addSpecialTokens = false
  @Flag(help: "Take special tokens that stand in the text for text.") var splitSpecialTokens = false

  func applied(to tokenizer: any Tokenizer) -> any Tokenizer {
    var tokenizer = tokenizer
    if splitSpecialTokens { tokenizer.splitsSpecialTokens = true }
    guard addSpecialTokens else { return tokenizer }
    if tokenizer.template.isEmpty {
      Output.note("\(tokenizer.name): its template names no tokens; --add-special-tokens adds none")
    }
    return tokenizer.addingSpecialTokens()
  }

  /// The bytes of every token; what the template adds stands for none.
  func byteLengths(of tokenizer: some Tokenizer) -> [Int] {
    var lengths = tokenizer.byteLengths()
    guard addSpecialTokens else { return lengths }
    for id in tokenizer.template.before + tokenizer.template.after where Int(id) < lengths.count {
      lengths[Int(id)] = 0
    }
    return lengths
  }

  /// The same for a corpus, which keeps it; nil where nothing is asked for.
  func recorded(for tokenizer: any Tokenizer) -> CorpusHeader.SpecialTokens? {
    let asked = applied(to: tokenizer)
    let template = addSpecialTokens ? asked.template : TokenTemplate()
    guard asked.splitsSpecialTokens || !template.isEmpty else { return nil }
    return .init(before: template.before, after: template.after, areText: asked.splitsSpecialTokens)
  }
}

/// What stands where a result is to go.
struct ReplacingOptions: ParsableArguments {
  @Flag(help: "Replace what stands there whatever it is, an input too.") var force = false

  /// Called before the work begins.
  func check(_ path: String, for kind: FileKind, inputs: [String] = []) throws {
    try Destination.check(path, for: kind, inputs: inputs, force: force)
  }
}

struct OutputOptions: ParsableArguments {
  @Flag(help: "Print the result as JSON.") var json = false
}

/// An error of the tool itself; one sentence.
struct ToolError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

extension Form: ExpressibleByArgument {}

/// Mixers by their names in the registry: one, or a pattern to repeat over the layers.
struct MixerName: ExpressibleByArgument {
  let pattern: [any SequenceMixer.Type]
  init?(argument: String) {
    guard let pattern = try? Registry.pattern(argument) else { return nil }
    self.pattern = pattern
  }
  var name: String { pattern.map { $0.name }.joined(separator: ",") }
  static var allValueStrings: [String] { Registry.names }
  var defaultValueDescription: String { name }
}

/// NAME=VALUE, or MIXER.NAME=VALUE.
struct SettingArgument: ExpressibleByArgument {
  let name, value: String
  init?(argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
      String.init)
    guard parts.count == 2, !parts[0].isEmpty else { return nil }
    (name, value) = (parts[0], parts[1])
  }
}

/// Settings of a fresh model's mixers.
struct SettingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A setting of the mixer, as in state_size=32; of one in a pattern, as in mamba.state_size=32. Can be repeated; an unknown one is answered with all.",
      valueName: "name=value"))
  var set: [SettingArgument] = []

  /// Those that are given, as the library takes them.
  var told: [(name: String, value: String)] { self.set.map { ($0.name, $0.value) } }

  /// The mixers of a pattern with these settings.
  func mixers(of pattern: [any SequenceMixer.Type], width: Int) throws -> [MixerChoice] {
    try ModelShape(mixers: pattern, settings: told).choices(width: width)
  }
}
