/// Runs the project's scripts as a user would, in a folder of its own that vanishes afterwards.

import Foundation
import Testing

enum Project {
  /// The repository.
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path

  static var recipes: [String] {
    get throws {
      try FileManager.default.contentsOfDirectory(atPath: root + "/corpora")
        .filter { $0.hasSuffix(".recipe") }.map { String($0.dropLast(7)) }.sorted()
    }
  }

  static func has(_ command: String) -> Bool {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    return path.split(separator: ":").contains {
      FileManager.default.isExecutableFile(atPath: "\($0)/\(command)")
    }
  }
}

struct Outcome {
  var output: String
  var errors: String
  var code: Int32

  @discardableResult
  func succeeded(_ at: SourceLocation = #_sourceLocation) throws -> Outcome {
    try #require(code == 0, "exit \(code): \(errors)", sourceLocation: at)
    return self
  }

  /// Failed, the last line being an error that holds `words`.
  func failed(_ words: String..., at: SourceLocation = #_sourceLocation) {
    #expect(code == 1, "exit \(code): \(errors)", sourceLocation: at)
    let lines = errors.split(separator: "\n").filter {
      $0.hasPrefix("Error: ") || $0.hasPrefix("clean-text: ")
    }
    #expect(
      !lines.isEmpty && lines.last == errors.split(separator: "\n").last, "\(errors)", sourceLocation: at)
    for word in words { #expect(errors.contains(word), "no \"\(word)\" in: \(errors)", sourceLocation: at) }
  }
}

/// A folder for one test.
final class Workplace {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "runnel-recipes-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path + "/tmp", withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  func callAsFunction(_ name: String) -> String { path + "/" + name }
  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: self(name)) }

  func write(_ bytes: some Sequence<UInt8>, to name: String) throws {
    let url = URL(fileURLWithPath: self(name))
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(Array(bytes)).write(to: url)
  }

  /// What is left of temporary files.
  var leftovers: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: self("tmp")) }
  }

  /// Runs a program here; its streams are files, so that nothing waits for a full pipe.
  func run(
    _ program: String, _ arguments: [String], input: String = "", environment: [String: String] = [:]
  ) throws -> Outcome {
    try write(input.utf8, to: "stdin")
    for stream in ["stdout", "stderr"] { try write([], to: stream) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    process.currentDirectoryURL = URL(fileURLWithPath: path)
    process.environment = ProcessInfo.processInfo.environment
      .merging(["TMPDIR": self("tmp")]) { $1 }.merging(environment) { $1 }
    process.standardInput = FileHandle(forReadingAtPath: self("stdin"))
    process.standardOutput = FileHandle(forWritingAtPath: self("stdout"))
    process.standardError = FileHandle(forWritingAtPath: self("stderr"))
    try process.run()
    process.waitUntilExit()
    return Outcome(
      output: try String(contentsOfFile: self("stdout"), encoding: .utf8),
      errors: try String(contentsOfFile: self("stderr"), encoding: .utf8), code: process.terminationStatus)
  }

  func getCorpus(_ arguments: String..., environment: [String: String] = [:]) throws -> Outcome {
    try run(Project.root + "/tools/get-corpus", arguments, environment: environment)
  }

  /// The documents that the clean-up makes of files here.
  func documents(of files: String..., divide: String = "file", clean: String = "", drop: String = "") throws
    -> [String]
  {
    let outcome = try run(
      "perl",
      [
        Project.root + "/tools/clean-text.pl", "--root", path, "--divide", divide, "--clean", clean, "--drop",
        drop,
      ], input: files.map { $0 + "\n" }.joined()
    ).succeeded()
    #expect(outcome.errors.isEmpty, "perl warns: \(outcome.errors)")
    return try outcome.output.split(separator: "\n").map { line in
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String]
      #expect(try files.contains(#require(object?["source"])))
      return try #require(object?["text"])
    }
  }
}
