/// Reads the subset of regular expressions that ``Pattern`` matches; refuses the rest by what it found.

import RunnelFiles

struct PatternParser {
  private let scalars: [Unicode.Scalar]
  private var index = 0
  private var foldsCase = false
  private var depth = 0
  private(set) var sets: [PatternSet] = []

  /// Longer patterns, and deeper groups, are refused.
  private static let longest = 4_096
  private static let deepest = 32
  private static let largestCount = 1_000

  private let dialect: Pattern.Dialect

  init(_ text: String, dialect: Pattern.Dialect) {
    scalars = Array(text.unicodeScalars)
    self.dialect = dialect
  }

  mutating func parse() throws(PatternError) -> Pattern.Node {
    guard scalars.count <= Self.longest else { throw PatternError(found: "\(scalars.count) characters") }
    let node = try alternatives()
    guard index == scalars.count else { throw refusal("a ')' without its '('") }
    return node
  }

  private var next: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }
  private func refusal(_ what: String) -> PatternError {
    PatternError(found: "\(what) at its character \(index + 1)")
  }
  private mutating func skip(_ text: String) -> Bool {
    let wanted = Array(text.unicodeScalars)
    guard scalars[index...].starts(with: wanted) else { return false }
    index += wanted.count
    return true
  }

  private mutating func alternatives() throws(PatternError) -> Pattern.Node {
    var nodes = [try sequence()]
    while skip("|") { nodes.append(try sequence()) }
    guard nodes.count > 1 else { return nodes[0] }
    // Single characters are one set.
    var union = PatternSet()
    for node in nodes {
      guard case .set(let set) = node else { return .alternatives(nodes) }
      union.add(sets[set])
    }
    return .set(add(union))
  }

  private mutating func sequence() throws(PatternError) -> Pattern.Node {
    var nodes: [Pattern.Node] = []
    var previous: PatternSet?
    while let next, next != "|", next != ")" {
      let atom = try atom()
      if foldsCase, dialect == .oniguruma {
        // Some pairs of letters are one character in another case: ß, ﬀ, ﬁ, ﬂ, ﬆ.
        let set: PatternSet? = if case .set(let index) = atom { sets[index] } else { nil }
        if let previous, let set,
          ["ss", "ff", "fi", "fl", "st"].contains(where: { pair in
            zip([previous, set], pair.unicodeScalars).allSatisfy {
              $0.ranges.count == 1 && $0.decide($1.value)
            }
          })
        {
          throw refusal("letters that are one character in another case")
        }
        previous = set
      }
      nodes.append(try quantified(atom))
    }
    return nodes.count == 1 ? nodes[0] : .sequence(nodes)
  }

  private mutating func atom() throws(PatternError) -> Pattern.Node {
    guard let next else { throw refusal("its end") }
    if next == "(" { return try group() }
    if let place = place() { return .place(place) }
    return .set(add(try inEitherCase(try single())))
  }
  private mutating func add(_ set: PatternSet) -> Int {
    sets.append(set)
    return sets.count - 1
  }

  private mutating func place() -> Pattern.Place? {
    let isRust = dialect == .rust
    if skip("^") { return isRust ? .textStart : .lineStart }
    if skip("$") { return isRust ? .textEnd : .lineEnd }
    if skip("\\A") { return .textStart }
    if skip("\\z") { return .textEnd }
    if !isRust, skip("\\Z") { return .lastLineEnd }
    if skip("\\b") { return .wordEdge }
    if skip("\\B") { return .noWordEdge }
    return nil
  }

  private mutating func group() throws(PatternError) -> Pattern.Node {
    depth += 1
    guard depth <= Self.deepest else { throw refusal("a group too deep") }
    let folded = foldsCase
    var look: (isBehind: Bool, isNegative: Bool)?
    var isAtomic = false
    if skip("(?:") {
    } else if skip("(?i:") || skip("(?i)") {
      foldsCase = true
      // A flag alone holds to the end of the group around it, which must begin with it.
      if scalars[index - 1] == ")" {
        guard isGroupStart(index - 4) else { throw refusal("a flag within a group") }
        depth -= 1
        return .sequence([])
      }
    } else if skip("(?>") {
      isAtomic = true
    } else if skip("(?=") {
      look = (false, false)
    } else if skip("(?!") {
      look = (false, true)
    } else if skip("(?<=") {
      look = (true, false)
    } else if skip("(?<!") {
      look = (true, true)
    } else if skip("(?") {
      throw refusal("an unsupported group")
    } else {
      index += 1
    }
    let body = try alternatives()
    guard skip(")") else { throw refusal("no ')'") }
    foldsCase = folded
    depth -= 1
    if let look { return .look(body, isBehind: look.isBehind, isNegative: look.isNegative) }
    return isAtomic ? .atomic(body) : body
  }

  private func isGroupStart(_ index: Int) -> Bool {
    index == 0 || scalars[index - 1] == "("
      || index > 1 && scalars[index - 1] == ":" && scalars[..<index].suffix(3) == ["(", "?", ":"]
  }

  private mutating func quantified(_ node: Pattern.Node) throws(PatternError) -> Pattern.Node {
    var (least, most) = (0, Int.max)
    var isInterval = false
    switch next {
    case "?": (most, index) = (1, index + 1)
    case "*": index += 1
    case "+": (least, index) = (1, index + 1)
    case "{":
      (least, most) = try interval()
      isInterval = true
    default: return node
    }
    if case .look = node { throw refusal("a repetition of a look") }
    if case .place = node { throw refusal("a repetition of a place") }
    if case .sequence(let nodes) = node, nodes.isEmpty { throw refusal("a repetition of nothing") }
    var greed = Pattern.Greed.greedy
    if next == "?" {
      // After a number the original takes ? as another repetition.
      if isInterval, dialect == .oniguruma, least == most { throw refusal("a repetition of a repetition") }
      (greed, index) = (.lazy, index + 1)
    } else if next == "+" {
      index += 1
      // After an interval the original takes + as another repetition.
      if isInterval, dialect == .oniguruma {
        if let next, "?*+{".unicodeScalars.contains(next) { throw refusal("a repetition of a repetition") }
        return .repetition(
          .repetition(node, least: least, most: most, .greedy), least: 1, most: .max, .greedy)
      }
      greed = .possessive
    }
    if let next, "?*+{".unicodeScalars.contains(next) { throw refusal("a repetition of a repetition") }
    return .repetition(node, least: least, most: most, greed)
  }

  private mutating func interval() throws(PatternError) -> (Int, Int) {
    index += 1
    let least = number()
    let hasComma = skip(",")
    let most = number()
    guard skip("}"), let first = least ?? (hasComma && most != nil ? 0 : nil) else { throw refusal("a '{'") }
    let last = hasComma ? most ?? Int.max : first
    guard first <= last, first <= Self.largestCount, last == Int.max || last <= Self.largestCount, last > 0
    else {
      throw refusal("an interval out of bounds")
    }
    return (first, last)
  }
  private mutating func number() -> Int? {
    var value: Int?
    while let digit = next.flatMap({ $0.value < 128 ? Character($0).wholeNumberValue : nil }) {
      value = min(Self.largestCount + 1, (value ?? 0) * 10 + digit)
      index += 1
    }
    return value
  }

  /// One character or set.
  private mutating func single() throws(PatternError) -> PatternSet {
    guard let scalar = next else { throw refusal("its end") }
    switch scalar {
    case "[": return try bracket()
    case "\\":
      let set = try escape()
      guard set.isNegated, !foldsParts else { return set }
      var whole = PatternSet()
      whole.parts = [set]
      return whole
    case ".":
      index += 1
      var set = PatternSet()
      set.ranges = [0x0A...0x0A]
      set.isNegated = true
      return set
    case "*", "+", "?", "{": throw refusal("'\(scalar)'")
    default:
      index += 1
      return literal(scalar)
    }
  }

  private func literal(_ scalar: Unicode.Scalar) -> PatternSet {
    var set = PatternSet()
    set.ranges = [scalar.value...scalar.value]
    set.foldsCase = foldsParts
    return set
  }

  private var foldsParts: Bool { foldsCase && dialect == .rust }

  /// A set that is not part of another, in either case where that is asked for. Oniguruma looks for the other cases of
  /// what such a set holds in all, Rust for those of each of its parts.
  private func inEitherCase(_ set: PatternSet) throws(PatternError) -> PatternSet {
    guard foldsCase, dialect == .oniguruma else { return set }
    var folded = set
    folded.foldsCase = true
    // There Oniguruma takes strings for one character too: "ss" for ß.
    if !set.isNegated, CaseFolding.strings.contains(where: folded.decide) {
      throw refusal("characters that are several in another case")
    }
    return folded
  }

  private mutating func bracket() throws(PatternError) -> PatternSet {
    depth += 1
    guard depth <= Self.deepest else { throw refusal("a set too deep") }
    defer { depth -= 1 }
    index += 1
    var set = PatternSet()
    set.foldsCase = foldsParts
    let isNegated = skip("^")
    var operands: [PatternSet] = []
    var isFirst = true
    while true {
      guard let scalar = next else { throw refusal("no ']'") }
      if scalar == "]" {
        if isFirst { throw refusal("an empty set") }
        index += 1
        if !operands.isEmpty {
          operands.append(set)
          set = PatternSet()
          set.common = operands
        }
        set.isNegated = isNegated
        return set
      }
      if skip("&&") {
        guard !isFirst, next != "]" else { throw refusal("an empty set") }
        operands.append(set)
        (set, isFirst) = (PatternSet(), true)
        set.foldsCase = foldsParts
        continue
      }
      if dialect == .rust, skip("--") || skip("~~") { throw refusal("a difference of sets") }
      isFirst = false
      if scalar == "[" {
        // Sets within sets are one, named classes are refused.
        if skip("[:") { throw refusal("a named class") }
        set.add(try bracket())
        continue
      }
      let element = try element()
      guard let low = element.character else {
        set.add(element.set)
        continue
      }
      if next == "-", index + 1 < scalars.count, scalars[index + 1] != "]" {
        index += 1
        guard let high = try self.element().character, high >= low else { throw refusal("a range") }
        set.ranges.append(low...high)
      } else {
        set.ranges.append(low...low)
      }
    }
  }

  /// One element of a set; `character` is nil if it is a set itself.
  private mutating func element() throws(PatternError) -> (character: UInt32?, set: PatternSet) {
    guard let scalar = next else { throw refusal("no ']'") }
    if scalar == "[" { throw refusal("a range up to a set") }
    guard scalar == "\\" else {
      index += 1
      return (scalar.value, PatternSet())
    }
    let set = try escape()
    guard set.ranges.count == 1, !set.isNegated, !set.hasWord, let range = set.ranges.first, range.count == 1
    else {
      return (nil, set)
    }
    return (range.lowerBound, set)
  }

  private mutating func escape() throws(PatternError) -> PatternSet {
    index += 1
    guard let scalar = next else { throw refusal("a '\\' at its end") }
    index += 1
    var set = PatternSet()
    switch scalar {
    case "s", "S": set.hasSpace = true
    case "d", "D": set.categories = PatternSet.categories("Nd") ?? 0
    case "w", "W":
      set.hasWord = true
      set.ranges = dialect == .rust ? PatternSet.rustJoiners : PatternSet.latinNumbers
    case "n": return literal("\n")
    case "r": return literal("\r")
    case "t": return literal("\t")
    case "f": return literal("\u{0C}")
    case "v": return literal("\u{0B}")
    case "p", "P":
      var name = String.UnicodeScalarView()
      var isNegated = scalar == "P"
      if skip("{") {
        isNegated = skip("^") != isNegated
        while let next, next != "}" {
          name.append(next)
          index += 1
        }
        guard skip("}") else { throw refusal("no '}'") }
      } else if dialect == .rust, let next {
        name.append(next)
        index += 1
      } else {
        throw refusal("'\\\(scalar)' without '{'")
      }
      guard var set = PatternSet(property: String(name), dialect: dialect) else {
        throw refusal("\\p{\(printable(String(name)))}")
      }
      if isNegated { set.isNegated.toggle() }
      set.foldsCase = foldsParts
      return set
    case "x", "u": return try hexadecimal(scalar)
    case _ where !scalar.properties.isAlphabetic && !("0"..."9").contains(scalar) && scalar.isASCII:
      return literal(scalar)
    default: throw refusal("'\\\(scalar)'")
    }
    set.isNegated = scalar.properties.isUppercase
    return set
  }

  private mutating func hexadecimal(_ letter: Unicode.Scalar) throws(PatternError) -> PatternSet {
    let isBraced = letter == "x" && skip("{")
    var value: UInt32 = 0
    var count = 0
    while count < (isBraced ? 6 : letter == "x" ? 2 : 4),
      let digit = next.flatMap({ Character($0).hexDigitValue })
    {
      (value, count, index) = (value << 4 | UInt32(digit), count + 1, index + 1)
    }
    guard count > 0, isBraced || count == (letter == "x" ? 2 : 4), !isBraced || skip("}"),
      isBraced || letter == "u" || value < 0x80,
      let scalar = Unicode.Scalar(value)
    else { throw refusal("a hexadecimal character") }
    return literal(scalar)
  }
}
