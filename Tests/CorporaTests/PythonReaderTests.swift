// The reader in tools/ was written from docs/corpus-format.md alone: it finds what we wrote.

import Foundation
import RunnelText
import Testing

@testable import RunnelCorpora

@Suite("The reader in Python") struct PythonReaderTests {
  private static let reader = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("tools/read_corpus.py")
    .path

  /// What python3 prints; nil if there is none or it fails.
  private static func python(_ arguments: [String]) -> String? {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3"] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return nil }
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return process.terminationStatus == 0 ? String(decoding: data, as: UTF8.self) : nil
  }

  private static let isThere = python(["-c", "import zstandard"]) != nil

  @Test(
    "reads the header, tokens, documents and the tokenizer",
    .enabled(if: isThere, "python3 with zstandard is not there"), arguments: [200, 5000, 100_000])
  func reads(vocabulary: Int) throws {
    try withFolder { folder in
      let path = folder + "/a.tokens.zst"
      let texts = documents([500, 0, 40, 300], vocabulary: vocabulary)
      let file = TokenizerFile(name: "t.json", bytes: Array("{\"é\": 1}\n".utf8))
      var writer = try CorpusWriter(
        path: path, tokenizer: .init(name: file.name, sha256: file.sha256), tokenizerFile: file,
        vocabularySize: vocabulary, frameBytes: 256)
      for text in texts {
        writer.beginDocument()
        try writer.append(text)
      }
      try writer.finish(validation: .tail(0.1))
      func run(_ options: String...) throws -> String {
        try #require(Self.python([Self.reader, path] + options))
      }
      func printed(_ ids: some Sequence<Int32>) -> String {
        ids.map { "\($0)" }.joined(separator: " ") + "\n"
      }
      #expect(try run().contains("\"tokens\": 840"))
      #expect(try run("--tokens", "33:700") == printed(texts.flatMap(\.self)[33..<700]))
      for (i, text) in texts.enumerated() { #expect(try run("--document", "\(i)") == printed(text)) }
      #expect(try run("--tokenizer") == "{\"é\": 1}\n")
    }
  }
}
