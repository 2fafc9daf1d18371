/// Reads the subset of regular expressions that ``Pattern`` matches; refuses the rest by what it found.

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

  private let rustWords: Bool

  init(_ text: String, rustWords: Bool) {
    scalars = Array(text.unicodeScalars)
    self.rustWords = rustWords
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
    return nodes.count == 1 ? nodes[0] : .alternatives(nodes)
  }

  private mutating func sequence() throws(PatternError) -> Pattern.Node {
    var nodes: [Pattern.Node] = []
    var previousFolded: Unicode.Scalar?
    while let next, next != "|", next != ")" {
      if foldsCase {
        // Some pairs of letters are one character in another case: ß, ﬀ, ﬁ, ﬂ, ﬆ.
        let lower = next.properties.lowercaseMapping
        if let previousFolded, ["ss", "ff", "fi", "fl", "st"].contains(String(previousFolded) + lower) {
          throw refusal("\"\(previousFolded)\(next)\" in either case")
        }
        previousFolded = lower.unicodeScalars.first
      }
      nodes.append(try quantified(try atom()))
    }
    return nodes.count == 1 ? nodes[0] : .sequence(nodes)
  }

  private mutating func atom() throws(PatternError) -> Pattern.Node {
    guard let next else { throw refusal("its end") }
    if next == "(" { return try group() }
    return .set(add(try single()))
  }
  private mutating func add(_ set: PatternSet) -> Int {
    sets.append(set)
    return sets.count - 1
  }

  private mutating func group() throws(PatternError) -> Pattern.Node {
    depth += 1
    guard depth <= Self.deepest else { throw refusal("a group too deep") }
    let folded = foldsCase
    var isNegative: Bool?
    if skip("(?:") {
    } else if skip("(?i:") {
      foldsCase = true
    } else if skip("(?=") {
      isNegative = false
    } else if skip("(?!") {
      isNegative = true
    } else if skip("(?") {
      throw refusal("an unsupported group")
    } else {
      index += 1
    }
    let body = try alternatives()
    guard skip(")") else { throw refusal("no ')'") }
    foldsCase = folded
    depth -= 1
    guard let isNegative else { return body }
    return .ahead(body, isNegative: isNegative)
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
    if next == "?" { throw refusal("a repetition as short as possible") }
    var isPossessive = false
    if next == "+" {
      // After an interval the original takes + as another repetition.
      if isInterval { throw refusal("a repetition of a repetition") }
      isPossessive = true
      index += 1
    }
    if let next, "?*+{".unicodeScalars.contains(next) { throw refusal("a repetition of a repetition") }
    if case .set(let set) = node {
      return .repetition(set, least: least, most: most, isPossessive: isPossessive)
    }
    if (least, most) == (0, 1), !isPossessive, case .ahead = node {
    } else if (least, most) == (0, 1), !isPossessive {
      return .optional(node)
    }
    throw refusal("a repetition of a group")
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
    case "\\": return try escape()
    case ".":
      index += 1
      var set = PatternSet()
      set.ranges = [0x0A...0x0A]
      set.isNegated = true
      return set
    case "^", "$", "*", "+", "?", "{": throw refusal("'\(scalar)'")
    default:
      index += 1
      return try literal(scalar)
    }
  }

  private func literal(_ scalar: Unicode.Scalar) throws(PatternError) -> PatternSet {
    var set = PatternSet()
    set.ranges = [scalar.value...scalar.value]
    guard foldsCase else { return set }
    guard scalar.isASCII else { throw refusal("\"\(scalar)\" in either case") }
    if scalar.properties.isAlphabetic {
      set.ranges = [scalar.value | 0x20...scalar.value | 0x20, scalar.value & 0x5F...scalar.value & 0x5F]
      // The long s and the sign of kelvin.
      if scalar == "s" || scalar == "S" { set.ranges.append(0x17F...0x17F) }
      if scalar == "k" || scalar == "K" { set.ranges.append(0x212A...0x212A) }
    }
    return set
  }

  private mutating func bracket() throws(PatternError) -> PatternSet {
    guard !foldsCase else { throw refusal("a set in either case") }
    index += 1
    var set = PatternSet()
    set.isNegated = skip("^")
    var isFirst = true
    while true {
      guard let scalar = next else { throw refusal("no ']'") }
      if scalar == "]" {
        if isFirst { throw refusal("an empty set") }
        index += 1
        return set
      }
      isFirst = false
      if scalar == "[" {
        // Sets within sets are one, named classes are refused.
        if skip("[:") { throw refusal("a named class") }
        set.parts.append(try bracket())
        continue
      }
      if scalar == "&", index + 1 < scalars.count, scalars[index + 1] == "&" { throw refusal("'&&'") }
      let element = try element()
      guard let low = element.character else {
        set.parts.append(element.set)
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
    guard set.ranges.count == 1, !set.isNegated, let range = set.ranges.first, range.count == 1 else {
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
      // The original's library has the Latin-1 digits and fractions too.
      if !rustWords { set.ranges = [0xB2...0xB3, 0xB9...0xB9, 0xBC...0xBE] }
    case "n": return try literal("\n")
    case "r": return try literal("\r")
    case "t": return try literal("\t")
    case "f": return try literal("\u{0C}")
    case "v": return try literal("\u{0B}")
    case "p", "P":
      guard skip("{") else { throw refusal("'\\\(scalar)' without '{'") }
      set.isNegated = skip("^") != (scalar == "P")
      let first = index
      while let next, next != "}" { index += 1 }
      var name = String.UnicodeScalarView()
      name.append(contentsOf: scalars[first..<index])
      guard skip("}"), let categories = PatternSet.categories(String(name)) else {
        throw refusal("\\p{\(String(name))}")
      }
      set.categories = categories
      return set
    case "x", "u": return try hexadecimal(scalar)
    case _ where !scalar.properties.isAlphabetic && !("0"..."9").contains(scalar) && scalar.isASCII:
      return try literal(scalar)
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
    return try literal(scalar)
  }
}
