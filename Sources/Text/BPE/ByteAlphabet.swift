/// The characters that stand for bytes in the vocabularies of byte-level tokenizers (Radford et al. 2019).
///
/// Printable characters of Latin-1 stand for themselves; the 68 other bytes are, in order, U+0100 and on. So
/// every token is printable text, and a space is `Ġ`.

package enum ByteAlphabet {
  package static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (0..<256).map { byte in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(UInt8(byte))
      default:
        defer { next += 1 }
        return Unicode.Scalar(next) ?? "\u{FFFD}"
      }
    }
  }()

  /// The bytes in the order of their characters.
  package static let bytesInOrder: [UInt8] = (0...255).sorted { scalars[Int($0)] < scalars[Int($1)] }

  package static func text(_ bytes: some Sequence<UInt8>) -> String {
    var text = ""
    for byte in bytes { text.unicodeScalars.append(scalars[Int(byte)]) }
    return text
  }
}
