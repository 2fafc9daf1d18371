/// What stands around a document where a tokenizer is asked for special tokens (`add_special_tokens` of the originals).
public struct TokenTemplate: Sendable, Equatable {
  /// The ids in front of and behind a document.
  public var before, after: [Int32]

  /// By default nothing stands around a document.
  public init(before: [Int32] = [], after: [Int32] = []) { (self.before, self.after) = (before, after) }

  /// Whether nothing stands around a document.
  public var isEmpty: Bool { before.isEmpty && after.isEmpty }
}

extension Tokenizer {
  /// The same tokenizer, whose documents stand in its template.
  public func addingSpecialTokens() -> any Tokenizer {
    template.isEmpty ? self : TemplatedTokenizer(base: self)
  }
}

/// A tokenizer whose documents begin and end with the tokens of its template.
struct TemplatedTokenizer<Base: Tokenizer>: Tokenizer {
  var base: Base

  var name: String { base.name }
  var vocabularySize: Int { base.vocabularySize }
  var file: TokenizerFile? { base.file }
  var template: TokenTemplate {
    get { base.template }
    set { base.template = newValue }
  }
  var splitsSpecialTokens: Bool {
    get { base.splitsSpecialTokens }
    set { base.splitsSpecialTokens = newValue }
  }
  func id(of token: String) -> Int32? { base.id(of: token) }
  func token(of id: Int32) -> String? { base.token(of: id) }

  func decoder(continuing: Bool) -> Base.Decoder { base.decoder(continuing: continuing) }
  func encoder() -> Encoder { Encoder(base: base.encoder(), template: base.template) }

  struct Encoder: TokenEncoder {
    var base: Base.Encoder
    let template: TokenTemplate
    private var hasBegun = false

    init(base: Base.Encoder, template: TokenTemplate) { (self.base, self.template) = (base, template) }

    mutating func feed(_ bytes: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
      begin(into: &ids)
      base.feed(bytes, into: &ids)
    }
    mutating func finish(into ids: inout [Int32]) {
      begin(into: &ids)
      base.finish(into: &ids)
      ids += template.after
      hasBegun = false
    }
    mutating func flush(into ids: inout [Int32]) {
      begin(into: &ids)
      base.flush(into: &ids)
    }

    private mutating func begin(into ids: inout [Int32]) {
      if !hasBegun { ids += template.before }
      hasBegun = true
    }
  }
}
