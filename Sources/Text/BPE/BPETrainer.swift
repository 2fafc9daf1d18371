/// Learns a byte-level BPE vocabulary from the counts of words (Sennrich et al. 2016, Radford et al. 2019).
///
/// The commonest pair of neighbouring tokens becomes a token, over and over; of several pairs of one count the
/// one with the smaller ids. These are the rules of Hugging Face's trainer, and the vocabularies are the same
/// entry for entry:
///
/// - ids: the special tokens as given, the 256 bytes in the order of their characters, then the merges;
/// - a pair counts wherever two neighbours are it, so three equal tokens in a row have it twice;
/// - with a limit on lengths, a merge's neighbours pair with it only while both together stay *below* the limit;
/// - a merge that spells a special token takes its id.
///
/// The result depends on the counts alone: not on the order of words, nor on any number of threads.
public struct BPETrainer: Sendable {
  /// How many tokens there shall be; fewer if no pair is left that is common enough.
  public var vocabularySize: Int
  /// A pair that occurs less often becomes no token.
  public var minimumFrequency: Int64 = 2
  /// The first ids, in this order.
  public var specialTokens = ["<|endoftext|>"]
  /// See the rule above.
  public var maximumTokenLength: Int?

  /// A trainer with the other settings at their defaults.
  public init(vocabularySize: Int) { self.vocabularySize = vocabularySize }

  /// Special tokens and bytes are there without any training.
  public static func smallestVocabulary(specialTokens: [String]) -> Int {
    Set(specialTokens + (0...255).map { ByteSpelling.text($0) }).count
  }

  /// Learns from everything that was fed to the counter.
  ///
  /// - Parameter progress: called now and then with the number of tokens so far.
  /// - Returns: the vocabulary, and how many tokens the text is in it.
  public func train(
    _ counter: WordCounter, progress: (Int) -> Void = { _ in }
  ) -> (vocabulary: BPEVocabulary, textTokens: Int64) {
    counter.withCounts { train($0, progress: progress) }
  }

  package func train(
    _ words: borrowing WordCounts, progress: (Int) -> Void = { _ in }
  ) -> (vocabulary: BPEVocabulary, textTokens: Int64) {
    var vocabulary = BPEVocabulary(specialTokens: specialTokens)
    var pairs = PairIndex(
      words, byteIds: vocabulary.byteIds, tokens: max(vocabularySize, vocabulary.tokens.count),
      minimumCount: max(1, minimumFrequency), maximumLength: maximumTokenLength ?? .max)
    while vocabulary.tokens.count < vocabularySize, let (first, second) = pairs.popCommonest() {
      let id = vocabulary.merge(first, second)
      pairs.replace(by: id)
      if vocabulary.merges.count % 64 == 0 { progress(vocabulary.tokens.count) }
    }
    return (vocabulary, pairs.textTokens())
  }
}
