/// The regular expressions of tokenizers, as a program of small steps that ``PatternSearch`` runs.
///
/// Supported are literals, sets (categories, scripts, `&&`), alternatives, groups, either case, repetition of anything
/// that is not empty (greedy, possessive or as short as possible), looking ahead, looking behind by a fixed number of
/// characters, and places (`^ $ \A \z \b`). The rest is refused when the pattern is read. A byte that belongs to no
/// character is one of no class.

package struct Pattern: Sendable {
  /// Whose expressions they are; they differ in few places.
  package enum Dialect: Sendable {
    /// The library behind `tokenizer.json`.
    case oniguruma
    /// The one behind tiktoken, and behind ready-made pre-tokenizers.
    case rust
  }
  enum Greed { case greedy, lazy, possessive }
  enum Place: Sendable { case lineStart, lineEnd, textStart, textEnd, lastLineEnd, wordEdge, noWordEdge }

  indirect enum Node {
    case set(Int)
    case sequence([Node])
    case alternatives([Node])
    case repetition(Node, least: Int, most: Int, Greed)
    case atomic(Node)
    case look(Node, isBehind: Bool, isNegative: Bool)
    case place(Place)
  }

  /// What to do and where to go on; `accept` ends a match, or the part of it within a look or an atomic group.
  enum Step: Sendable {
    case accept
    case set(Int, next: Int)
    /// Of a single character; `run` numbers those without bound.
    case repetition(Int, least: Int, most: Int, isPossessive: Bool, run: Int, next: Int)
    case alternatives([Int])
    case atomic(Int, next: Int)
    case ahead(Int, isNegative: Bool, next: Int)
    /// Each entry matches so many characters.
    case behind([(characters: Int, entry: Int)], isNegative: Bool, next: Int)
    case place(Place, next: Int)
  }

  private(set) var steps: [Step] = [.accept]
  private(set) var sets: [PatternSet]
  private(set) var start = 0
  private(set) var runCount = 0
  /// How many characters before a place matter to a match there.
  private(set) var charactersBehind = 0
  let dialect: Dialect
  private static let largestProgram = 1 << 14

  static let failed = -1
  /// The answer if later bytes decide.
  package static let undecided = -2

  /// Reads a pattern; throws a ``PatternError`` that names what is not supported.
  package init(_ text: String, dialect: Dialect = .oniguruma) throws(PatternError) {
    var parser = PatternParser(text, dialect: dialect)
    let node = try parser.parse()
    guard Self.shortest(node) > 0 else { throw PatternError(found: "a pattern that matches nothing at all") }
    self.dialect = dialect
    sets = parser.sets
    for index in sets.indices { sets[index].seal() }
    start = try compile(node, next: 0)
  }

  /// Single characters of a set: what the ready-made pre-tokenizers split at.
  init(_ set: PatternSet) {
    var set = set
    set.seal()
    (sets, dialect) = ([set], .rust)
    steps.append(.set(0, next: 0))
    start = 1
  }

  /// A literal text, which must not be empty.
  init(literal: String) {
    dialect = .rust
    sets = literal.unicodeScalars.map {
      var set = PatternSet()
      set.ranges = [$0.value...$0.value]
      set.seal()
      return set
    }
    for set in sets.indices.reversed() { start = add(.set(set, next: start)) }
  }

  /// The fewest characters that a match has, up to one.
  static func shortest(_ node: Node) -> Int {
    switch node {
    case .set: 1
    case .sequence(let nodes): nodes.reduce(0) { min(1, $0 + shortest($1)) }
    case .alternatives(let nodes): nodes.map(shortest).min() ?? 0
    case .repetition(let node, let least, _, _): least == 0 ? 0 : shortest(node)
    case .atomic(let node): shortest(node)
    case .look, .place: 0
    }
  }

  /// The characters of every match; nil if that is no fixed number.
  private static func length(_ node: Node) -> Int? {
    switch node {
    case .set: return 1
    case .sequence(let nodes):
      var sum = 0
      for node in nodes {
        guard let length = length(node) else { return nil }
        sum += length
      }
      return sum
    case .alternatives(let nodes):
      guard let first = nodes.first.flatMap(length), nodes.allSatisfy({ length($0) == first }) else {
        return nil
      }
      return first
    case .repetition(let node, let least, let most, _):
      return least == most ? length(node).map { $0 * least } : nil
    case .atomic(let node): return length(node)
    case .look: return nil
    case .place: return 0
    }
  }

  private mutating func compile(_ node: Node, next: Int) throws(PatternError) -> Int {
    switch node {
    case .set(let set): return add(.set(set, next: next))
    case .sequence(let nodes):
      var next = next
      for node in nodes.reversed() { next = try compile(node, next: next) }
      return next
    case .alternatives(let nodes):
      var entries: [Int] = []
      for node in nodes { entries.append(try compile(node, next: next)) }
      return add(.alternatives(entries))
    case .repetition(let node, let least, let most, let greed):
      if case .set(let set) = node, greed != .lazy {
        if most == .max { runCount += 1 }
        return add(
          .repetition(
            set, least: least, most: most, isPossessive: greed == .possessive, run: runCount - 1, next: next))
      }
      return try repetition(node, least, most, greed, next)
    case .atomic(let node):
      let entry = try compile(node, next: 0)
      return add(.atomic(entry, next: next))
    case .look(let node, false, let isNegative):
      let entry = try compile(node, next: 0)
      return add(.ahead(entry, isNegative: isNegative, next: next))
    case .look(let node, true, let isNegative):
      var entries: [(characters: Int, entry: Int)] = []
      let nodes = if case .alternatives(let nodes) = node { nodes } else { [node] }
      for node in nodes {
        guard let length = Self.length(node) else {
          throw PatternError(found: "looking behind by no fixed number of characters")
        }
        charactersBehind = max(charactersBehind, length + 1)
        entries.append((length, try compile(node, next: 0)))
      }
      return add(.behind(entries, isNegative: isNegative, next: next))
    case .place(let place):
      charactersBehind = max(charactersBehind, 1)
      return add(.place(place, next: next))
    }
  }

  private mutating func repetition(
    _ node: Node, _ least: Int, _ most: Int, _ greed: Greed, _ next: Int
  ) throws(PatternError) -> Int {
    if greed == .possessive {
      let entry = try repetition(node, least, most, .greedy, 0)
      return add(.atomic(entry, next: next))
    }
    guard most == 1 || Self.shortest(node) > 0 else {
      throw PatternError(found: "a repetition of what may be empty")
    }
    func choices(_ entry: Int) -> Step { .alternatives(greed == .lazy ? [next, entry] : [entry, next]) }
    var entry = next
    if most == .max {
      entry = add(.accept)
      let body = try compile(node, next: entry)
      steps[entry] = choices(body)
    } else {
      for _ in least..<most {
        let body = try compile(node, next: entry)
        entry = add(choices(body))
      }
    }
    for _ in 0..<least { entry = try compile(node, next: entry) }
    guard steps.count <= Self.largestProgram else {
      throw PatternError(found: "repetitions of too many steps")
    }
    return entry
  }

  private mutating func add(_ step: Step) -> Int {
    steps.append(step)
    return steps.count - 1
  }

  /// The end of the match that begins at `position`; `failed`; or `undecided`.
  package func match(_ bytes: UnsafeBufferPointer<UInt8>, at position: Int, isFinal: Bool) -> Int {
    var search = PatternSearch(self, bytes, isFinal: isFinal)
    return search.match(at: position)
  }

  /// Where the bytes that still matter to a match at `position` begin.
  func context(of position: Int, in bytes: UnsafeBufferPointer<UInt8>) -> Int {
    var start = position
    for _ in 0..<charactersBehind where start > 0 { start = CharacterReader.start(bytes, before: start) }
    return start
  }
}

/// What of a pattern is not supported.
package struct PatternError: Error, Equatable {
  package let found: String
}
