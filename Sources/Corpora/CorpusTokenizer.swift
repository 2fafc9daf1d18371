// How text becomes token ids: the door through which tokenizers come in.

/// Turns text into token ids for a corpus.
public protocol CorpusTokenizer: Sendable {
  /// What the header calls it: `bytes`, or the name of its file.
  var name: String { get }
  /// The SHA-256 of its file in hexadecimal; nil where there is none.
  var sha256: String? { get }
  /// Ids are below this.
  var vocabularySize: Int { get }
  /// A token appended to every document, if the vocabulary has one for its end; default nil.
  var endOfDocument: UInt32? { get }

  /// Appends the ids of `text`, which may be invalid UTF-8, to `tokens`.
  func encode(_ text: [UInt8], into tokens: inout [UInt32]) throws

  /// The length of the longest prefix of `text` that can be encoded on its own, apart from
  /// whatever follows; 0 if there is none. Long documents are encoded in such pieces.
  ///
  /// The default cuts after the last line break that stands between two letters or signs.
  func boundary(in text: [UInt8]) -> Int
}

extension CorpusTokenizer {
  public var endOfDocument: UInt32? { nil }

  public func boundary(in text: [UInt8]) -> Int {
    var i = text.count - 1
    while i > 1 {
      if text[i - 1] == 0x0A, text[i] > 0x20, text[i - 2] > 0x20 { return i }
      i -= 1
    }
    return 0
  }
}

/// Every byte is its own token.
public struct ByteTokens: CorpusTokenizer {
  public init() {}

  public var name: String { "bytes" }
  public var sha256: String? { nil }
  public var vocabularySize: Int { 256 }

  public func encode(_ text: [UInt8], into tokens: inout [UInt32]) {
    tokens.append(contentsOf: text.lazy.map(UInt32.init))
  }

  public func boundary(in text: [UInt8]) -> Int { text.count }
}
