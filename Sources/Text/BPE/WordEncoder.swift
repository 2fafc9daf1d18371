/// From words to ids: the cache, else the alphabet and the merges. It has scratch space and a cache of its own,
/// so each thread takes a copy.

package struct WordEncoder: Sendable {
  private let alphabet: Alphabet
  private let engine: MergeEngine
  /// The words that are tokens whatever the merges say.
  private let wholeWords: TokenTable?
  private var cache = WordCache()
  private var symbols: [Int32] = []
  private var scratch = MergeEngine.Scratch()

  package init(alphabet: Alphabet, engine: MergeEngine, wholeWords: TokenTable? = nil) {
    (self.alphabet, self.engine, self.wholeWords) = (alphabet, engine, wholeWords)
  }

  /// Appends the ids of a word, which must not be empty.
  @inline(__always)
  package mutating func encode(_ word: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
    guard word.count <= WordCache.longestWord else { return merge(word, into: &ids) }
    let key = WordCache.key(word)
    if cache.find(word, key, into: &ids) { return }
    let start = ids.count
    merge(word, into: &ids)
    cache.insert(word, key, ids[start...])
  }

  @inline(never)
  private mutating func merge(_ word: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
    if let id = wholeWords?.id(of: word) { return ids.append(id) }
    symbols.removeAll(keepingCapacity: true)
    alphabet.append(word, to: &symbols)
    engine.merge(&symbols, scratch: &scratch)
    ids.append(contentsOf: symbols)
  }
}
