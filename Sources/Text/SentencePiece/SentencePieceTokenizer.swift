/// SentencePiece BPE (Kudo and Richardson 2018) as a tokenizer.

import RunnelFiles

/// A tokenizer from a SentencePiece BPE model, `tokenizer.model`, as Llama 2's and Mistral's.
///
/// It gives the ids and texts of the sentencepiece library. Bytes that are not UTF-8 count as U+FFFD each, so such a
/// text does not come back as it was, unlike with the other tokenizers.
public struct SentencePieceTokenizer: Tokenizer {
  /// The beginning of a text, as Llama's own code has it; a folder may say otherwise.
  public var template: TokenTemplate
  private let source: TokenizerFile
  fileprivate let model: SentencePieceModel
  fileprivate let normalizer: SentencePieceNormalizer
  fileprivate let merges: SentencePieceMerges
  /// The pieces that are found before all merging.
  fileprivate let userDefined: ByteTrie?
  fileprivate let surfaces: SentencePieceSurfaces

  /// Reads a model with merging pieces; unigram, word and character models are refused by name.
  ///
  /// - Parameter path: what errors call the file.
  public init(_ file: TokenizerFile, path: String) throws(FileError) {
    let model = try SentencePieceModel(file.bytes, path: path)
    merges = try SentencePieceMerges(model, path: path)
    let own = model.pieces.indices.filter { model.pieces[$0].kind == .userDefined }
    userDefined =
      own.isEmpty ? nil : ByteTrie(own.map { model.pieces[$0].text }, values: own.map { Int32($0) })
    normalizer = try SentencePieceNormalizer(model, userDefined: userDefined, path: path)
    surfaces = SentencePieceSurfaces(model)
    source = file
    self.model = model
    template = TokenTemplate()
    template.before = id(of: "<s>").map { [$0] } ?? []
  }

  public var name: String { source.name }
  public var file: TokenizerFile? { source }
  public var vocabularySize: Int { model.pieces.count }

  public func id(of token: String) -> Int32? {
    let text = Array(token.utf8)
    let ids = model.pieces.indices.filter { model.pieces[$0].text.elementsEqual(text) }
    return (ids.first { !model.pieces[$0].kind.isText } ?? ids.first).map { Int32($0) }
  }
  public func token(of id: Int32) -> String? {
    guard id >= 0, id < model.pieces.count else { return nil }
    return String(decoding: model.pieces[Int(id)].text, as: UTF8.self)
  }

  public func encoder() -> Encoder { Encoder(tokenizer: self) }
  public func decoder(continuing: Bool) -> Decoder { Decoder(surfaces: surfaces, isStart: !continuing) }

  /// Divides the normalised text wherever no piece could lie across, remembers the ids of such stretches, and
  /// gives them as soon as the stretch is certain to end.
  public struct Encoder: TokenEncoder {
    private let tokenizer: SentencePieceTokenizer
    /// What is not normalised yet.
    private var pending: [UInt8] = []
    private var state = SentencePieceNormalizer.State()
    /// The stretch that is not encoded yet, from its beginning, and what follows.
    private var text: [UInt8] = []
    /// How much of the text has been looked at: all of it belongs to the stretch.
    private var scanned = 0
    /// The last character looked at; 0 at the beginning of a stretch that nothing can join.
    private var previous: UInt32 = 0
    /// How many bytes at the end of the text are white space that may be left out, and the text's bytes then.
    private var trailing = (spaces: 0, count: 0)
    /// The last id was the unknown one, which is not repeated.
    private var endsUnknown = false
    private var cache = WordCache()
    private var scratch = SentencePieceMerges.Scratch()
    private var fresh: [Int32] = []

    fileprivate init(tokenizer: SentencePieceTokenizer) { self.tokenizer = tokenizer }

