/// RWKV World's vocabulary as a tokenizer.

import RunnelFiles

/// RWKV World's tokenizer: at every place the longest token of the vocabulary that fits.
///
/// It works on bytes, which are all in the vocabulary, so any input can be written and comes back as it was.
/// Id 0 ends a text and is not in the file. Whether a token is the longest is known as soon as no longer one
/// is possible: at most as many bytes stay back as the longest token has.
public struct RWKVTokenizer: Tokenizer {
  /// What id 0 is called.
  public static let endOfText = "<|endoftext|>"

  public var template = TokenTemplate()
  private let source: TokenizerFile
  private let vocabulary: RWKVVocabulary
  private let trie: ByteTrie

  /// Reads a vocabulary: a line for each token, with its id, its text as Python spells it, and its length in bytes.
  ///
  /// - Parameter path: what errors call the file.
  /// - Throws: ``FileError`` for a line that is not of this form.
  public init(_ file: TokenizerFile, path: String) throws(FileError) {
    let vocabulary = try RWKVVocabulary(file.bytes, path: path)
    let ids = (0..<vocabulary.count).filter { !vocabulary[$0].isEmpty }
    trie = ByteTrie(ids.map { vocabulary[$0] }, values: ids.map { Int32($0) })
    self.vocabulary = vocabulary
    source = file
  }

  public var name: String { source.name }
  public var file: TokenizerFile? { source }
  public var vocabularySize: Int { vocabulary.count }

  /// A token is called by its text, or by Python's bytes literal where it is none, as in `b'\xe2\x80'`.
  public func id(of token: String) -> Int32? {
    if token == Self.endOfText { return 0 }
    func find(_ bytes: [UInt8]) -> Int32? {
      let match = bytes.withUnsafeBufferPointer { trie.longest(in: $0, from: 0) }
      return match.length == bytes.count && match.value >= 0 ? match.value : nil
    }
    return find(Array(token.utf8)) ?? TokenName.bytes(ofLiteral: token).flatMap(find)
  }

  public func token(of id: Int32) -> String? {
    guard id != 0 else { return Self.endOfText }
    guard let index = Int(exactly: id), index > 0, index < vocabulary.count, !vocabulary[index].isEmpty else {
      return nil
    }
    return TokenName.name(of: vocabulary[index])
  }

  public func encoder() -> Encoder { Encoder(trie: trie) }
  public func decoder(continuing: Bool) -> Decoder { Decoder(vocabulary: vocabulary) }

  public struct Encoder: TokenEncoder {
    fileprivate let trie: ByteTrie
    /// The bytes whose token is not certain yet.
    private var pending: [UInt8] = []

    fileprivate init(trie: ByteTrie) { self.trie = trie }

    public mutating func feed(_ bytes: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
      guard !pending.isEmpty else { return encode(bytes, isEnd: false, into: &ids) }
      var joined: [UInt8] = []
      swap(&joined, &pending)
      joined.append(contentsOf: bytes)
      joined.withUnsafeBufferPointer { encode($0, isEnd: false, into: &ids) }
    }

    public mutating func finish(into ids: inout [Int32]) {
      var last: [UInt8] = []
      swap(&last, &pending)
      last.withUnsafeBufferPointer { encode($0, isEnd: true, into: &ids) }
    }

    private mutating func encode(
      _ bytes: UnsafeBufferPointer<UInt8>, isEnd: Bool, into ids: inout [Int32]
    ) {
      var index = 0
      while index < bytes.count {
        let match = trie.longest(in: bytes, from: index)
        if match.isOpen && !isEnd { break }
        ids.append(match.value)
        index += match.length
      }
      pending = Array(bytes[index...])
    }
  }

  public struct Decoder: TokenDecoder {
    fileprivate let vocabulary: RWKVVocabulary

    public func feed(_ id: Int32, into bytes: inout [UInt8]) {
      guard id >= 0, id < vocabulary.count else { return }
      bytes += vocabulary[Int(id)]
    }
    public func finish(into bytes: inout [UInt8]) {}
  }
}
