/// How text is cut into words, none of which merges with another: the steps that files list.

enum PreTokenizerStep: Sendable {
  /// Into the words of a well-known pattern.
  case words(WordScanner)
  case split(Pattern, SplitBehavior, isInverted: Bool)
  /// A space before each piece that does not begin with one.
  case spacePrefix
  /// Each byte becomes the character that stands for it.
  case spellBytes
  /// Spaces become a sign, which is also put before a piece that does not begin with it.
  case metaspace([UInt8], PrependScheme)
  /// Where the script changes.
  case scripts
  /// Into pieces of so many characters.
  case lengths(Int)
  /// Before a character, after some that no token joins to it. It changes no id; it lets text without words stream.
  case cut(before: UInt32, after: Set<UInt32>)
}

/// What becomes of the matches of a pattern and of what lies between them.
enum SplitBehavior: String, Sendable, CaseIterable {
  case removed = "Removed"
  case isolated = "Isolated"
  case mergedWithPrevious = "MergedWithPrevious"
  case mergedWithNext = "MergedWithNext"
  case contiguous = "Contiguous"

  /// Whether a piece ends between two items, given which of them are matches.
  func divides(_ previous: Bool, _ next: Bool) -> Bool {
    switch self {
    case .removed, .isolated: true
    case .mergedWithPrevious: !(next && !previous)
    case .mergedWithNext: !(previous && !next)
    case .contiguous: previous != next
    }
  }
}

enum PrependScheme: String, Sendable, CaseIterable { case always, first, never }

/// The characters that stand for bytes in the vocabularies of GPT-2 and its followers: printable Latin-1 for itself,
/// the rest moved to U+0100 and above in their order.
enum ByteSpelling {
  static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (UInt32(0)..<256).map { byte in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(UInt8(byte))
      default:
        next += 1
        return Unicode.Scalar(next - 1) ?? "\u{FFFD}"
      }
    }
  }()

  /// The bytes in the order of their characters.
  static let bytesInOrder: [UInt8] = (0...255).sorted { scalars[Int($0)] < scalars[Int($1)] }

  /// How a vocabulary spells a byte.
  static func text(_ byte: UInt8) -> String { String(Character(scalars[Int(byte)])) }

  /// Per character below U+0144, the byte; −1 if it stands for none.
  private static let bytes: [Int16] = {
    var bytes = [Int16](repeating: -1, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = Int16(byte) }
    return bytes
  }()

  static func byte(_ scalar: UInt32) -> UInt8? {
    guard scalar < bytes.count, bytes[Int(scalar)] >= 0 else { return nil }
    return UInt8(bytes[Int(scalar)])
  }

  /// The bytes that a token spells; nil if some character of it stands for none.
  static func bytes(of token: some Collection<UInt8>) -> [UInt8]? {
    ContiguousArray(token).withUnsafeBufferPointer { token in
      var bytes: [UInt8] = []
      bytes.reserveCapacity(token.count)
      var position = 0
      while position < token.count {
        let (scalar, length) = CharacterReader.next(token, at: position)
        guard let byte = byte(scalar) else { return nil }
        bytes.append(byte)
        position += length
      }
      return bytes
    }
  }
}
