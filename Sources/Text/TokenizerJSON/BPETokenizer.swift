/// Byte-pair tokenizers whose files list merges or ranks.

import RunnelFiles

/// A byte-pair tokenizer of Hugging Face's `tokenizer.json`, of GPT-2's pair of files, of tiktoken's or of Mistral's
/// `tekken.json`: ids equal to those of the original on every valid text.
///
/// Text that is not UTF-8 is data too: a byte that belongs to no character counts as one by itself, of no class. A
/// vocabulary with a token for every byte (GPT-2's) or with byte fallback encodes it without loss, unless the file
/// normalises; a byte without a token (GPT-NeoX's lacks the thirteen that UTF-8 never has) is passed over, as any
/// character without one.
///
///     let tokenizer = try BPETokenizer(path: "tokenizer.json")
///     tokenizer.decode(tokenizer.encode("Hello"))
public struct BPETokenizer: Tokenizer {
  public let name: String
  public let file: TokenizerFile?
  /// That of the file's post-processor, or of the encoding, unless another is set.
  public var template: TokenTemplate
  public var splitsSpecialTokens = false
  private let plan: BPEPlan

  /// Reads such a file, under whatever name.
  ///
  /// - Throws: ``FileError``, which names what the file asks for and this cannot do.
  public init(path: String) throws {
    let name = fileName(of: path)
    try self.init(TokenizerFile(name: name, bytes: Tokenizers.contents(of: path)), path: path)
  }

  /// Reads the content of such a file.
  ///
  /// - Parameter path: what errors call the file.
  /// - Throws: ``FileError``, which names what the file asks for and this cannot do.
  public init(_ file: TokenizerFile, path: String) throws {
    switch Tokenizers.Kind(file) {
    case .tiktoken: plan = try TiktokenFile.plan(file, path: path)
    case .tekken: plan = try TekkenFile.plan(file, path: path)
    default:
      var reader = TokenizerJSON(file.bytes, path: path)
      plan = try reader.read()
    }
    template = plan.template
    (self.file, name) = (file, file.name)
  }

  public var vocabularySize: Int { plan.decoding.count }

  public func id(of token: String) -> Int32? {
    plan.addedIDs[Array(token.utf8)] ?? plan.vocabulary.id(of: token.utf8)
      ?? TokenName.bytes(ofLiteral: token).flatMap { plan.vocabulary.id(of: $0) }
  }
  public func token(of id: Int32) -> String? {
    if let token = plan.vocabulary.token(of: id) { return TokenName.name(of: token) }
    return plan.addedIDs.first { $0.value == id }.map { String(decoding: $0.key, as: UTF8.self) }
  }

  /// Those that stand beside the vocabulary, by id.
  var addedTokens: [(id: Int, token: String)] {
    plan.addedIDs.map { (Int($0.value), String(decoding: $0.key, as: UTF8.self)) }.sorted { $0.0 < $1.0 }
  }

  public func encoder() -> BPEEncoder { BPEEncoder(plan, splitsSpecialTokens: splitsSpecialTokens) }
  public func decoder(continuing: Bool) -> BPEDecoder { BPEDecoder(plan, continuing: continuing) }
}
