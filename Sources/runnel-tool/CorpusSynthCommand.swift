/// `runnel corpus synth`: corpora that a rule writes, with what the best model reaches on them.

import ArgumentParser
import Foundation
import Runnel

extension CorpusCommand {
  struct Synth: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write a synthetic corpus: stories, or a task that asks for answers.",
      discussion: """
        Example: runnel corpus synth induction heads.tokens.zst --documents 20000 --length 256 --seed 1
        Example: runnel corpus synth stories stories.tokens.zst --megabytes 16 --seed 1

        \(tasks)

        Training learns a task's answers alone, and `runnel score MODEL --corpus OUT` says how many are right.
        """)

    @Argument(help: ArgumentHelp("The task, one of those above.", valueName: "task")) var task: String
    @Argument(help: ArgumentHelp("The corpus to write.", valueName: "out")) var path: String
    @Option(help: ArgumentHelp("stories: how much text (default: 16).", valueName: "megabytes"))
    var megabytes: Double?
    @Option(help: ArgumentHelp("Tasks: how many documents (default: 20000).", valueName: "n"))
    var documents: Int?
    @OptionGroup var settings: TaskOptions
    @Option(help: "The same seed writes the same corpus.") var seed: UInt64 = 1
    @OptionGroup var split: ValidationOptions
    @Option(help: "zstd's level, 1 to 22.") var level = 3
    @OptionGroup var replacing: ReplacingOptions
    @OptionGroup var output: OutputOptions

    private static let names = SyntheticTasks.all.map { $0.name } + ["stories"]

    /// What `--help` says of each task: its sentence, its paper, its settings and their defaults.
    private static var tasks: String {
      SyntheticTasks.all.map { describe($0) }.joined(separator: "\n\n")
        + "\n\nstories: small coherent English stories\n  --megabytes 16"
    }

    private static func describe<Task: SyntheticTask>(_ type: Task.Type) -> String {
      let options = Task().recordedSettings
      let shown = Task.settings.map { setting in
        "\(TaskOptions.flag(setting.name)) \(TaskOptions.shown(options[setting.name] ?? 0))"
      }
      return "\(Task.name): \(Task.summary)\n  (\(Task.source))\n  \(shown.joined(separator: " "))"
    }

    func validate() throws {
      guard Self.names.contains(task) else {
        throw ValidationError("there is no task \(task); it is one of \(Self.names.joined(separator: ", "))")
      }
      guard (1...22).contains(level) else {
        throw ValidationError("--level is \(level); it must lie in 1...22")
      }
      if let type = SyntheticTasks.named(task) {
        if megabytes != nil { throw ValidationError("\(task) has no --megabytes; give --documents") }
        if let documents, !(1...1 << 40).contains(documents) {
          throw ValidationError("--documents is \(documents); it must be 1 or more")
        }
        _ = try make(type)
      } else {
        if documents != nil { throw ValidationError("\(task) has no --documents; give --megabytes") }
        if let other = settings.given.keys.min() {
          throw ValidationError("\(task) has no \(TaskOptions.flag(other)); it has --megabytes")
        }
        if let megabytes, !(megabytes > 0 && megabytes <= 1e6) {
          throw ValidationError("--megabytes is \(megabytes); it must be more than 0 and at most 1000000")
        }
      }
    }

    private func make<Task: SyntheticTask>(_ type: Task.Type) throws -> Task {
      let own = Task.settings.map(\.name)
      if let other = settings.given.keys.sorted().first(where: { !own.contains($0) }) {
        let flags = own.map(TaskOptions.flag).joined(separator: ", ")
        throw ValidationError("\(task) has no \(TaskOptions.flag(other)); it has \(flags)")
      }
      do { return try Task(settings: settings.given) } catch {
        throw ValidationError("\(error)")
      }
    }

    func run() throws {
      try replacing.check(path, for: .corpus)
      var line = ProgressLine()
      let header: CorpusHeader
      if let type = SyntheticTasks.named(task) {
        let count = documents ?? 20_000
        header = try make(type).write(
          to: path, documents: count, seed: seed, validation: validation, level: level
        ) { done in line.show(Double(done) / Double(count), "\(counted(done, "document")) written") }
      } else {
        let bytes = Int((megabytes ?? 16) * 1e6)
        header = try Stories.write(to: path, bytes: bytes, seed: seed, validation: validation, level: level) {
          done in line.show(Double(done) / Double(bytes), "\(counted(done, "byte")) told")
        }
      }
      line.finish()
      try report(header, at: path, output)
    }

    private var validation: ValidationSplit {
      split.validation > 0 ? .tailOfDocuments(split.validation) : .none
    }
  }
}

/// The settings of every task; each task takes its own and refuses the others.
struct TaskOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Tokens in a document.", valueName: "n")) var length: Int?
  @Option(help: ArgumentHelp("Tokens in the shortest document; 0 makes all equally long.", valueName: "n"))
  var shortest: Int?
  @Option(help: ArgumentHelp("Kinds of token.", valueName: "n")) var vocabulary: Int?
  @Option(help: ArgumentHelp("selective-copy: data tokens to remember.", valueName: "n")) var data: Int?
  @Option(help: ArgumentHelp("mqar: pairs of key and value.", valueName: "n")) var pairs: Int?
  @Option(
    help: ArgumentHelp("mqar: 1 spreads queries evenly, towards 0 most come soon.", valueName: "a"))
  var power: Double?
  @Option(help: ArgumentHelp("dyck: kinds of bracket, k.", valueName: "k")) var kinds: Int?
  @Option(help: ArgumentHelp("dyck: the deepest nest, m.", valueName: "m")) var depth: Int?
  @Option(help: ArgumentHelp("modular: p.", valueName: "p")) var modulus: Int?
  @Option(help: ArgumentHelp("modular: the most terms.", valueName: "n")) var terms: Int?
  @Option(help: ArgumentHelp("modular: the fewest terms.", valueName: "n")) var fewestTerms: Int?
  @Option(help: ArgumentHelp("modular: 1 for +, 2 for + −, 3 for + − ×.", valueName: "n")) var operators: Int?

  /// What the user gave, by the names of the settings.
  var given: [String: Double] {
    let whole: [(String, Int?)] = [
      ("length", length), ("shortest", shortest), ("vocabulary", vocabulary), ("data", data),
      ("pairs", pairs), ("kinds", kinds),
      ("depth", depth), ("modulus", modulus), ("terms", terms), ("fewest_terms", fewestTerms),
      ("operators", operators),
    ]
    let all = whole.map { ($0, $1.map(Double.init)) } + [("power", power)]
    return Dictionary(all.compactMap { name, value in value.map { (name, $0) } }, uniquingKeysWith: { $1 })
  }

  /// `--fewest-terms` for `fewest_terms`.
  static func flag(_ name: String) -> String { "--" + name.replacing("_", with: "-") }

  static func shown(_ value: Double) -> String { Int(exactly: value).map(String.init) ?? "\(value)" }
}
