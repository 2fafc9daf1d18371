/// The arguments as the system gives them.

import ArgumentParser
import RunnelFiles

extension RunnelTool {
  /// Refuses arguments that are not UTF-8: Swift would change them, so that a file of another name would be read or written.
  static func checkArguments() throws {
    for number in 1..<max(1, Int(CommandLine.argc)) {
      guard let argument = CommandLine.unsafeArgv[number], String(validatingCString: argument) == nil else {
        continue
      }
      throw ValidationError(
        "argument \(number) is not UTF-8: \(printable(String(cString: argument))); rename the file or link to it, or give text "
          + "on stdin")
    }
  }
}

extension RunnelTool {
  /// What to say where an option that a verb does not have is behind an error: its value was taken for an argument, or something
  /// else was missed first, and the parser speaks of that alone.
  static func unknownOption(behind error: any Error) -> ValidationError? {
    guard exitCode(for: error) == .validationFailure, !message(for: error).hasPrefix("Unknown option") else {
      return nil
    }
    var verb: any ParsableCommand.Type = RunnelTool.self, words = ["runnel"]
    var arguments = CommandLine.arguments.dropFirst().prefix { $0 != "--" }
    while let name = arguments.first,
      let next = verb.configuration.subcommands.first(where: { $0._commandName == name })
    {
      (verb, arguments) = (next, arguments.dropFirst())
      words.append(name)
    }
    let known = Set(
      helpMessage(for: verb, includeHidden: true).matches(of: /--[a-z0-9-]+/).map { String($0.output) })
    let given = arguments.filter { $0.hasPrefix("--") }.map { String($0.prefix { $0 != "=" }) }
    guard let stranger = given.first(where: { !known.contains($0) }) else { return nil }
    return ValidationError("\(words.joined(separator: " ")) has no option \(printable(stranger))")
  }
}
