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
