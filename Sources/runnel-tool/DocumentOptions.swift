/// How stdin falls into documents, for the verbs that encode it.

import ArgumentParser
import Runnel

struct DocumentOptions: ParsableArguments {
  @Flag(help: "Every line is a document, without its line feed.") var lines = false
  @Flag(help: "Every line is a JSON object with a document.") var jsonl = false

  func validate() throws {
    if lines && jsonl {
      throw ValidationError("--lines and --jsonl both say what a line is; give one of them")
    }
  }

  /// Reads stdin as it comes.
  ///
  /// - Parameters:
  ///   - feed: takes bytes of a document.
  ///   - finish: the document ends.
  ///   - flush: everything that has come so far is done; false ends the reading.
  func read(
    feed: ([UInt8]) -> Void, finish: () -> Void, flush: () -> Bool = { true }
  ) throws {
    guard lines || jsonl else {
      while let bytes = try Input.read() {
        feed(bytes)
        guard flush() else { return }
      }
      return finish()
    }
    var number = 0
    try Input.forEachLine { line in
      number += 1
      if jsonl && !line.contains(where: { $0 > 0x20 }) { return }
      if jsonl {
        var text: [UInt8] = []
        try TextField.extract(["text"], from: line, number: number, of: "stdin", into: &text)
        feed(text)
      } else {
        feed(line)
      }
      finish()
    } flush: {
      flush()
    }
  }
}
