/// `runnel corpus merge`: one corpus of several.

import ArgumentParser
import Runnel

extension CorpusCommand {
  struct Merge: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make one corpus of several with the same tokenizer, without encoding anything again.",
      discussion: "Example: runnel corpus merge all.tokens.zst novels.tokens.zst web.tokens.zst")

    @Argument(help: ArgumentHelp("The corpus to write.", valueName: "out")) var path: String
    @Argument(help: ArgumentHelp("Corpora, in order.", valueName: "corpus")) var inputs: [String]
    @OptionGroup var replacing: ReplacingOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
      if inputs.isEmpty { throw ValidationError("name the corpora to merge") }
    }

    func run() throws {
      try replacing.check(path, for: .corpus, inputs: inputs)
      var line = ProgressLine()
      Interrupt.watch()
      let header = try CorpusMerger.merge(inputs, into: path) { done in
        if Interrupt.hasArrived { throw ToolError("interrupted: nothing was written") }
        line.show(done, "merging \(inputs.count) corpora")
      }
      line.finish()
      try report(header, at: path, output)
    }
  }
}
