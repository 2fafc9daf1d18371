// A small grammar with memory: rules are chosen afresh, words are drawn once and then recur.

import Foundation
import RunnelCorpora

/// Rules of text with slots, compiled for fast and repeatable generation.
///
/// The notation, one alternative of a rule per line:
///
///     [red|blue|green]   one of these, chosen at each place
///     <rule>             one alternative of a named rule
///     {slot}, {^slot}    the word drawn for this story, drawn at first use; capitalised
///     {a}, {^a}          a, or an before a slot that begins with a vowel; capitalised
///
/// Slots are the columns of tables. One row of a table is drawn per story, so that a girl stays
/// `she`, and the place where a thing was left is the place where it is found.
struct StoryGrammar: Sendable {
  /// A stretch of `text`.
  typealias Phrase = Range<Int>

  enum Node: Sendable {
    case text(Phrase)
    case slot(Int, isCapital: Bool)
    case article(Phrase)
    case rule(Int)
  }

  /// Where a slot finds its word.
  struct Slot: Sendable {
    var table: Int
    var column: Int
  }

  /// Rows of words, one of which is drawn for a story.
  struct Table: Sendable {
    /// The candidates: `rows[p]` if row p of the parent table was drawn, else `rows[0]`.
    var rows: [[[Phrase]]]
    /// The table whose draw decides which rows are candidates.
    var parent: Int?
    /// A table of equal rows whose draw is excluded here: a friend is somebody else.
    var other: Int?
  }

  private(set) var text: [UInt8] = []
  private(set) var rules: [[[Node]]] = []
  private(set) var slots: [Slot] = []
  private(set) var tables: [Table] = []
  private var slotNames: [String: Int] = [:]
  private var tableNames: [String: Int] = [:]
  private var ruleNames: [String: Int] = [:]

  /// Adds a table: `columns` names its slots, `rows` has a line per row, its cells parted by `|`.
  ///
  /// With a parent, `rows` holds blocks parted by blank lines, one for each row of the parent.
  mutating func addTable(
    _ name: String, _ columns: String, _ rows: String, under parent: String? = nil,
    otherThan other: String? = nil
  ) {
    let blocks = parent == nil ? [rows] : rows.components(separatedBy: "\n\n")
    let candidates = blocks.map { block in
      block.split(separator: "\n").map { line in
        line.split(separator: "|", omittingEmptySubsequences: false).map {
          intern($0.trimmingCharacters(in: .whitespaces))
        }
      }
    }
    for (column, slot) in columns.split(separator: " ").enumerated() {
      slotNames[String(slot)] = slots.count
      slots.append(Slot(table: tables.count, column: column))
    }
    tableNames[name] = tables.count
    tables.append(
      Table(
        rows: candidates, parent: parent.map { known($0, in: tableNames) },
        other: other.map { known($0, in: tableNames) }))
  }

  /// Adds a rule, after the rules and tables that it names. Blocks parted by blank lines follow
  /// each other with a space between; the lines of a block are alternatives, `-` an empty one.
  mutating func addRule(_ name: String, _ text: String) {
    var blocks: [Int] = []
    for block in text.components(separatedBy: "\n\n") {
      let space = blocks.isEmpty ? "" : " "
      let alternatives = block.split(separator: "\n").map {
        $0 == "-" ? [] : compile(Array((space + $0).utf8))
      }
      blocks.append(rules.count)
      rules.append(alternatives)
    }
    ruleNames[name] = rules.count
    rules.append([blocks.map { .rule($0) }])
  }

  /// The number of a named rule.
  func rule(_ name: String) -> Int { known(name, in: ruleNames) }

  private func known(_ name: String, in names: [String: Int]) -> Int {
    guard let number = names[name] else {
      preconditionFailure("the story grammar names \(name), which is not defined before it")
    }
    return number
  }

  private mutating func intern(_ word: some StringProtocol) -> Phrase {
    let start = text.count
    text.append(contentsOf: word.utf8)
    return start..<text.count
  }

  private mutating func compile(_ source: [UInt8]) -> [Node] {
    var at = 0
    return compile(source, &at, nested: false)[0]
  }

