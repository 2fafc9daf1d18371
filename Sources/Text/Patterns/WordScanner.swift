/// Where the words of the best-known patterns end, found by hand-written scanners in place of the matcher.
///
/// Every character belongs to some word in these patterns, so a scanner only says where the one that begins here
/// ends. Each is tested to agree with ``Pattern``.

package enum WordScanner: Sendable {
  case gpt2
  /// The digits of a word are at most so many; the first one-character prefix, the contractions in either case and
  /// the line breaks are those of cl100k, Llama 3 and Qwen 2.
  case cl100k(digits: Int)

  /// The answer if later bytes decide.
  package static let undecided = -1

  package static let gpt2Pattern =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
  package static func cl100kPattern(digits: String) -> String {
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"# + digits
      + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }

  /// The scanner of a pattern, if there is one.
  package init?(pattern: String) {
    switch pattern {
    case Self.gpt2Pattern, #"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#:
      self = .gpt2
    case Self.cl100kPattern(digits: "{1,3}"): self = .cl100k(digits: 3)
    case Self.cl100kPattern(digits: ""): self = .cl100k(digits: 1)
    default: return nil
    }
  }

  /// The end of the word that begins at `start`, which must lie before the end of the bytes.
  @inline(__always)
  func end(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, isFinal: Bool, _ table: UnsafePointer<UInt8>)
    -> Int
  {
    let text = ClassedText(bytes: bytes, isFinal: isFinal, table: table)
    switch self {
    case .gpt2: return Self.gpt2(text, start)
    case .cl100k(let digits): return Self.cl100k(text, start, digits)
    }
  }

  package func end(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, isFinal: Bool) -> Int {
    end(bytes, start, isFinal: isFinal, CharacterClasses.table)
  }

  @inline(__always)
  private static func gpt2(_ text: ClassedText, _ start: Int) -> Int {
    var position = start
    guard var (kind, length) = text.kind(at: position) else { return undecided }
    let first = text.bytes[position]
    if first == 0x27 {
      let end = contraction(text, position, foldsCase: false)
      if end != position { return end }
    }
    if first == 0x20 {
      guard let next = text.kind(at: position + 1) else {
        return text.isEnd(position + 1) ? position + 1 : undecided
      }
      if next.kind == CharacterClasses.Kind.space { return spaces(text, start) }
      position += 1
      (kind, length) = next
    } else if kind == CharacterClasses.Kind.space {
      return spaces(text, start)
    }
    return text.run(of: kind, from: position + length)
  }

  /// `\s+(?!\S)|\s+`: all white space, but its last character if something follows and it is not the only one.
  private static func spaces(_ text: ClassedText, _ start: Int) -> Int {
    var position = start
    var last = start
    while true {
      guard let (kind, length) = text.kind(at: position) else {
        return text.isEnd(position) ? position : undecided
      }
      if kind != CharacterClasses.Kind.space { break }
      last = position
      position += length
    }
    return last == start ? position : last
  }

  /// `'s|'t|'re|'ve|'m|'ll|'d` at an apostrophe: its end, or `start` if there is none.
  private static func contraction(_ text: ClassedText, _ start: Int, foldsCase: Bool) -> Int {
    func letter(_ position: Int) -> UInt8? {
      guard position < text.bytes.count else { return nil }
      let byte = text.bytes[position]
      return foldsCase && byte < 0x80 ? byte | 0x20 : byte
    }
    guard let first = letter(start + 1) else { return text.isFinal ? start : undecided }
    switch first {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return start + 2
    case UInt8(ascii: "r"), UInt8(ascii: "v"), UInt8(ascii: "l"):
      guard let second = letter(start + 2) else { return text.isFinal ? start : undecided }
      return second == (first == UInt8(ascii: "l") ? first : UInt8(ascii: "e")) ? start + 3 : start
    case 0xC5 where foldsCase:
      // U+017F, the long s, is an s in lower case.
      guard let second = letter(start + 2) else { return text.isFinal ? start : undecided }
      return second == 0xBF ? start + 3 : start
    default: return start
    }
  }

  @inline(__always)
  private static func cl100k(_ text: ClassedText, _ start: Int, _ digits: Int) -> Int {
    guard let (kind, length) = text.kind(at: start) else { return undecided }
    let first = text.bytes[start]
    let isBreak = first == 0x0A || first == 0x0D
    if kind == CharacterClasses.Kind.letter { return text.run(of: kind, from: start + length) }
    if first == 0x27 {
      let end = contraction(text, start, foldsCase: true)
      if end != start { return end }
    }
    if kind == CharacterClasses.Kind.number {
      var position = start + length
      for _ in 1..<max(2, digits) where digits > 1 {
        guard let next = text.kind(at: position) else { return text.isEnd(position) ? position : undecided }
        guard next.kind == kind else { break }
        position += next.length
      }
      return position
    }
    let next = text.kind(at: start + length)
    if next == nil, !text.isEnd(start + length) { return undecided }
    if !isBreak, let next, next.kind == CharacterClasses.Kind.letter {
      return text.run(of: next.kind, from: start + length + next.length)
    }
    // Signs, perhaps after a space, with the line breaks that follow them.
    var signs = start
    if first == 0x20, let next, next.kind == CharacterClasses.Kind.other { signs += 1 }
    if signs > start || kind == CharacterClasses.Kind.other {
      let end = text.run(of: CharacterClasses.Kind.other, from: signs)
      return end == undecided ? end : text.breaks(from: end)
    }
    return lineBreaks(text, start)
  }

  /// `\s*[\r\n]+|\s+(?!\S)|\s+`
  private static func lineBreaks(_ text: ClassedText, _ start: Int) -> Int {
    var position = start
    var last = start
    var afterBreak = start
    while true {
      guard let (kind, length) = text.kind(at: position) else {
        guard text.isEnd(position) else { return undecided }
        last = position
        break
      }
      if kind != CharacterClasses.Kind.space { break }
      last = position
      position += length
      if text.bytes[last] == 0x0A || text.bytes[last] == 0x0D { afterBreak = position }
    }
    if afterBreak > start { return afterBreak }
    return last == start ? position : last
  }
}