    public mutating func feed(_ bytes: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
      let block = 1 << 14
      for start in stride(from: 0, to: bytes.count, by: block) {
        pending.append(contentsOf: bytes[start..<min(bytes.count, start + block)])
        normalize(isEnd: false)
        divide(isEnd: false, into: &ids)
      }
    }

    public mutating func finish(into ids: inout [Int32]) {
      normalize(isEnd: true)
      tokenizer.normalizer.finish(&state, into: &text)
      divide(isEnd: true, into: &ids)
      endsUnknown = false
    }

    private mutating func normalize(isEnd: Bool) {
      let done = pending.withUnsafeBufferPointer {
        tokenizer.normalizer.normalize($0, isEnd: isEnd, state: &state, into: &text)
      }
      pending.removeFirst(done)
    }

    /// The bytes of the text that stay whatever comes: white space at the end may be left out.
    private mutating func certain() -> Int {
      guard tokenizer.normalizer.removesExtraWhitespace else { return text.count }
      let space = tokenizer.normalizer.space
      var end = text.count
      while end - space.count >= trailing.count, text[end - space.count..<end].elementsEqual(space) {
        end -= space.count
      }
      if end == trailing.count { end -= trailing.spaces }
      trailing = (text.count - end, text.count)
      return end
    }

    private mutating func divide(isEnd: Bool, into ids: inout [Int32]) {
      let limit = isEnd ? text.count : certain()
      // The text as it is while it is read, so that the rest of the encoder can change.
      let whole = text
      let merges = tokenizer.merges, userDefined = tokenizer.userDefined
      var (index, last) = (scanned, previous)
      let rest = whole.withUnsafeBufferPointer { bytes in
        let bytes = UnsafeBufferPointer(rebasing: bytes[..<limit])
        var start = 0
        while index < limit {
          if let userDefined {
            let match = userDefined.longest(in: bytes, from: index)
            if match.isOpen && !isEnd { break }
            if match.value >= 0 {
              encode(UnsafeBufferPointer(rebasing: bytes[start..<index]), into: &ids)
              ids.append(match.value)
              endsUnknown = false
              index += match.length
              (start, last) = (index, 0)
              continue
            }
          }
          let whole = SentencePieceMerges.characterLength(bytes[index])
          if index + whole > limit && !isEnd { break }
          let length = min(limit - index, whole)
          let character = SentencePieceMerges.character(bytes, index, length)
          if last != 0 && !merges.mayJoin(last, character) {
            encode(UnsafeBufferPointer(rebasing: bytes[start..<index]), into: &ids)
            start = index
          }
          last = character
          index += length
        }
        if isEnd {
          encode(UnsafeBufferPointer(rebasing: bytes[start...]), into: &ids)
          (start, index, last) = (limit, limit, 0)
        }
        return start
      }
      text.removeFirst(rest)
      (scanned, previous) = (index - rest, last)
      trailing = isEnd ? (0, 0) : (trailing.spaces, trailing.count - rest)
    }

    private mutating func encode(_ stretch: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
      guard !stretch.isEmpty else { return }
      let unknown = Int32(tokenizer.model.unknownID)
      let start = ids.count
      if stretch.count <= WordCache.longestWord {
        let key = WordCache.key(stretch)
        if !cache.find(stretch, key, into: &ids) {
          merge(stretch)
          cache.insert(stretch, key, fresh[...])
          ids += fresh
        }
      } else {
        merge(stretch)
        ids += fresh
      }
      if endsUnknown && ids[start] == unknown {
        if ids.count == start + 1 { ids.removeLast() } else { ids.remove(at: start) }
      }
      endsUnknown = ids.last == unknown
    }

    /// Leaves the ids of a stretch in `fresh`.
    @inline(never)
    private mutating func merge(_ stretch: UnsafeBufferPointer<UInt8>) {
      fresh.removeAll(keepingCapacity: true)
      tokenizer.merges.encode(stretch, scratch: &scratch, into: &fresh)
    }
  }
}
