/// The arguments as the system gives them.

import ArgumentParser
import RunnelFiles

extension RunnelTool {
  /// Refuses arguments that are not UTF-8: Swift would change them, so that a file of another name would be read or written.
  static func main() {
    for number in 1..<max(1, Int(CommandLine.argc)) {
      guard let argument = CommandLine.unsafeArgv[number] else { continue }
      guard String(validatingCString: argument) == nil else { continue }
      exit(
        withError: ValidationError(
          "argument \(number) is not UTF-8: \(printable(String(cString: argument))); rename the file or link to it, or give "
            + "text on stdin"))
    }
    main(nil)
  }
}