/// Bytes with the kind of each character, and whether they are all there will be.
struct ClassedText {
  let bytes: UnsafeBufferPointer<UInt8>
  let isFinal: Bool
  let table: UnsafePointer<UInt8>

  /// Whether the text ends here for good.
  @inline(__always)
  func isEnd(_ position: Int) -> Bool { isFinal && position >= bytes.count }

  /// Nil at the end, or within a character whose rest may still come.
  @inline(__always)
  func kind(at position: Int) -> (kind: UInt8, length: Int)? {
    guard position < bytes.count else { return nil }
    let first = bytes[position]
    if first < 0x80 { return (table[Int(first)] >> 5, 1) }
    return longKind(at: position)
  }

  @inline(never)
  private func longKind(at position: Int) -> (kind: UInt8, length: Int)? {
    let (scalar, length) = CharacterReader.next(bytes, at: position)
    if scalar >= CharacterReader.invalid, !isFinal, position + 3 >= bytes.count {
      let rest = UnsafeBufferPointer(rebasing: bytes[position...])
      if CharacterReader.incompleteTail(rest) == rest.count { return nil }
    }
    guard scalar < CharacterClasses.tableEnd else { return (CharacterClasses.kind(scalar), length) }
    return (table[Int(scalar)] >> 5, length)
  }

  /// The end of the characters of one kind.
  @inline(__always)
  func run(of wanted: UInt8, from start: Int) -> Int {
    var position = start
    while true {
      guard let (kind, length) = kind(at: position) else {
        return isEnd(position) ? position : WordScanner.undecided
      }
      if kind != wanted { return position }
      position += length
    }
  }

  /// The end of the line breaks.
  func breaks(from start: Int) -> Int {
    var position = start
    while position < bytes.count, bytes[position] == 0x0A || bytes[position] == 0x0D { position += 1 }
    return position < bytes.count || isFinal ? position : WordScanner.undecided
  }
}
