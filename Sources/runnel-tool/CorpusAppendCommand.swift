/// `runnel corpus append`: more texts for a corpus that stands.

import ArgumentParser
import Runnel

extension CorpusCommand {
  struct Append: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Add texts to a corpus, with its own tokenizer, end token and kind of split.",
      discussion: """
        Example: runnel corpus append web.tokens.zst more.jsonl.zst

        What was kept for validation stays so; of the new texts the corpus's own fraction joins it. A new file takes \
        the place of the old one when it is complete.
        """)

    @Argument(help: ArgumentHelp("The corpus.", valueName: "corpus")) var path: String
    @Argument(help: ArgumentHelp("Texts or folders, in order; - is stdin.", valueName: "input")) var inputs:
      [String]
    @OptionGroup var reading: ReadingOptions
    @Option(
      help: ArgumentHelp(
        "The share of the new texts kept for validation (default: the corpus's own).", valueName: "fraction"))
    var validation: Double?
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
      if inputs.isEmpty { throw ValidationError("name at least one text, or - for stdin") }
      if let validation, !(validation >= 0 && validation < 1) {
        throw ValidationError("--validation is \(validation); it must lie in [0, 1)")
      }
    }

    func run() throws {
      let texts = try reading.texts(inputs)
      var progress = ReadingProgress(of: texts)
      let header = try CorpusMerger.append(
        texts, to: path, validation: validation, threads: compute.threads, badLines: ReadingOptions.note
      ) { try progress.show($0) }
      progress.finish()
      try report(header, at: path, output)
    }
  }
}
