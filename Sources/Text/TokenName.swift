/// What tokens of bytes are called where their file spells them in base64: their text, or Python's bytes literal where they
/// are none, as in `b'\xe2\x80'`.

import RunnelFiles

enum TokenName {
  static func name(of bytes: some Collection<UInt8>) -> String {
    if let text = String(validating: bytes, as: UTF8.self) { return text }
    return "b'" + bytes.map { "\\x" + hexadecimal(UInt64($0), digits: 2) }.joined() + "'"
  }

  /// The bytes of such a literal.
  static func bytes(ofLiteral name: String) -> [UInt8]? {
    let text = Array(name.utf8)
    guard text.starts(with: #"b'\x"#.utf8), text.last == UInt8(ascii: "'"), (text.count - 3) % 4 == 0 else {
      return nil
    }
    var bytes: [UInt8] = []
    for start in stride(from: 2, to: text.count - 1, by: 4) {
      guard text[start] == UInt8(ascii: "\\"), text[start + 1] == UInt8(ascii: "x"),
        let byte = UInt8(String(decoding: text[start + 2..<start + 4], as: UTF8.self), radix: 16)
      else { return nil }
      bytes.append(byte)
    }
    return bytes
  }
}
