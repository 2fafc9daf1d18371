/// Every byte is a token, its own value the id: nothing to train, nothing to store, any data at all.
public struct ByteTokenizer: Tokenizer {
  /// Bytes without template or special tokens.
  public init() {}
  public var name: String { "bytes" }
  public var file: TokenizerFile? { nil }
  public var vocabularySize: Int { 256 }
  public var template = TokenTemplate()

  /// A byte is called by its two hexadecimal digits, as in `<0x0A>`.
  public func id(of token: String) -> Int32? {
    guard token.utf8.count == 6, token.hasPrefix("<0x"), token.hasSuffix(">") else { return nil }
    return UInt8(token.dropFirst(3).dropLast(), radix: 16).map(Int32.init)
  }
  public func token(of id: Int32) -> String? {
    UInt8(exactly: id).map { ($0 < 16 ? "<0x0" : "<0x") + String($0, radix: 16, uppercase: true) + ">" }
  }

  public func encoder() -> Encoder { Encoder() }
  public func decoder(continuing: Bool) -> Decoder { Decoder() }

  public struct Encoder: TokenEncoder {
    public func feed(_ bytes: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
      ids.append(contentsOf: bytes.lazy.map(Int32.init))
    }
    public func finish(into ids: inout [Int32]) {}
  }
  public struct Decoder: TokenDecoder {
    public func feed(_ id: Int32, into bytes: inout [UInt8]) {
      if let byte = UInt8(exactly: id) { bytes.append(byte) }
    }
    public func finish(into bytes: inout [UInt8]) {}
  }
}
