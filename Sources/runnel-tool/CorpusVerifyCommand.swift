/// `runnel corpus verify`: every checksum of a corpus.

import ArgumentParser
import Runnel

extension CorpusCommand {
  struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Check every checksum of a corpus.",
      discussion: "Example: runnel corpus verify book.tokens.zst")
    @Argument(help: ArgumentHelp("The corpus.", valueName: "corpus")) var path: String
    @OptionGroup var output: OutputOptions

    private struct Result: Encodable {
      let passed: Bool
      let findings: [CorpusFinding]
    }

    func run() throws {
      var line = ProgressLine()
      let findings = try Corpus.verify(path: path) { line.show($0, "checking \(path)") }
      line.finish()
      if output.json {
        try Output.json(Result(passed: findings.isEmpty, findings: findings))
      } else if findings.isEmpty {
        Output.line("\(path): every frame is sound")
      } else {
        for finding in findings { Output.line("\(path): \(finding)") }
      }
      if !findings.isEmpty { throw ExitCode(1) }
    }
  }
}
