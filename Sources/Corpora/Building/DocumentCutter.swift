// Cuts a stream of bytes into documents, however the stream itself is cut, in constant memory.

import Foundation

/// What a cutter finds: the start of a document, its bytes in pieces, its end.
package enum DocumentEvent {
  case start
  case bytes(UnsafeRawBufferPointer)
  case end
}

/// Finds the documents of a text, or the lines of a file of lines.
struct DocumentCutter {
  private enum Rule {
    case whole
    /// Every line, blank ones too, without its line feed.
    case lines
    /// Where so many line feeds follow each other, but for carriage returns.
    case gap(Int)
    case separator([UInt8])
  }
  private let rule: Rule
  private var isOpen = false
  /// Bytes that may belong to what separates documents; not passed on yet.
  private var held: [UInt8] = []
  private var skipsLineBreak = false
  /// Line feeds since the last byte of a document that falls into lines.
  private var feeds = 0
  /// Lines without a byte, where every other line is a document.
  private(set) var blankLines = 0

  init(_ input: CorpusInput) {
    rule =
      switch (input.format, input.documents) {
      case (.jsonLines, _): .lines
      case (_, .file): .whole
      case (_, .line): .gap(1)
      case (_, .paragraph): .gap(2)
      case (_, .separator(let bytes)): .separator(bytes)
      }
  }

  mutating func take(
    _ piece: UnsafeRawBufferPointer, _ body: (DocumentEvent) throws -> Void
  ) throws {
    switch rule {
    case .whole: try pass(piece, body)
    case .lines: try takeLines(piece, body)
    case .gap(let feeds): try takeGaps(piece, feeds, body)
    case .separator(let bytes): try takeSeparated(piece, bytes, body)
    }
  }

  /// The input ends, and with it the last document.
  mutating func finish(_ body: (DocumentEvent) throws -> Void) throws {
    switch rule {
    case .whole:
      if !isOpen { try body(.start) }  // an empty file is an empty document
      isOpen = true
    case .separator:
      let rest = held
      try rest.withUnsafeBytes { try pass($0, body) }
    case .lines: break
    case .gap(let feeds): endGap(feeds)
    }
    held = []
    try end(body)
  }

  private mutating func pass(
    _ bytes: UnsafeRawBufferPointer, _ body: (DocumentEvent) throws -> Void
  ) throws {
    guard !bytes.isEmpty else { return }
    if !isOpen { try body(.start) }
    isOpen = true
    try body(.bytes(bytes))
  }

  private mutating func end(_ body: (DocumentEvent) throws -> Void) throws {
    if isOpen { try body(.end) }
    isOpen = false
  }

  private mutating func takeLines(
    _ piece: UnsafeRawBufferPointer, _ body: (DocumentEvent) throws -> Void
  ) throws {
    var rest = piece
    while let base = rest.baseAddress, let feed = memchr(base, 0x0A, rest.count) {
      let length = UnsafeRawPointer(feed) - base
      if !isOpen { try body(.start) }
      isOpen = true
      try body(.bytes(UnsafeRawBufferPointer(rebasing: rest[..<length])))
      try end(body)
      rest = UnsafeRawBufferPointer(rebasing: rest[(length + 1)...])
    }
    try pass(rest, body)
  }

  private mutating func takeGaps(
    _ piece: UnsafeRawBufferPointer, _ feeds: Int, _ body: (DocumentEvent) throws -> Void
  ) throws {
    var first = 0
    while first < piece.count {
      var i = first
      // The gap goes on: it is held back until it is known what it is.
      while i < piece.count, piece[i] == 0x0A || piece[i] == 0x0D {
        if piece[i] == 0x0A { self.feeds += 1 }
        if held.count < 64 || piece[i] == 0x0A && held.last != 0x0A { held.append(piece[i]) }
        i += 1
      }
      guard i < piece.count else { return }
      if !held.isEmpty {
        let gap = held
        held = []
        endGap(feeds)
        if gap.count(where: { $0 == 0x0A }) >= feeds {
          try end(body)
        } else if isOpen {
          try gap.withUnsafeBytes { try pass($0, body) }
        }
      }
      first = i
      while i < piece.count, piece[i] != 0x0A, piece[i] != 0x0D { i += 1 }
      try pass(UnsafeRawBufferPointer(rebasing: piece[first..<i]), body)
      first = i
    }
  }

  /// The gap is over: of its line feeds one ends the line before it.
  private mutating func endGap(_ least: Int) {
    if least == 1 { blankLines += max(0, feeds - (isOpen ? 1 : 0)) }
    feeds = 0
  }

  private mutating func takeSeparated(
    _ piece: UnsafeRawBufferPointer, _ separator: [UInt8], _ body: (DocumentEvent) throws -> Void
  ) throws {
    // What was held back is shorter than the separator; put the next bytes behind it and look at the seam.
    var joined = held
    joined.append(contentsOf: piece)
    held = []
    try joined.withUnsafeBytes { joined in
      var rest = joined
      while true {
        if skipsLineBreak, let byte = rest.first {
          // "\r\n" is one line break; a lone "\r" is none.
          if byte == 0x0D, rest.count == 1 { break }
          let length = byte == 0x0A ? 1 : byte == 0x0D && rest[1] == 0x0A ? 2 : 0
          rest = UnsafeRawBufferPointer(rebasing: rest[length...])
          skipsLineBreak = false
        }
        guard let found = Self.find(separator, in: rest) else { break }
        try pass(UnsafeRawBufferPointer(rebasing: rest[..<found]), body)
        try end(body)
        skipsLineBreak = separator.last != 0x0A
        rest = UnsafeRawBufferPointer(rebasing: rest[(found + separator.count)...])
      }
      let kept = skipsLineBreak ? rest.count : min(rest.count, separator.count - 1)
      try pass(UnsafeRawBufferPointer(rebasing: rest.dropLast(kept)), body)
      held.append(contentsOf: rest.suffix(kept))
    }
  }

  private static func find(_ needle: [UInt8], in bytes: UnsafeRawBufferPointer) -> Int? {
    guard let first = needle.first else { return nil }
    var offset = 0
    while bytes.count - offset >= needle.count, let base = bytes.baseAddress {
      let starts = bytes.count - needle.count - offset + 1
      guard let hit = memchr(base + offset, Int32(first), starts) else { return nil }
      offset = UnsafeRawPointer(hit) - base
      if bytes[offset..<offset + needle.count].elementsEqual(needle) { return offset }
      offset += 1
    }
    return nil
  }
}
