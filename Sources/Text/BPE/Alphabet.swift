/// The symbols that a word is before anything merges: one for each byte, or one for each character.

package struct Alphabet: Sendable {
  /// Per byte, the symbol; negative if it has none.
  private var bytes: [Int32] = []
  /// Per character (a page of 256 at a time), the symbol; negative if it has none.
  private var pages: [Int32: [Int32]] = [:]
  /// Per ASCII character: what most texts need.
  private var ascii: [Int32] = []
  private var byteFallback: [Int32] = []
  private var unknown: Int32?
  private var fusesUnknown = false
  /// What the last character of a word is followed by in the vocabulary, and the symbols of such; none where words have no
  /// end of their own.
  private var wordEnd: [UInt8] = []
  private var lasts: [UInt32: Int32] = [:]
  private let isOfBytes: Bool

  /// Words of bytes.
  ///
  /// - Parameter bytes: the symbols of the 256 bytes; a byte whose symbol is negative is passed over, unless
  ///   there is one for what is unknown.
  package init(bytes: [Int32], unknown: Int32? = nil, fusesUnknown: Bool = false) {
    precondition(bytes.count == 256, "Alphabet: \(bytes.count) symbols for 256 bytes")
    (self.bytes, self.unknown, self.fusesUnknown) = (bytes, unknown, fusesUnknown)
    isOfBytes = true
  }

  /// Words of UTF-8 characters.
  ///
  /// A byte that belongs to no character is one by itself, which no vocabulary has.
  ///
  /// - Parameters:
  ///   - byteFallback: the symbols of the 256 bytes that spell a character without its own; empty if there are
  ///     none. A character of which some byte has a negative one counts as unknown.
  ///   - unknown: the symbol of any other character; nil passes over them.
  ///   - fusesUnknown: unknown characters in a row are one symbol.
  ///   - wordEnd: follows the last character of every word; empty for nothing.
  ///   - lasts: the symbols of characters with it.
  package init(
    characters: some Sequence<(Unicode.Scalar, Int32)>, byteFallback: [Int32] = [], unknown: Int32? = nil,
    fusesUnknown: Bool = false, wordEnd: [UInt8] = [], lasts: [UInt32: Int32] = [:]
  ) {
    precondition(
      byteFallback.isEmpty || byteFallback.count == 256,
      "Alphabet: \(byteFallback.count) symbols for 256 bytes")
    isOfBytes = false
    (self.byteFallback, self.unknown, self.fusesUnknown) = (byteFallback, unknown, fusesUnknown)
    (self.wordEnd, self.lasts) = (wordEnd, lasts)
    ascii = Array(repeating: -1, count: 128)
    for (character, symbol) in characters {
      if character.value < 128 { ascii[Int(character.value)] = symbol }
      pages[Int32(character.value >> 8), default: Array(repeating: -1, count: 256)][
        Int(character.value & 0xFF)] = symbol
    }
  }

  /// Appends the symbols of a word.
  package func append(_ word: UnsafeBufferPointer<UInt8>, to symbols: inout [Int32]) {
    if isOfBytes {
      bytes.withUnsafeBufferPointer { bytes in
        var wasUnknown = false
        for byte in word {
          let symbol = bytes[Int(byte)]
          if symbol >= 0 {
            symbols.append(symbol)
            wasUnknown = false
          } else if let unknown {
            if !(wasUnknown && fusesUnknown) { symbols.append(unknown) }
            wasUnknown = true
          }
        }
      }
    } else {
      appendCharacters(word, to: &symbols)
    }
  }

  private func appendCharacters(_ word: UnsafeBufferPointer<UInt8>, to symbols: inout [Int32]) {
    // An unknown symbol waits for the next known one, as in the original; spelled characters overtake it.
    var isUnknown = false
    var position = 0
    while position < word.count {
      let (scalar, length) = CharacterReader.next(word, at: position)
      let endsWord = !wordEnd.isEmpty && position + length == word.count
      let symbol = endsWord ? lasts[scalar] ?? -1 : self[scalar]
      if symbol >= 0 {
        if isUnknown, let unknown { symbols.append(unknown) }
        isUnknown = false
        symbols.append(symbol)
      } else if !byteFallback.isEmpty,
        case let bytes = word[position..<position + length] + (endsWord ? wordEnd : []),
        bytes.allSatisfy({ byteFallback[Int($0)] >= 0 })
      {
        symbols += bytes.map { byteFallback[Int($0)] }
      } else if let unknown {
        if isUnknown && !fusesUnknown { symbols.append(unknown) }
        isUnknown = true
      }
      position += length
    }
    if isUnknown, let unknown { symbols.append(unknown) }
  }

  private subscript(scalar: UInt32) -> Int32 {
    if scalar < 128 { return ascii[Int(scalar)] }
    return pages[Int32(scalar >> 8)]?[Int(scalar & 0xFF)] ?? -1
  }

  /// The characters that have a symbol.
  package var known: Set<UInt32> {
    var known: Set<UInt32> = []
    for (page, symbols) in pages {
      for (offset, symbol) in symbols.enumerated() where symbol >= 0 {
        known.insert(UInt32(page) << 8 | UInt32(offset))
      }
    }
    return known
  }
}
