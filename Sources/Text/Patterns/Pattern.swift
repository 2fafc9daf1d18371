/// The regular expressions of pre-tokenizers, matched by backtracking.
///
/// The subset that such files use: literals, sets with categories (`[^\s\p{L}\p{N}]`), alternatives, groups
/// (`(?:…)`, `(?i:…)`), looking ahead, repetition of single characters (greedy or possessive), groups that may be
/// absent. The rest is refused when the pattern is read. A byte that belongs to no character is one of no class.
///
/// A match that looked at the end of the text, or past it, is undecided as long as more may come: so nothing that is
/// decided can change.

package struct Pattern: Sendable {
  indirect enum Node {
    case set(Int)
    /// Of a single character; possessive ones give nothing back.
    case repetition(Int, least: Int, most: Int, isPossessive: Bool)
    case sequence([Node])
    case alternatives([Node])
    case optional(Node)
    case ahead(Node, isNegative: Bool)
  }

  /// What to do and where to go on; the last step accepts.
  fileprivate enum Step: Sendable {
    case accept
    case set(Int, next: Int)
    case repetition(Int, least: Int, most: Int, isPossessive: Bool, next: Int)
    case alternatives([Int])
    case ahead(Int, isNegative: Bool, next: Int)
  }

  private var steps: [Step] = [.accept]
  private var sets: [PatternSet]
  private var start = 0

  static let failed = -1
  /// The answer if later bytes decide.
  package static let undecided = -2

  /// Reads a pattern; throws a ``PatternError`` that names what is not supported.
  ///
  /// - Parameter rustWords: `\w` is that of Rust's expressions, which some steps are defined by.
  package init(_ text: String, rustWords: Bool = false) throws(PatternError) {
    var parser = PatternParser(text, rustWords: rustWords)
    let node = try parser.parse()
    guard Self.shortest(node) > 0 else { throw PatternError(found: "a pattern that matches nothing at all") }
    sets = parser.sets
    for index in sets.indices { sets[index].seal() }
    start = compile(node, next: 0)
  }

  /// Single characters of a set: what the ready-made pre-tokenizers split at.
  init(_ set: PatternSet, repeated: Bool = false) {
    var set = set
    set.seal()
    sets = [set]
    start = compile(
      repeated ? .repetition(0, least: 1, most: .max, isPossessive: false) : .set(0), next: 0)
  }

  /// A literal text, which must not be empty.
  init(literal: String) {
    sets = literal.unicodeScalars.map {
      var set = PatternSet()
      set.ranges = [$0.value...$0.value]
      set.seal()
      return set
    }
    start = compile(.sequence(sets.indices.map { .set($0) }), next: 0)
  }

  private static func shortest(_ node: Node) -> Int {
    switch node {
    case .set: 1
    case .repetition(_, let least, _, _): least
    case .sequence(let nodes): nodes.reduce(0) { min(1, $0 + shortest($1)) }
    case .alternatives(let nodes): nodes.map(shortest).min() ?? 0
    case .optional, .ahead: 0
    }
  }

  private mutating func compile(_ node: Node, next: Int) -> Int {
    switch node {
    case .set(let set): return add(.set(set, next: next))
    case .repetition(let set, let least, let most, let isPossessive):
      return add(.repetition(set, least: least, most: most, isPossessive: isPossessive, next: next))
    case .sequence(let nodes):
      var next = next
      for node in nodes.reversed() { next = compile(node, next: next) }
      return next
    case .alternatives(let nodes):
      let entries = nodes.map { compile($0, next: next) }
      return add(.alternatives(entries))
    case .optional(let node):
      let entry = compile(node, next: next)
      return add(.alternatives([entry, next]))
    case .ahead(let node, let isNegative):
      let entry = compile(node, next: 0)
      return add(.ahead(entry, isNegative: isNegative, next: next))
    }
  }
  private mutating func add(_ step: Step) -> Int {
    steps.append(step)
    return steps.count - 1
  }

  /// The end of the match that begins at `position`; `failed`; or `undecided`.
  package func match(_ bytes: UnsafeBufferPointer<UInt8>, at position: Int, isFinal: Bool) -> Int {
    match(start, bytes, position, isFinal)
  }

  /// The first match that begins at `position` or later; nil if there is none. If `end` is `undecided`, later
  /// bytes decide about a match at `start`, and there is none before.
  package func find(
    _ bytes: UnsafeBufferPointer<UInt8>, from position: Int, isFinal: Bool
  ) -> (start: Int, end: Int)? {
    var position = position
    while position < bytes.count {
      let end = match(start, bytes, position, isFinal)
      if end != Self.failed { return (position, end) }
      position += CharacterReader.next(bytes, at: position).length
    }
    return nil
  }

  private func read(
    _ bytes: UnsafeBufferPointer<UInt8>, _ position: Int, _ isFinal: Bool
  ) -> (scalar: UInt32, length: Int)? {
    guard position < bytes.count else { return nil }
    let next = CharacterReader.next(bytes, at: position)
    if next.scalar >= CharacterReader.invalid, !isFinal, position + 3 >= bytes.count {
      let rest = UnsafeBufferPointer(rebasing: bytes[position...])
      if CharacterReader.incompleteTail(rest) == rest.count { return nil }
    }
    return next
  }

  private func match(
    _ start: Int, _ bytes: UnsafeBufferPointer<UInt8>, _ position: Int, _ isFinal: Bool
  ) -> Int {
    var step = start
    var position = position
    while true {
      switch steps[step] {
      case .accept: return position
      case .set(let set, let next):
        guard let (scalar, length) = read(bytes, position, isFinal) else {
          return isFinal ? Self.failed : Self.undecided
        }
        guard sets[set].contains(scalar) else { return Self.failed }
        position += length
        step = next
      case .repetition(let set, let least, let most, let isPossessive, let next):
        let first = position
        var count = 0
        while count < most {
          guard let (scalar, length) = read(bytes, position, isFinal) else {
            if isFinal { break }
            return Self.undecided
          }
          guard sets[set].contains(scalar) else { break }
          position += length
          count += 1
        }
        guard count >= least else { return Self.failed }
        step = next
        if isPossessive || count == least { continue }
        while true {
          let end = match(next, bytes, position, isFinal)
          if end != Self.failed || count == least { return end }
          position = max(first, CharacterReader.start(bytes, before: position))
          count -= 1
        }
      case .alternatives(let entries):
        for entry in entries {
          let end = match(entry, bytes, position, isFinal)
          if end != Self.failed { return end }
        }
        return Self.failed
      case .ahead(let entry, let isNegative, let next):
        let end = match(entry, bytes, position, isFinal)
        if end == Self.undecided { return end }
        guard (end == Self.failed) == isNegative else { return Self.failed }
        step = next
      }
    }
  }
}

/// What of a pattern is not supported.
package struct PatternError: Error, Equatable {
  package let found: String
}
