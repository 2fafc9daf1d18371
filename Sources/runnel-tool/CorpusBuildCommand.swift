/// `runnel corpus build`: texts become a corpus.

import ArgumentParser
import Foundation
import Runnel

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
}
