/// `runnel tokenizer decode`: token ids from stdin become text as they come.

import ArgumentParser
import Foundation
import Runnel

extension TokenizerCommand {
  struct Decode: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Turn token ids from stdin into text, in whole characters, as they come.",
      discussion: """
        Example: echo "12 345 67" | runnel tokenizer decode tokenizer.json
        Ids stand between spaces, commas, brackets or line feeds; with --lines every line is a document.
        """)
    @Argument(help: ArgumentHelp("bytes, a file, or a folder.", valueName: "tokenizer")) var path: String
    @Flag(help: "Every line is a document; a line feed follows its text.") var lines = false

    func run() throws {
      try decode(Tokenizers.load(path))
    }

    private func decode(_ tokenizer: some Tokenizer) throws {
      var reader = IdReader(limit: tokenizer.vocabularySize)
      var decoder = tokenizer.decoder(continuing: false)
      var characters = UTF8Stream()
      var bytes: [UInt8] = []
      var ready: [UInt8] = []
      func finish() {
        decoder.finish(into: &bytes)
        ready += characters.feed(bytes) + characters.flush()
        bytes.removeAll(keepingCapacity: true)
      }
      while let piece = try Input.read() {
        for byte in piece {
          if let id = try reader.take(byte) { decoder.feed(id, into: &bytes) }
          if lines && byte == 0x0A {
            finish()
            ready.append(0x0A)
            decoder = tokenizer.decoder(continuing: false)
          }
        }
        ready += characters.feed(bytes)
        bytes.removeAll(keepingCapacity: true)
        guard Output.write(ready) else { return }
        ready.removeAll(keepingCapacity: true)
      }
      if let id = try reader.finish() { decoder.feed(id, into: &bytes) }
      finish()
      Output.write(ready)
    }
  }
}

/// Puts ids together from bytes as they come.
private struct IdReader {
  let limit: Int
  private var value: Int?
  private var count = 0

  init(limit: Int) { self.limit = limit }

  /// The id that this byte ends.
  mutating func take(_ byte: UInt8) throws -> Int32? {
    switch byte {
    case 0x30...0x39:
      value = min(Int.max >> 4, 10 * (value ?? 0) + Int(byte - 0x30))
      return nil
    case 0x20, 0x09, 0x0A, 0x0D, UInt8(ascii: ","), UInt8(ascii: "["), UInt8(ascii: "]"): return try finish()
    default:
      let shown = byte > 0x20 && byte < 0x7F ? "'\(Character(Unicode.Scalar(byte)))'" : "byte \(byte)"
      throw ToolError(
        "stdin: after \(counted(count + (value == nil ? 0 : 1), "id")): expected token ids between spaces, found \(shown)"
      )
    }
  }

  mutating func finish() throws -> Int32? {
    guard let id = value else { return nil }
    guard id < limit else {
      throw ToolError("stdin: id \(count): \(id) is outside the vocabulary of \(limit)")
    }
    value = nil
    count += 1
    return Int32(id)
  }
}
