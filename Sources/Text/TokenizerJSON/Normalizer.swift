/// What becomes of the text before it is cut into words: one step after the other, each on bytes as they come.

enum NormalizerStep: Sendable {
  case form(NormalForm)
  /// Before each text that is not empty.
  case prepend([UInt8])
  case replaceLiteral([UInt8], with: [UInt8])
  case replace(Pattern, with: [UInt8])
  case lowercase
  case strip(left: Bool, right: Bool)
  /// What becomes of characters of some sets; the first set that has one counts.
  case characters([(PatternSet, CharacterEffect)])
  /// Each byte becomes the character that stands for it.
  case spellBytes
}

enum CharacterEffect: Sendable {
  case removed
  case space
  case betweenSpaces
}

/// A chain of steps within one stretch of text.
struct NormalizerStream: Sendable {
  private let steps: [NormalizerStep]
  private var held: [HeldBytes]
  private var hasBegun: [Bool]
  /// Something before the first byte that is left has been dropped.
  private var hasDropped = false
  /// How many of the bytes held are done with, and matter only to what comes behind them.
  private var context: [Int]
  private var buffers: [[UInt8]]

  init(_ steps: [NormalizerStep]) {
    self.steps = steps
    held = Array(repeating: HeldBytes(), count: steps.count)
    hasBegun = Array(repeating: false, count: steps.count)
    context = Array(repeating: 0, count: steps.count)
    buffers = Array(repeating: [], count: steps.count)
  }

  /// Calls `body` with what of the text is normalised, and whether the text once had a beginning that is not there;
  /// after the end another stretch may follow.
  mutating func feed(
    _ bytes: UnsafeBufferPointer<UInt8>, ends: Bool, _ body: (UnsafeBufferPointer<UInt8>, Bool) -> Void
  ) {
    feed(0, bytes, ends, body)
    if ends { hasDropped = false }
  }

  private mutating func feed(
    _ index: Int, _ bytes: UnsafeBufferPointer<UInt8>, _ ends: Bool,
    _ body: (UnsafeBufferPointer<UInt8>, Bool) -> Void
  ) {
    guard index < steps.count else { return body(bytes, hasDropped) }
    var text: [UInt8] = []
    swap(&text, &buffers[index])
    text.removeAll(keepingCapacity: text.capacity <= 1 << 20)
    var stage = HeldBytes()
    swap(&stage, &held[index])
    stage.take(bytes, isFinal: ends) { apply(index, $0, ends, into: &text) }
    swap(&stage, &held[index])
    if !text.isEmpty { hasBegun[index] = true }
    if ends { hasBegun[index] = false }
    text.withUnsafeBufferPointer { feed(index + 1, $0, ends, body) }
    swap(&text, &buffers[index])
  }

  /// Returns how many bytes are done with.
  private mutating func apply(
    _ index: Int, _ bytes: UnsafeBufferPointer<UInt8>, _ ends: Bool, into text: inout [UInt8]
  ) -> Int {
    switch steps[index] {
    case .form(let form): return form.apply(bytes, isFinal: ends, into: &text)
    case .prepend(let prefix):
      if !hasBegun[index], !bytes.isEmpty {
        hasBegun[index] = true
        text += prefix
      }
      text.append(contentsOf: bytes)
      return bytes.count
    case .replaceLiteral(let wanted, let content):
      if content.isEmpty, !hasBegun[index], bytes.starts(with: wanted) { hasDropped = true }
      return Self.replace(wanted, content, bytes, ends, into: &text)
    case .replace(let pattern, let content):
      var search = PatternSearch(pattern, bytes, isFinal: ends)
      var position = context[index]
      while position < bytes.count {
        let found = search.find(from: position)
        let start = found?.start ?? bytes.count
        text.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[position..<start]))
        position = start
        guard let found, found.end != Pattern.undecided else { break }
        if content.isEmpty, !hasBegun[index], text.isEmpty { hasDropped = true }
        text += content
        position = found.end
      }
      let kept = ends ? bytes.count : pattern.context(of: position, in: bytes)
      context[index] = position - kept
      return kept
    case .lowercase:
      let end = ends ? bytes.count : bytes.count - CharacterReader.incompleteTail(bytes)
      Self.lowercase(UnsafeBufferPointer(rebasing: bytes[..<end]), into: &text)
      return end
    case .strip(let left, let right):
      return strip(index, left, right, bytes, ends, into: &text)
    case .characters(let rules):
      let end = ends ? bytes.count : bytes.count - CharacterReader.incompleteTail(bytes)
      var position = 0
      while position < end {
        let (scalar, length) = CharacterReader.next(bytes, at: position)
        let character = UnsafeBufferPointer(rebasing: bytes[position..<position + length])
        switch rules.first(where: { $0.0.contains(scalar) })?.1 {
        case .removed: if !hasBegun[index], text.isEmpty { hasDropped = true }
        case .space: text.append(0x20)
        case .betweenSpaces: text += [0x20] + character + [0x20]
        case nil: text.append(contentsOf: character)
        }
        position += length
      }
      return end
    case .spellBytes:
      for byte in bytes { text += ByteSpelling.scalars[Int(byte)].utf8 }
      return bytes.count
    }
  }

  private static func replace(
    _ wanted: [UInt8], _ content: [UInt8], _ bytes: UnsafeBufferPointer<UInt8>, _ ends: Bool,
    into text: inout [UInt8]
  ) -> Int {
    var copied = 0
    var position = 0
    while position < bytes.count {
      guard bytes[position] == wanted[0] else {
        position += 1
        continue
      }
      let count = min(wanted.count, bytes.count - position)
      guard (0..<count).allSatisfy({ wanted[$0] == bytes[position + $0] }) else {
        position += 1
        continue
      }
      if count < wanted.count {
        // Only its beginning is there.
        if !ends { break }
        position += 1
        continue
      }
      text.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[copied..<position]))
      text += content
      position += count
      copied = position
    }
    text.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[copied..<position]))
    return position
  }

  /// Cases are of Unicode 17 in the original, unlike its categories.
  private static func lowercase(_ bytes: UnsafeBufferPointer<UInt8>, into text: inout [UInt8]) {
    var position = 0
    while position < bytes.count {
      let (value, length) = CharacterReader.next(bytes, at: position)
      if value < 0x80 {
        text.append((0x41...0x5A).contains(value) ? UInt8(value) | 0x20 : UInt8(value))
      } else if let scalar = Unicode.Scalar(value), CharacterClasses.isKnown(scalar.properties, in: (17, 0)) {
        text += scalar.properties.lowercaseMapping.utf8
      } else {
        text.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[position..<position + length]))
      }
      position += length
    }
  }

  private mutating func strip(
    _ index: Int, _ left: Bool, _ right: Bool, _ bytes: UnsafeBufferPointer<UInt8>, _ ends: Bool,
    into text: inout [UInt8]
  ) -> Int {
    let whole = ends ? bytes.count : bytes.count - CharacterReader.incompleteTail(bytes)
    var start = 0
    if left, !hasBegun[index] {
      while start < whole {
        let (scalar, length) = CharacterReader.next(bytes, at: start)
        guard CharacterClasses.isSpace(scalar) else {
          hasBegun[index] = true
          break
        }
        start += length
        hasDropped = true
      }
    }
    var end = whole
    while right, end > start {
      let last = CharacterReader.start(bytes, before: end)
      guard CharacterClasses.isSpace(CharacterReader.next(bytes, at: last).scalar) else { break }
      end = last
    }
    text.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[start..<end]))
    return ends ? bytes.count : end
  }
}
