/// Tokens that are found in the text before anything else: the leftmost, and of several that begin there the longest.

struct AddedToken: Sendable, Equatable {
  var content: [UInt8]
  var id: Int32
  var isSpecial = false
  /// Looked for in the normalised text, else in the text as it comes.
  var isNormalized = false
  /// Takes the white space before it, or after it.
  var stripsLeft = false
  var stripsRight = false
  /// Only where no letter, digit or the like touches it.
  var isSingleWord = false

  /// The text that is looked for, and into which the token decodes.
  func found(after normalizer: [NormalizerStep]) -> [UInt8] {
    guard isNormalized, !normalizer.isEmpty else { return content }
    var text: [UInt8] = []
    var stream = NormalizerStream(normalizer)
    content.withUnsafeBufferPointer { content in
      stream.feed(content, ends: true) { bytes, _ in text.append(contentsOf: bytes) }
    }
    return text
  }
}

/// Finds added tokens in a stream of text.
struct AddedTokens: Sendable {
  private let tokens: [AddedToken]
  /// From (node, byte) to the next node; a trie whose root is node 0.
  private var trie = MergeTable()
  /// Per node, the token that ends there; negative if none does.
  private var ends: [Int32] = [-1]
  /// Whether a token begins with this byte.
  private var firsts = [Bool](repeating: false, count: 256)
  /// Whether a token begins with these two; a token of one byte begins with that and any other.
  private var pairs = [Bool](repeating: false, count: 1 << 16)
  private let stripsLeft: Bool
  private let looksBack: Bool

  static let longest = 1_024

  /// Nil if there are none.
  init?(_ tokens: [AddedToken]) {
    guard !tokens.isEmpty else { return nil }
    self.tokens = tokens
    stripsLeft = tokens.contains(where: \.stripsLeft)
    looksBack = stripsLeft || tokens.contains(where: \.isSingleWord)
    for (index, token) in tokens.enumerated() {
      var node: Int32 = 0
      for byte in token.content {
        let next = trie.merge(left: node, right: Int32(byte))
        if next != MergeTable.none {
          node = Int32(truncatingIfNeeded: next)
        } else {
          let new = Int32(ends.count)
          ends.append(-1)
          trie.insert(left: node, right: Int32(byte), rank: 0, merged: new)
          node = new
        }
      }
      ends[Int(node)] = Int32(index)
      guard let first = token.content.first else { continue }
      firsts[Int(first)] = true
      for second in 0..<256 where token.content.count == 1 || Int(token.content[1]) == second {
        pairs[Int(first) << 8 | second] = true
      }
    }
  }

  enum Event {
    /// Text between tokens; `ends` if it goes no further.
    case text(Range<Int>, ends: Bool)
    case token(Int32)
  }

  /// What a search remembers from one buffer to the next, in places of the next buffer.
  struct State: Sendable {
    /// Where the search goes on.
    var position = 0
    /// Text from here on has not been given out.
    var start = 0
    /// Part of a text has been given out that has not ended.
    var isOpen = false
    /// Whether what comes before the buffer ends in a letter, digit or the like.
    var followsWord = false
  }

  private enum Found {
    case nothing, undecided
    case token(Int, end: Int)
  }