  /// Compiles alternatives parted by `|` up to `]`, or one alternative up to the end.
  private mutating func compile(_ source: [UInt8], _ at: inout Int, nested: Bool) -> [[Node]] {
    var alternatives: [[Node]] = [[]]
    func add(_ node: Node) { alternatives[alternatives.count - 1].append(node) }
    while at < source.count {
      let byte = source[at]
      switch byte {
      case UInt8(ascii: "|") where nested:
        at += 1
        alternatives.append([])
      case UInt8(ascii: "]") where nested:
        at += 1
        return alternatives
      case UInt8(ascii: "["):
        at += 1
        let inner = compile(source, &at, nested: true)
        rules.append(inner)
        add(.rule(rules.count - 1))
      case UInt8(ascii: "<"):
        add(.rule(known(word(source, &at, UInt8(ascii: ">")), in: ruleNames)))
      case UInt8(ascii: "{"):
        var name = word(source, &at, UInt8(ascii: "}"))
        let isCapital = name.hasPrefix("^")
        if isCapital { name.removeFirst() }
        if name == "a" {
          add(.article(intern(isCapital ? "A" : "a")))
        } else {
          add(.slot(known(name, in: slotNames), isCapital: isCapital))
        }
      default:
        let start = at
        while at < source.count, !"[]|<{".utf8.contains(source[at]) { at += 1 }
        if at == start { at += 1 }  // a bar or bracket outside a choice stands for itself
        add(.text(intern(String(decoding: source[start..<at], as: UTF8.self))))
      }
    }
    precondition(!nested, "a choice in the story grammar is not closed")
    return alternatives
  }

  private func word(_ source: [UInt8], _ at: inout Int, _ close: UInt8) -> String {
    guard let end = source[at...].firstIndex(of: close) else {
      preconditionFailure("a name in the story grammar is not closed")
    }
    defer { at = end + 1 }
    return String(decoding: source[(at + 1)..<end], as: UTF8.self)
  }
}

/// The telling of stories from a grammar: what was drawn, what was spent.
struct StoryTeller: Sendable {
  private let grammar: StoryGrammar
  private var generator: SplitMix64
  private var drawn: [Int?]  // per table, the row drawn for this story
  private var sources: [Int]  // per table, the parent's row that it was drawn under
  private var article = -1  // where the last a ended, which a vowel turns into an
  /// The logarithm of the number of ways in which the choices so far might have gone, in nats.
  var entropy = 0.0
  private let logarithms = (0...1024).map { log(Double(max(1, $0))) }

  init(_ grammar: StoryGrammar, seed: UInt64) {
    self.grammar = grammar
    generator = SplitMix64(seed: seed)
    drawn = grammar.tables.map { _ in nil }
    sources = grammar.tables.map { _ in 0 }
  }

  /// Appends one telling of a rule to `output`, all words drawn anew.
  mutating func tell(_ rule: Int, into output: inout [UInt8]) {
    for i in drawn.indices { drawn[i] = nil }
    expand(rule, into: &output)
  }

  private mutating func choose(_ count: Int) -> Int {
    guard count > 1 else { return 0 }
    entropy += logarithms[count]
    return generator.next(below: count)
  }

  private mutating func expand(_ rule: Int, into output: inout [UInt8]) {
    let alternatives = grammar.rules[rule]
    for node in alternatives[choose(alternatives.count)] {
      switch node {
      case .text(let phrase): output.append(contentsOf: grammar.text[phrase])
      case .article(let phrase):
        output.append(contentsOf: grammar.text[phrase])
        article = output.count
      case .rule(let inner): expand(inner, into: &output)
      case .slot(let slot, let isCapital): append(slot, isCapital, to: &output)
      }
    }
  }

  private mutating func append(_ slot: Int, _ isCapital: Bool, to output: inout [UInt8]) {
    let (table, column) = (grammar.slots[slot].table, grammar.slots[slot].column)
    let row = draw(table)
    let phrase = grammar.tables[table].rows[sources[table]][row][column]
    let start = output.count
    output.append(contentsOf: grammar.text[phrase])
    if isCapital { output[start] &= 0xDF }
    if article == start - 1, "aeiou".utf8.contains(output[start]) {
      output.insert(UInt8(ascii: "n"), at: article)
    }
  }

  /// The row of a table for this story.
  private mutating func draw(_ table: Int) -> Int {
    if let row = drawn[table] { return row }
    if let parent = grammar.tables[table].parent { sources[table] = draw(parent) }
    let count = grammar.tables[table].rows[sources[table]].count
    var row: Int
    if let other = grammar.tables[table].other {
      let taken = draw(other)
      row = choose(count - 1)
      if row >= taken { row += 1 }
    } else {
      row = choose(count)
    }
    drawn[table] = row
    return row
  }
}
