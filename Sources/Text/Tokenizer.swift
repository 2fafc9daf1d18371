/// What turns bytes into token ids and back.

public protocol Tokenizer: Sendable {
  /// What headers and configurations call it.
  var name: String { get }
  /// The checksum of the file it came from; nil if it needs none.
  var sha256: String? { get }
  var vocabularySize: Int { get }
  func encode(_ bytes: some Collection<UInt8>) -> [Int32]
  /// The bytes a token stands for: none for an id outside the vocabulary, since models may round theirs up.
  func bytes(of id: Int32) -> [UInt8]
}

extension Tokenizer {
  public func encode(_ text: String) -> [Int32] { encode(Array(text.utf8)) }
  public func decode(_ ids: some Sequence<Int32>) -> [UInt8] { ids.flatMap(bytes(of:)) }
}

/// Every byte is a token, its own value the id: nothing to train, nothing to store, any data at all.
public struct ByteTokenizer: Tokenizer {
  public init() {}
  public var name: String { "bytes" }
  public var sha256: String? { nil }
  public var vocabularySize: Int { 256 }
  public func encode(_ bytes: some Collection<UInt8>) -> [Int32] { bytes.map(Int32.init) }
  public func bytes(of id: Int32) -> [UInt8] { UInt8(exactly: id).map { [$0] } ?? [] }
}
