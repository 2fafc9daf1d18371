/// `runnel tokenizer encode`: text from stdin becomes token ids as it comes.

import ArgumentParser
import Foundation
import Runnel
import RunnelFiles

extension TokenizerCommand {
  struct Encode: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Turn text from stdin into token ids, as it comes.",
      discussion: """
        Example: echo "Once upon a time" | runnel tokenizer encode tokenizer.json
        All of stdin is one document, or with --lines every line; --jsonl reads lines such as {"text": "…"} or \
        {"bytes": "00ff"} and answers each with a line {"ids": […]}.
        """)
    @Argument(help: ArgumentHelp("bytes, a file, or a folder.", valueName: "tokenizer")) var path: String
    @OptionGroup var documents: DocumentOptions
    @Flag(help: "Print each token's id and name on a line of its own; with JSON, add the names.")
    var pieces = false
    @OptionGroup var output: OutputOptions

    func run() throws {
      try encode(Tokenizers.load(path))
    }

    private func encode(_ tokenizer: some Tokenizer) throws {
      var writer = IdWriter(
        tokenizer, style: documents.jsonl || output.json ? .json(pieces: pieces) : pieces ? .pieces : .plain)
      var encoder = tokenizer.encoder()
      var ids: [Int32] = []
      var bytes = 0
      try documents.read { text in
        bytes += text.count
        text.withUnsafeBufferPointer { encoder.feed($0, into: &ids) }
      } finish: {
        encoder.finish(into: &ids)
        writer.add(ids)
        ids.removeAll(keepingCapacity: true)
        writer.endDocument(bytes: bytes)
        bytes = 0
      } flush: {
        writer.add(ids)
        ids.removeAll(keepingCapacity: true)
        return writer.flush()
      }
      writer.flush()
    }
  }
}

/// Puts ids, or tokens by name, into lines.
private struct IdWriter<Source: Tokenizer> {
  enum Style: Equatable {
    case plain, pieces
    case json(pieces: Bool)
  }
  private let tokenizer: Source
  private let style: Style
  private var buffer: [UInt8] = []
  private var ids: [Int32] = []
  private var isFirst = true
  private var isOpen = true

  init(_ tokenizer: Source, style: Style) { (self.tokenizer, self.style) = (tokenizer, style) }

  mutating func add(_ new: [Int32]) {
    switch style {
    case .plain:
      for id in new {
        if !isFirst { buffer.append(0x20) }
        isFirst = false
        append(id)
      }
    case .pieces:
      for id in new { buffer += "\(id)\t\(printable(tokenizer.token(of: id) ?? "", limit: .max))\n".utf8 }
    case .json: ids += new
    }
  }

  mutating func endDocument(bytes: Int) {
    if case .json(let pieces) = style {
      buffer += #"{"bytes":\#(bytes),"ids":["#.utf8
      for (index, id) in ids.enumerated() {
        if index > 0 { buffer.append(0x2C) }
        append(id)
      }
      if pieces {
        let names = ids.map { (tokenizer.token(of: $0) ?? "").jsonLiteral }
        buffer += #"],"pieces":[\#(names.joined(separator: ","))"#.utf8
      }
      buffer += #"],"tokens":\#(ids.count)}"#.utf8
      ids.removeAll(keepingCapacity: true)
    }
    buffer.append(0x0A)
    isFirst = true
    if buffer.count >= 1 << 16 { flush() }
  }

  private mutating func append(_ id: Int32) {
    var (rest, digits) = (id, 0)
    repeat {
      buffer.append(UInt8(ascii: "0") + UInt8(rest % 10))
      (rest, digits) = (rest / 10, digits + 1)
    } while rest > 0
    buffer[(buffer.count - digits)...].reverse()
  }

  /// False once nobody reads any more.
  @discardableResult
  mutating func flush() -> Bool {
    if !buffer.isEmpty { isOpen = Output.write(buffer) && isOpen }
    buffer.removeAll(keepingCapacity: true)
    return isOpen
  }
}
