/// `docs/guarantees.md` names a test for each promise; each of them exists.

import Foundation
import Testing

@Suite struct Guarantees {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  @Test func `every promise names a test that exists`() throws {
    let page = try String(
      contentsOf: Self.root.appendingPathComponent("docs/guarantees.md"), encoding: .utf8)
    let files = try #require(
      FileManager.default.enumerator(
        at: Self.root.appendingPathComponent("Tests"), includingPropertiesForKeys: nil))
    let sources = try files.compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }
      .map { try String(contentsOf: $0, encoding: .utf8) }
    // The second column of every table but that of the exit statuses.
    let rows = page.split(separator: "\n").filter { $0.hasPrefix("| ") }.map { row in
      row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
    }
    let promises = rows.filter { $0.count == 2 && ($0[1].hasPrefix("\"") || $0[1].hasPrefix("`")) }
    #expect(promises.count > 35)
    for promise in promises {
      for test in promise[1].components(separatedBy: " · ") {
        // Its name as it stands in the source: in quotation marks, or as the name of a function.
        let title = test.dropFirst().dropLast()
        #expect(
          sources.contains { $0.contains("\"\(title)\"") || $0.contains("func `\(title)`") },
          "\(promise[0]): no test \(test)")
      }
    }
  }
}
