/// The package of examples is built and run, and the articles say what it does.

import Foundation
import Testing

extension ToolTests {
  @Suite("The examples") struct Examples {
    static let root = Readme.root
    let place: Workplace

    init() throws { place = try Workplace() }

    private func files(in folder: String, _ suffix: String) throws -> [(name: String, text: String)] {
      let path = Self.root.path + "/" + folder
      return try FileManager.default.contentsOfDirectory(atPath: path).sorted().filter {
        $0.hasSuffix(suffix)
      }
      .map { ($0, try String(contentsOfFile: path + "/" + $0, encoding: .utf8)) }
    }

    /// Every block of Swift in the articles and the README is a piece of a file that is compiled and run, but for where it begins
    /// in its line.
    @Test func `every block of Swift in the articles stands in an example`() throws {
      let sources = try files(in: "Examples/Sources", ".swift").map {
        $0.text.split(separator: "\n", omittingEmptySubsequences: false)
      }
      func stands(_ block: [Substring]) -> Bool {
        sources.contains { lines in
          lines.indices.contains { start in
            guard let piece = lines[start...].prefix(block.count).dedented else { return false }
            return piece == block
          }
        }
      }
      let articles =
        try files(in: "Sources/Runnel/Runnel.docc", ".md")
        + [("README.md", String(contentsOf: Self.root.appendingPathComponent("README.md"), encoding: .utf8))]
      var count = 0
      for (name, text) in articles {
        for (i, part) in text.components(separatedBy: "```").enumerated()
        where i % 2 == 1 && part.hasPrefix("swift\n") {
          let block = part.dropFirst(6).split(separator: "\n", omittingEmptySubsequences: false).dropLast()
          #expect(stands(Array(block)), "\(name): no example has\n\(block.joined(separator: "\n"))")
          count += 1
        }
      }
      #expect(articles.count >= 5 && count >= 16)
    }

    /// The same sources are a target of ours, so that they are built with what there is; it sees what another package sees.
    @Test func `they train, stream and add parts of their own with the public library alone`() throws {
      let manifest = try String(
        contentsOf: Self.root.appendingPathComponent("Package.swift"), encoding: .utf8)
      let target = try #require(manifest.firstRange(of: "name: \"RunnelExamples\""))
      let declared = manifest[target.lowerBound...].prefix { $0 != ")" }
      #expect(declared.contains("dependencies: [\"Runnel\"]") && declared.contains("packageAccess: false"))
      for (name, text) in try files(in: "Examples/Sources", ".swift") {
        let imports = text.split(separator: "\n").filter { $0.contains("import ") && !$0.hasPrefix("//") }
        #expect(
          imports.allSatisfy { ["import Runnel", "import Foundation"].contains($0) }, "\(name): \(imports)")
      }
      let outcome = try place.shell("RunnelExamples all").succeeded()
      #expect(outcome.errors == "")
      for words in [
        "mingru takes about", "step 30:", "from step 30 on: budget 60 steps", "ended by",
        "a saved stream goes on: true", "the forms are one function: true",
        "leaky-average takes about", "a saved stream of it goes on: true", "laws that it breaks: []",
        "its parts with another mixer: true",
      ] {
        #expect(outcome.text.contains(words), "no \"\(words)\" in \(outcome.text)")
      }
    }

    /// What a package of one's own states is read as SwiftPM reads it.
    @Test func `their manifest depends on the product alone`() throws {
      let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
      let manifest = try place.shell(
        "PATH='\(path)' swift package dump-package --package-path '\(Self.root.path)/Examples' --scratch-path scratch"
      ).succeeded()
      let package = try manifest.json()
      let dependencies = try #require(package["dependencies"] as? [[String: Any]])
      let targets = try #require(package["targets"] as? [[String: Any]])
      #expect(dependencies.count == 1 && dependencies[0]["fileSystem"] != nil)
      #expect(targets.count == 1 && targets[0]["path"] as? String == "Sources")
      let products = try #require(targets[0]["dependencies"] as? [[String: Any]]).map {
        $0["product"] as? [Any]
      }
      #expect(products.count == 1 && products[0]?.prefix(2).map { "\($0)" } == ["Runnel", "runnel"])
    }
  }
}

extension Collection where Element == Substring {
  /// Lines without the blanks that all of them begin with; nil for none.
  fileprivate var dedented: [Substring]? {
    guard let indent = filter({ !$0.isEmpty }).map({ $0.prefix { $0 == " " }.count }).min() else {
      return nil
    }
    return map { $0.dropFirst(indent) }
  }
}
