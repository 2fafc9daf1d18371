/// `runnel corpus`: the verbs on corpora, and what they share.

import ArgumentParser
import Runnel

struct CorpusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "corpus", abstract: "Build, read and check corpora.",
    discussion: "Example: runnel corpus build book.tokens.zst book.txt",
    subcommands: [
      Build.self, Append.self, Merge.self, Info.self, Cat.self, Verify.self, Repair.self, Synth.self,
      Import.self, Export.self,
    ])
}

/// Where the validation split begins.
struct ValidationOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The share at the end that is kept for validation.", valueName: "fraction"))
  var validation = 0.1

  func validate() throws {
    guard validation >= 0, validation < 1 else {
      throw ValidationError("--validation is \(validation); it must lie in [0, 1)")
    }
  }
}

/// What every verb that writes a corpus says of it.
func report(_ header: CorpusHeader, at path: String, _ output: OutputOptions) throws {
  if output.json { return try Output.json(header) }
  let training = header.validationStart
  Output.line(
    "\(path): \(counted(header.tokens, "token")) in \(counted(header.documents, "document")), "
      + "\(grouped(training)) for training, \(grouped(header.tokens - training)) for validation"
  )
}
