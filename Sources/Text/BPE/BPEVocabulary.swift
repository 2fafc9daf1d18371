/// A byte-level BPE vocabulary and its merges, as trained.
public struct BPEVocabulary: Sendable, Equatable {
  /// Tokens by id, as their file spells them: special tokens literally, others by their bytes as GPT-2 spells them.
  public private(set) var tokens: [String] = []
  /// The pairs of ids that became one token, the first ones first.
  public private(set) var merges: [(first: Int32, second: Int32)] = []
  /// The tokens with the first ids, each once.
  public let specialTokens: [String]
  private var ids: [String: Int32] = [:]

  /// The vocabulary before any merge.
  package init(specialTokens: [String]) {
    var distinct: [String] = []
    for token in specialTokens where !distinct.contains(token) { distinct.append(token) }
    self.specialTokens = distinct
    for token in distinct { _ = add(token) }
    for byte in ByteSpelling.bytesInOrder { _ = add(ByteSpelling.text(byte)) }
  }

  /// The bytes alone, each by its own value: `ByteTokenizer` as a vocabulary.
  package static let bytes = {
    var vocabulary = BPEVocabulary()
    for byte in UInt8.min...UInt8.max { _ = vocabulary.add(ByteSpelling.text(byte)) }
    return vocabulary
  }()
  private init() { specialTokens = [] }

  public static func == (a: Self, b: Self) -> Bool {
    a.tokens == b.tokens && a.specialTokens == b.specialTokens && a.merges.elementsEqual(b.merges, by: ==)
  }

  /// The ids of the 256 bytes.
  package var byteIds: [Int32] {
    (0...255).map { ids[ByteSpelling.text(UInt8($0))] ?? 0 }
  }

  /// Notes a merge; the id of what it makes.
  package mutating func merge(_ first: Int32, _ second: Int32) -> Int32 {
    merges.append((first, second))
    return add(tokens[Int(first)] + tokens[Int(second)])
  }

  private mutating func add(_ token: String) -> Int32 {
    if let id = ids[token] { return id }
    let id = Int32(tokens.count)
    tokens.append(token)
    ids[token] = id
    return id
  }
}
