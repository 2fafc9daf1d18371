/// All that the streams of one tokenizer share, made once from its file.

final class BPEPlan: Sendable {
  let vocabulary: TokenTable
  /// Found in the text as it comes, and in the normalised text.
  let rawTokens: AddedTokens?
  let normalizedTokens: AddedTokens?
  let addedIDs: [[UInt8]: Int32]
  let normalizer: [NormalizerStep]
  let steps: [PreTokenizerStep]
  let words: WordEncoder
  /// What the post-processor puts around a document.
  let template: TokenTemplate
  let decoding: BPEDecoding
  /// Bytes that are taken through the steps at once.
  let mostAtOnce: Int

  /// - Parameter named: tokens that are never found in a text.
  init(
    vocabulary: TokenTable, added: [AddedToken], named: [AddedToken] = [], normalizer: [NormalizerStep],
    steps: [PreTokenizerStep],
    words: WordEncoder, template: TokenTemplate = TokenTemplate(), decoding: BPEDecoding
  ) {
    self.vocabulary = vocabulary
    rawTokens = AddedTokens(added.filter { !$0.isNormalized })
    normalizedTokens = AddedTokens(
      added.filter(\.isNormalized).map { token in
        var token = token
        token.content = token.found(after: normalizer)
        return token
      })
    addedIDs = Dictionary((added + named).map { ($0.content, $0.id) }) { first, _ in first }
    self.normalizer = normalizer
    self.steps = steps
    self.words = words
    self.template = template
    self.decoding = decoding
    mostAtOnce = StepGrowth.most(normalizer, steps) <= 8 ? .max : 1 << 14
  }
}
