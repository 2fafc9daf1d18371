/// How SentencePiece writes a text before it divides it: characters replaced, white space as ▁ (U+2581), a ▁ in
/// front, superfluous white space left out, each as the model says.

import RunnelFiles

struct SentencePieceNormalizer: Sendable {
  /// What white space is written as.
  let space: [UInt8]
  let removesExtraWhitespace: Bool
  private let prefixes: Bool
  private let suffixes: Bool
  private let map: CharacterMap?
  /// Strings that pass unchanged.
  private let userDefined: ByteTrie?
  /// For pairs of ASCII characters: whether the first stays as it is before the second.
  private var plain: [Bool]

  init(_ model: SentencePieceModel, userDefined: ByteTrie?, path: String) throws(FileError) {
    space = model.escapesWhitespace ? [0xE2, 0x96, 0x81] : [0x20]
    removesExtraWhitespace = model.removesExtraWhitespace
    prefixes = model.addsDummyPrefix && !model.whitespaceIsSuffix
    suffixes = model.addsDummyPrefix && model.whitespaceIsSuffix
    let map = try CharacterMap(model.characterMap, path: path)
    plain = (0..<128 * 128).map { pair in
      let text = [UInt8(pair >> 7), UInt8(pair & 127)]
      return text.withUnsafeBufferPointer { text in
        let own = userDefined?.longest(in: text, from: 0) ?? ByteTrie.Match()
        guard own.value < 0 && !own.isOpen else { return false }
        guard let map else { return true }
        let match = map.longest(in: text, from: 0)
        return !match.isOpen && match.length <= 1
          && (match.length == 0 || map[match].elementsEqual(text[..<1]))
      }
    }
    (self.map, self.userDefined) = (map, userDefined)
  }

  /// Where a stream stands in its document.
  struct State: Sendable {
    /// Something other than white space has come.
    var hasBegun = false
    var followsSpace = false
  }

  /// Appends what the bytes are written as, as far as no later byte can change it.
  ///
  /// Each byte that is not part of a UTF-8 character becomes U+FFFD.
  ///
  /// - Returns: how many of the bytes that was.
  func normalize(
    _ bytes: UnsafeBufferPointer<UInt8>, isEnd: Bool, state: inout State, into text: inout [UInt8]
  ) -> Int {
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      if index + 1 < bytes.count, isPlain(byte, bytes[index + 1]) {
        if byte == 0x20 {
          put(CollectionOfOne(byte), &state, &text)
        } else {
          if !state.hasBegun { begin(&state, &text) }
          let start = index
          repeat { index += 1 } while index + 1 < bytes.count && isPlainLetter(bytes[index], bytes[index + 1])
          text.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[start..<index]))
          state.followsSpace = false
          continue
        }
        index += 1
        continue
      }
      if let userDefined {
        let match = userDefined.longest(in: bytes, from: index)
        if match.isOpen && !isEnd { return index }
        if match.value >= 0 {
          put(bytes[index..<index + match.length], &state, &text)
          index += match.length
          continue
        }
      }
      if let map {
        let match = map.longest(in: bytes, from: index)
        if match.isOpen && !isEnd { return index }
        if match.length > 0 {
          put(map[match], &state, &text)
          index += match.length
          continue
        }
      }
      switch Self.characterLength(bytes, index) {
      case .whole(let length):
        put(bytes[index..<index + length], &state, &text)
        index += length
      case .cut where !isEnd: return index
      case .cut, .none:
        put([0xEF, 0xBF, 0xBD], &state, &text)
        index += 1
      }
    }
    return index
  }

  @inline(__always)
  private func isPlain(_ byte: UInt8, _ next: UInt8) -> Bool {
    (byte | next) < 0x80 && plain[Int(byte) << 7 | Int(next)]
  }
  @inline(__always)
  private func isPlainLetter(_ byte: UInt8, _ next: UInt8) -> Bool { byte != 0x20 && isPlain(byte, next) }

  /// Ends the document: white space at the end goes, and the ▁ comes that some models have there.
  func finish(_ state: inout State, into text: inout [UInt8]) {
    if removesExtraWhitespace {
      while text.count >= space.count && text.suffix(space.count).elementsEqual(space) {
        text.removeLast(space.count)
      }
    }
    if suffixes && state.hasBegun { text += space }
    state = State()
  }

  private func begin(_ state: inout State, _ text: inout [UInt8]) {
    state.hasBegun = true
    state.followsSpace = removesExtraWhitespace
    if prefixes { text += space }
  }

  /// Appends what one string of characters is written as, white space still in it.
  @inline(__always)
  private func put(_ characters: some Collection<UInt8>, _ state: inout State, _ text: inout [UInt8]) {
    if !state.hasBegun {
      if removesExtraWhitespace && characters.elementsEqual(CollectionOfOne(0x20)) { return }
      begin(&state, &text)
    }
    if characters.first != 0x20 && characters.count <= 4 && !characters.contains(0x20) {
      text.append(contentsOf: characters)
      if !characters.isEmpty { state.followsSpace = false }
      return
    }
    var isSkipping = state.followsSpace
    for byte in characters {
      if byte == 0x20 {
        if isSkipping { continue }
        text += space
      } else {
        text.append(byte)
      }
      isSkipping = false
      state.followsSpace = removesExtraWhitespace && byte == 0x20
    }
  }

  private enum Length {
    case whole(Int)
    case cut, none
  }

  /// The length of the UTF-8 character at a place; `cut` if the bytes end within what may be one.
  private static func characterLength(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int) -> Length {
    let first = bytes[index]
    guard first >= 0x80 else { return .whole(1) }
    guard first >= 0xC2 && first <= 0xF4 else { return .none }
    let length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
    let second: ClosedRange<UInt8> =
      switch first {
      case 0xE0: 0xA0...0xBF
      case 0xED: 0x80...0x9F
      case 0xF0: 0x90...0xBF
      case 0xF4: 0x80...0x8F
      default: 0x80...0xBF
      }
    for offset in 1..<length {
      guard index + offset < bytes.count else { return .cut }
      let allowed = offset == 1 ? second : 0x80...0xBF
      guard allowed.contains(bytes[index + offset]) else { return .none }
    }
    return .whole(length)
  }
}
