/// `runnel corpus repair`: a sound corpus of what is left of a damaged one.

import ArgumentParser
import Runnel

extension CorpusCommand {
  struct Repair: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write a sound corpus of the undamaged frames of a damaged one.",
      discussion: """
        Example: runnel corpus repair damaged.tokens.zst whole.tokens.zst

        A document that lost tokens is cut at the gap. What was lost is told on stderr; the exit code is 0 if anything \
        is left.
        """)

    @Argument(help: ArgumentHelp("The damaged corpus.", valueName: "corpus")) var path: String
    @Argument(help: ArgumentHelp("The corpus to write.", valueName: "out")) var out: String
    @OptionGroup var replacing: ReplacingOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
      try replacing.check(out, for: .corpus, inputs: [path])
      var line = ProgressLine()
      Interrupt.watch()
      let repair = try Corpus(path: path, salvage: true, cacheBytes: 0).repair(to: out) { done in
        if Interrupt.hasArrived { throw ToolError("interrupted: nothing was written") }
        if Output.isTerminal { line.show(done, "repairing \(path)") }
      }
      line.finish()
      for finding in repair.findings { Output.note("\(path): \(finding)") }
      if output.json { return try Output.json(repair) }
      if !repair.findings.isEmpty {
        let tokens = repair.tokensLost.map { counted($0, "token") } ?? "an unknown number of tokens"
        Output.note(
          "lost: \(tokens) in \(counted(repair.framesLost, "damaged frame")) and gaps; "
            + "\(counted(repair.documentsLost, "document")) gone, \(grouped(repair.documentsCut)) cut")
      }
      try report(repair.header, at: out, output)
    }
  }
}
