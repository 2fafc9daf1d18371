/// A vocabulary of byte strings in which the rank of what a pair becomes says when it merges, as tiktoken's: a word that is a
/// token is one; else the pair of neighbours that makes the token of the lowest rank merges, the leftmost first.

import RunnelFiles

struct RankedVocabulary {
  /// What errors call the file.
  let path: String
  /// The first id.
  let offset: Int32
  private(set) var tokens = TokenTable(capacity: 1 << 16)
  /// The squares of the tokens' lengths: the work of finding their halves.
  private var work = 0

  private static let longestToken = 1_024
  private static let mostWork = 1 << 32

  init(path: String, offset: Int32 = 0) { (self.path, self.offset) = (path, offset) }

  /// - Parameter place: what errors call where it stands.
  mutating func insert(_ token: [UInt8], rank: Int, at place: () -> String) throws(FileError) {
    func refuse(_ expected: String, found: String) -> FileError {
      FileError(path, at: place(), expected: expected, found: found, remedy: FileError.damaged)
    }
    guard (1...Self.longestToken).contains(token.count) else {
      throw refuse("a token of 1 to \(Self.longestToken) bytes", found: "\(token.count)")
    }
    guard (0..<TokenizerJSON.largestVocabulary).contains(rank) else {
      throw refuse("a rank from 0 below \(TokenizerJSON.largestVocabulary)", found: "\(rank)")
    }
    work += token.count * token.count
    guard work <= Self.mostWork else { throw refuse("shorter tokens, or fewer", found: "too many long ones") }
    guard tokens.insert(token, id: Int32(rank) + offset) else {
      throw refuse("each token and each rank once", found: "rank \(rank) or its token again")
    }
  }

  /// - Parameters:
  ///   - found: tokens that stand for themselves where they are found in the text.
  ///   - named: tokens that text never makes.
  func plan(
    words pattern: String, normalizer: [NormalizerStep] = [], template: TokenTemplate = TokenTemplate(),
    found: [AddedToken] = [],
    named: [AddedToken] = []
  ) throws(FileError) -> BPEPlan {
    let bytes = (UInt8.min...UInt8.max).map { tokens.id(of: CollectionOfOne($0)) ?? -1 }
    if let missing = bytes.firstIndex(of: -1) {
      throw FileError(
        path, at: "vocabulary", expected: "each of the 256 bytes as a token",
        found: "none for byte \(missing)",
        remedy: FileError.damaged)
    }
    let step: PreTokenizerStep
    if let scanner = WordScanner(pattern: pattern) {
      step = .words(scanner)
    } else {
      do {
        step = .split(try Pattern(pattern, dialect: .rust), .removed, isInverted: true)
      } catch {
        throw FileError(
          path, at: "pattern", expected: "a supported pattern", found: "\(error.found) in \(quoted(pattern))",
          remedy: "use another tokenizer, or encode with its own library")
      }
    }
    var decoding = BPEDecoding()
    let texts = Dictionary((found + named).map { ($0.id, $0.content) }) { _, last in last }
    for id in 0..<max(Int32(tokens.bound), (texts.keys.max() ?? 0) + 1) {
      decoding.append(texts[id] ?? tokens.token(of: id).map(Array.init) ?? [])
    }
    return BPEPlan(
      vocabulary: tokens, added: found, named: named, normalizer: normalizer, steps: [step],
      words: WordEncoder(alphabet: Alphabet(bytes: bytes), engine: MergeEngine(merges()), wholeWords: tokens),
      template: template, decoding: decoding)
  }

  /// Every pair of tokens that together are one; pairs that make the same share its rank.
  private func merges() -> MergeTable {
    var table = MergeTable(capacity: tokens.count)
    for id in offset..<max(offset, Int32(tokens.bound)) {
      guard let token = tokens.token(of: id), token.count > 1 else { continue }
      token.withUnsafeBufferPointer { token in
        for middle in 1..<token.count {
          guard let left = tokens.id(of: UnsafeBufferPointer(rebasing: token[..<middle])),
            let right = tokens.id(of: UnsafeBufferPointer(rebasing: token[middle...]))
          else { continue }
          table.insert(left: left, right: right, rank: id - offset, merged: id)
        }
      }
    }
    return table
  }
}
