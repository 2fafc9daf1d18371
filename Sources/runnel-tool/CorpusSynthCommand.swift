/// `runnel corpus synth`: corpora made by a program.

import ArgumentParser
import Runnel

extension CorpusCommand {
  struct Synth: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write a synthetic corpus: stories.",
      discussion: "Example: runnel corpus synth stories stories.tokens.zst --megabytes 16 --seed 1")
    enum Task: String, ExpressibleByArgument, CaseIterable { case stories }

    @Argument(help: "The task.") var task: Task
    @Argument(help: ArgumentHelp("The corpus to write.", valueName: "out")) var path: String
    @Option(help: "How much text.") var megabytes = 16.0
    @Option(help: "The same seed tells the same stories.") var seed: UInt64 = 1
    @OptionGroup var split: ValidationOptions
    @Option(help: "zstd's level, 1 to 22.") var level = 3
    @OptionGroup var output: OutputOptions

    func validate() throws {
      guard megabytes > 0, megabytes <= 1e6 else {
        throw ValidationError("--megabytes is \(megabytes); it must lie between 0 and 1000000")
      }
      guard (1...22).contains(level) else {
        throw ValidationError("--level is \(level); it must lie in 1...22")
      }
    }

    func run() throws {
      var line = ProgressLine()
      let bytes = Int(megabytes * 1e6)
      let header = try Stories.write(
        to: path, bytes: bytes, seed: seed,
        validation: split.validation > 0 ? .documents(split.validation) : .none, level: level
      ) { done in line.show(Double(done) / Double(bytes), "\(Output.grouped(done)) bytes told") }
      line.finish()
      try report(header, at: path, output)
    }
  }
}
