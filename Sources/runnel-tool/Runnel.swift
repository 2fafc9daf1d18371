/// The `runnel` tool: one file per verb, each a summary of the work that the library does.

import ArgumentParser
import Runnel

@main
struct RunnelTool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "runnel",
    abstract: "Train recurrent language models on a CPU, stream them, and prove that their forms agree.",
    discussion: """
      A first model from any text file:
        runnel corpus build book.tokens.zst book.txt
        runnel train --corpus book.tokens.zst --mixer mamba --minutes 3 --out book-model
        echo "Once upon a time" | runnel generate book-model
      """,
    version: "0.1.0",
    subcommands: [
      CorpusCommand.self, TokenizerCommand.self, TrainCommand.self, GenerateCommand.self, StateCommand.self,
      ScoreCommand.self,
      CheckCommand.self, ConvertCommand.self, BenchCommand.self, InfoCommand.self, HippoCommand.self,
    ])

  func validate() throws {
    if let complaint = InstructionSet.complaint { throw ValidationError(complaint) }
  }
}
