/// How stdin falls into documents, for the verbs that encode it.

import ArgumentParser
import Runnel
import RunnelFiles

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
      feed(jsonl ? try Self.document(line, number) : line)
      finish()
    } flush: {
      flush()
    }
  }

  /// The bytes that a line of JSON gives.
  private static func document(_ line: [UInt8], _ number: Int) throws -> [UInt8] {
    var scanner = JSONScanner(
      line, file: "stdin", name: "line \(number)", repairsText: true,
      remedy: "each line is an object with a string \"text\", or \"bytes\" in hexadecimal")
    var document: [UInt8]?
    try scanner.beginObject()
    while let key = try scanner.nextKey() {
      guard key == "text" || key == "bytes" else {
        try scanner.skipValue()
        continue
      }
      var value: [UInt8] = []
      try scanner.string(into: &value)
      if key == "text" {
        document = value
      } else if let bytes = Self.bytes(hexadecimal: value) {
        document = bytes
      } else {
        throw scanner.failure(expected: "pairs of hexadecimal digits", found: "something else")
      }
    }
    try scanner.finish()
    guard let document else { throw scanner.failure(expected: "\"text\" or \"bytes\"", found: "neither") }
    return document
  }

  private static func bytes(hexadecimal digits: [UInt8]) -> [UInt8]? {
    guard digits.count % 2 == 0 else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let high = Character(Unicode.Scalar(digits[index])).hexDigitValue,
        let low = Character(Unicode.Scalar(digits[index + 1])).hexDigitValue
      else { return nil }
      bytes.append(UInt8(16 * high + low))
    }
    return bytes
  }
}