  /// Appends what is found; returns how many bytes are done with.
  ///
  /// - Parameter skippingSpecial: special tokens are text. They are found all the same, so that no other token is within them.
  func find(
    _ bytes: UnsafeBufferPointer<UInt8>, isFinal: Bool, skippingSpecial: Bool, _ state: inout State,
    into events: inout [Event]
  ) -> Int {
    firsts.withUnsafeBufferPointer { firsts in
      search: while state.position < bytes.count {
        let at = state.position
        guard firsts[Int(bytes[at])] else {
          state.position += 1
          continue
        }
        switch longest(bytes, at, isFinal) {
        case .nothing: state.position += 1
        case .undecided: break search
        case .token(let index, let end) where skippingSpecial && tokens[index].isSpecial: state.position = end
        case .token(let index, let end):
          guard take(tokens[index], at, end, bytes, isFinal, &state, into: &events) else { break search }
        }
      }
    }
    var limit = max(state.start, state.position)
    if isFinal {
      limit = bytes.count
    } else if looksBack {
      // Whole characters only, since a token looks at the one before it.
      limit = max(state.start, min(limit, bytes.count - CharacterReader.incompleteTail(bytes)))
      if stripsLeft { limit = spaceStart(bytes, before: limit, notBefore: state.start) }
    }
    if limit > state.start || isFinal && state.isOpen {
      events.append(.text(min(state.start, limit)..<limit, ends: isFinal))
      state.isOpen = !isFinal
      state.start = max(state.start, limit)
    }
    let done = isFinal ? bytes.count : min(state.start, state.position)
    if isFinal {
      state = State()
    } else {
      if done > 0 { state.followsWord = isWord(bytes, before: done) }
      state.start -= done
      state.position -= done
    }
    return done
  }

  private func longest(_ bytes: UnsafeBufferPointer<UInt8>, _ at: Int, _ isFinal: Bool) -> Found {
    if at + 1 < bytes.count, !pairs[Int(bytes[at]) << 8 | Int(bytes[at + 1])] { return .nothing }
    return trie.withView { trie in
      var found = Found.nothing
      var node: Int32 = 0
      var position = at
      while position < bytes.count {
        let next = trie.merge(node, Int32(bytes[position]))
        guard next != MergeTable.none else { return found }
        node = Int32(truncatingIfNeeded: next)
        position += 1
        if ends[Int(node)] >= 0 { found = .token(Int(ends[Int(node)]), end: position) }
      }
      // The end of what is there: a longer one may come, if the trie goes on.
      if isFinal { return found }
      if (0..<256).allSatisfy({ trie.merge(node, Int32($0)) == MergeTable.none }) { return found }
      return .undecided
    }
  }

  /// Gives out a token and the text before it; false if later bytes decide about it.
  private func take(
    _ token: AddedToken, _ at: Int, _ end: Int, _ bytes: UnsafeBufferPointer<UInt8>, _ isFinal: Bool,
    _ state: inout State, into events: inout [Event]
  ) -> Bool {
    if token.isSingleWord {
      if end == bytes.count || CharacterReader.incompleteTail(bytes) >= bytes.count - end, !isFinal {
        return false
      }
      let isAfterWord = at == 0 ? state.followsWord : isWord(bytes, before: at)
      if isAfterWord
        || end < bytes.count && PatternSet.isRustWord(CharacterReader.next(bytes, at: end).scalar)
      {
        state.position = end
        return true
      }
    }
    var stop = end
    if token.stripsRight {
      while stop < bytes.count {
        let (scalar, length) = CharacterReader.next(bytes, at: stop)
        guard CharacterClasses.isSpace(scalar) else { break }
        stop += length
      }
      if !isFinal, stop == bytes.count || CharacterReader.incompleteTail(bytes) >= bytes.count - stop {
        return false
      }
    }
    let start = token.stripsLeft ? spaceStart(bytes, before: at, notBefore: state.start) : at
    if start > state.start || state.isOpen {
      events.append(.text(min(state.start, start)..<start, ends: true))
      state.isOpen = false
    }
    // What the token before took leaves nothing of this one.
    if start < stop { events.append(.token(token.id)) }
    state.start = stop
    state.position = end
    return true
  }

  private func isWord(_ bytes: UnsafeBufferPointer<UInt8>, before end: Int) -> Bool {
    PatternSet.isRustWord(CharacterReader.next(bytes, at: CharacterReader.start(bytes, before: end)).scalar)
  }

  /// Where the white space that ends at `end` begins.
  private func spaceStart(_ bytes: UnsafeBufferPointer<UInt8>, before end: Int, notBefore first: Int) -> Int {
    var position = end
    while position > first {
      let start = CharacterReader.start(bytes, before: position)
      guard CharacterClasses.isSpace(CharacterReader.next(bytes, at: start).scalar) else { break }
      position = start
    }
    return max(position, first)
  }
}
