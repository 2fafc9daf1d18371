/// The `runnel` tool: one file per verb, each a summary of the work that the library does.

import ArgumentParser
import Foundation
import Runnel

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
    version: runnelVersion,
    subcommands: [
      CorpusCommand.self, TokenizerCommand.self, TrainCommand.self, GenerateCommand.self, StateCommand.self,
      ScoreCommand.self,
      CheckCommand.self, ConvertCommand.self, BenchCommand.self, InfoCommand.self, HippoCommand.self,
    ])

  func validate() throws {
    if let complaint = InstructionSet.complaint { throw ValidationError(complaint) }
  }
}

@main
enum Main {
  /// Runs the verb. Exit 0 says that all of it was done, and that stdout took all of it or its reader left; 1 comes with one
  /// line that says what was not; 64 with the usage.
  static func main() {
    Surroundings.prepare()
    do {
      try RunnelTool.checkArguments()
      var command = try RunnelTool.parseAsRoot()
      try command.run()
    } catch {
      let error = RunnelTool.unknownOption(behind: error) ?? error
      let code = RunnelTool.exitCode(for: error)
      let text = RunnelTool.fullMessage(for: error)
      // Help and the version are results.
      if !text.isEmpty { code.isSuccess ? Output.line(text) : Output.note(text) }
      if !code.isSuccess { leave(code) }
    }
    guard let failure = Output.failure else { leave(.success) }
    Output.note(RunnelTool.fullMessage(for: failure))
    leave(RunnelTool.exitCode(for: failure))
  }

  /// Ends the process without the libraries' farewells: all output is out, and OpenBLAS would wait for a thread of its own,
  /// for ever where that found no room for its buffer.
  private static func leave(_ code: ExitCode) -> Never {
    fflush(nil)
    _exit(code.rawValue)
  }
}

/// What a process is given at its start.
private enum Surroundings {
  static func prepare() {
    // A reader that has gone, and a limit on the size of files, are errors of the write, so that a verb can save and leave.
    for number in [SIGPIPE, SIGXFSZ] { signal(number, SIG_IGN) }
    // Whoever started this process may have blocked those that end it.
    var ending = sigset_t()
    sigemptyset(&ending)
    for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&ending, number) }
    pthread_sigmask(SIG_UNBLOCK, &ending, nil)
    // Where one of the three is closed, the next file that is opened would take its place, and results would be written into
    // it. What stands there instead can be neither read nor written, as a closed one.
    for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) < 0 {
      let access = descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY
      let opened = open("/dev/null", access)
      if opened >= 0, opened != descriptor { close(opened) }
    }
  }
}
