import Foundation
import Testing

extension ToolTests {
  /// The README's commands, run as they stand but with a budget of steps for one of minutes.
  @Test("every command of the README works") func readme() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let readme = try String(contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
    let blocks = readme.components(separatedBy: "```sh\n").dropFirst().map {
      $0.components(separatedBy: "```")[0]
    }
    let lines = blocks.flatMap { $0.split(separator: "\n").map(String.init) }
    let place = try Workplace()
    try place.write(
      String(repeating: "Once upon a time there was a mill by a river.\n", count: 900).utf8, to: "book.txt")
    var count = 0
    for line in lines {
      if line.hasPrefix("tools/") {
        #expect(FileManager.default.isExecutableFile(atPath: root.path + "/" + line), "\(line)")
        continue
      }
      let command = line.replacingOccurrences(
        of: #"--minutes \d+"#, with: "--steps 3", options: .regularExpression)
      let outcome = try place.shell(command)
      #expect(outcome.code == 0, "\(line): \(outcome.errors)")
      #expect(!outcome.output.isEmpty, "\(line) prints nothing")
      count += 1
    }
    #expect(count >= 5)
  }
}
