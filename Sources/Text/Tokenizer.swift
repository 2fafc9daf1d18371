/// What turns bytes into token ids and back, both ways as a stream.

import RunnelFiles

/// A vocabulary and the rules by which text is written in it. A value without state: the streams that it makes
/// have the state.
public protocol Tokenizer: Sendable {
  /// What headers and configurations call it: `bytes`, or the name of its file.
  var name: String { get }
  /// Ids are below it.
  var vocabularySize: Int { get }
  /// The file that it came from, to be kept beside a model or in a corpus; nil if it needs none.
  var file: TokenizerFile? { get }
  /// The id of a token by the name that its file gives it, such as `<|endoftext|>`.
  func id(of token: String) -> Int32?
  /// What its file calls a token; nil for an id outside the vocabulary.
  func token(of id: Int32) -> String?
  /// What its original puts around a document when it is asked for special tokens.
  var template: TokenTemplate { get set }
  /// Whether special tokens that stand in the text are text (`split_special_tokens` of the originals).
  var splitsSpecialTokens: Bool { get set }

  /// The stream from bytes to ids.
  associatedtype Encoder: TokenEncoder
  /// The stream from ids to bytes.
  associatedtype Decoder: TokenDecoder
  /// A stream from bytes to ids, at the start of a document. It owns all that it remembers, so every thread
  /// takes its own.
  func encoder() -> Encoder
  /// A stream from ids to bytes.
  ///
  /// - Parameter continuing: it goes on within a text; some tokenizers begin one with a space that is not there.
  func decoder(continuing: Bool) -> Decoder
}

extension Tokenizer {
  /// Where they never stand in a text.
  public var splitsSpecialTokens: Bool {
    get { false }
    set {}
  }
}

/// A stream from bytes to token ids, one document after the other. How the input is cut does not matter.
public protocol TokenEncoder: Sendable {
  /// Takes bytes of the document; appends the ids that no later byte can change.
  mutating func feed(_ bytes: UnsafeBufferPointer<UInt8>, into ids: inout [Int32])
  /// Ends the document and appends what is left of it; the next one may begin.
  mutating func finish(into ids: inout [Int32])
  /// Appends all that was kept back, as if nothing came behind it, and stays within the document: no token that marks an
  /// end or a beginning. For live text, where the next byte may be long in coming. Ids differ from those of the whole text
  /// where a token would have lain across this place, or a tokenizer begins each text with a space of its own.
  mutating func flush(into ids: inout [Int32])
}

extension TokenEncoder {
  /// Where documents have no marks.
  public mutating func flush(into ids: inout [Int32]) { finish(into: &ids) }
}

/// A stream from token ids to bytes, which need not be whole characters: see ``UTF8Stream``.
public protocol TokenDecoder: Sendable {
  /// Appends the bytes of a token: none for an id outside the vocabulary, since models may round theirs up.
  mutating func feed(_ id: Int32, into bytes: inout [UInt8])
  /// Ends the text and appends what is left of it.
  mutating func finish(into bytes: inout [UInt8])
}

/// The file of a tokenizer, byte for byte.
public struct TokenizerFile: Sendable, Equatable {
  /// The name that readers look for: `tokenizer.json`, `tokenizer.model`, …
  public let name: String
  /// The whole content.
  public let bytes: [UInt8]
  /// Of the bytes, in hexadecimal.
  public let sha256: String

  /// The content of a file in memory; it is not looked at before a tokenizer is made of it.
  public init(name: String, bytes: [UInt8]) {
    (self.name, self.bytes) = (name, bytes)
    sha256 = SHA256.hex(of: bytes)
  }
}

extension Tokenizer {
  /// The SHA-256 of its file in hexadecimal; nil if it needs none.
  public var sha256: String? { file?.sha256 }

  /// A stream from ids to bytes, at the start of a text.
  public func decoder() -> Decoder { decoder(continuing: false) }

  /// The ids of a whole document.
  public func encode(_ bytes: some Collection<UInt8>) -> [Int32] {
    var ids: [Int32] = []
    var encoder = encoder()
    ContiguousArray(bytes).withUnsafeBufferPointer { encoder.feed($0, into: &ids) }
    encoder.finish(into: &ids)
    return ids
  }
  /// The ids of a whole document, its text in UTF-8.
  public func encode(_ text: String) -> [Int32] { encode(text.utf8) }

  /// How many bytes each token stands for within a text, by id.
  public func byteLengths() -> [Int] {
    (0..<Int32(vocabularySize)).map { bytes(of: CollectionOfOne($0)).count }
  }

  /// The bytes of tokens within a text.
  public func bytes(of ids: some Sequence<Int32>) -> [UInt8] {
    var bytes: [UInt8] = []
    var decoder = decoder(continuing: true)
    for id in ids { decoder.feed(id, into: &bytes) }
    decoder.finish(into: &bytes)
    return bytes
  }

  /// The bytes of a whole text.
  public func decode(_ ids: some Sequence<Int32>) -> [UInt8] {
    var bytes: [UInt8] = []
    var decoder = decoder()
    for id in ids { decoder.feed(id, into: &bytes) }
    decoder.finish(into: &bytes)
    return bytes
  }
}
