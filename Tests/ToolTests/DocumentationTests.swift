/// What a user of the library can name has a comment: what it is, its shape or unit, what is thrown and when.

import Foundation
import Testing

@Suite struct Documentation {
  private static func declarations() throws -> [Declaration] {
    let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Sources")
    let files = try #require(FileManager.default.enumerator(atPath: sources.path))
    var declarations: [Declaration] = []
    for case let file as String in files where file.hasSuffix(".swift") && !file.hasPrefix("runnel-tool/") {
      let text = try String(contentsOf: sources.appendingPathComponent(file), encoding: .utf8)
      declarations += Declaration.all(in: text, file: file)
    }
    try #require(declarations.count > 4000, "the sources are elsewhere")
    return declarations
  }

  private func expect(
    _ found: [Declaration], _ complaint: String, at location: SourceLocation = #_sourceLocation
  ) {
    let list = found.map { "Sources/\($0.file):\($0.line): \($0.text)" }.joined(separator: "\n")
    #expect(found.isEmpty, "\(complaint):\n\(list)", sourceLocation: location)
  }

  @Test func `every public declaration of the library has a comment`() throws {
    expect(Declaration.withoutComment(try Self.declarations()), "no comment above")
  }

  @Test func `the comment of every public function that throws says when`() throws {
    expect(Declaration.withoutErrors(try Self.declarations()), "nothing of what is thrown above")
  }

  @Test(
    "a declaration needs a comment unless what it stands for has one",
    arguments: [
      ("public struct A {}", 1), ("/// A.\npublic struct A {}", 0), ("/// A.\n\npublic struct A {}", 1),
      ("struct A {\n  var a: Int\n}", 0), ("package struct A {}", 0), ("open class A {}", 1),
      ("/// A.\n@frozen\npublic struct A {}", 0), ("@frozen public struct A {}", 1),
      ("/// A.\npublic struct A {\n  public private(set) var a = 0, b = 0\n  public let c = 0\n}", 2),
      ("/// A.\npublic struct A {\n  /// Both.\n  public var a = 0, b = 0\n}", 0),
      ("/// A.\npublic enum A { case a }\nextension A {\n  public static func make() {}\n}", 1),
      ("/// A.\npublic struct A: Equatable {\n  public static func == (a: A, b: A) -> Bool { true }\n}", 0),
      ("/// A.\npublic struct A {\n  public static func == (a: A, b: A) -> Bool { true }\n}", 1),
      (
        "/// A.\npublic struct A: Codable {\n  public init(\n    a: Int\n  ) {}\n  public init(from a: any Decoder) {}\n}",
        1
      ),
      ("/// P.\npublic protocol P {\n  /// a\n  var a: Int { get }\n  init()\n}", 1),
      ("protocol P {\n  var a: Int { get }\n}\nextension A: P {\n  public var a: Int { 0 }\n}", 0),
      (
        "protocol P {\n  var a: Int { get }\n}\nprotocol Q: P {}\nextension Q {\n  public var a: Int { 0 }\n}",
        0
      ),
      (
        "/// A.\npublic struct A: MixerConfiguration {\n  public var a = 0\n  public var b: Int {\n    0\n  }\n}",
        1
      ),
      ("let text = \"\"\"\n  public var a = 0\n  \"\"\"", 0), ("open(file)", 0),
    ])
  func comments(source: String, missing: Int) {
    #expect(Declaration.withoutComment(Declaration.all(in: source, file: "A.swift")).count == missing)
  }

  @Test(
    "a comment tells of errors where its function throws them, and not those of what it is given",
    arguments: [
      ("/// A.\npublic func a() throws {}", 1),
      ("/// A.\n///\n/// - Throws: now and then.\npublic func a() throws {}", 0),
      ("/// A.\npublic func a() {}", 0), ("/// A.\npublic func a(_ f: () throws -> Int) {}", 0),
      ("/// A.\npublic func a(_ f: () throws -> Int) rethrows {}", 0),
      ("/// A.\npublic func a(\n  _ f: () throws -> Int\n) async throws(B) -> Int {\n}", 1),
      ("/// A.\npublic init<T>(_ t: T) throws {}", 1), ("/// A.\nfunc a() throws {}", 0),
      ("/// P.\npublic protocol P {\n  /// a\n  func a() throws\n  /// b\n  func b()\n}", 1),
      ("/// A.\npublic struct A: Codable {\n  public init(from a: any Decoder) throws {}\n}", 0),
    ])
  func errors(source: String, missing: Int) {
    #expect(Declaration.withoutErrors(Declaration.all(in: source, file: "A.swift")).count == missing)
  }
}

/// A declaration as its first lines show it. Sources are formatted, so indentation tells what lies in what.
private struct Declaration {
  var file: String
  var line: Int
  var text: String
  var kind: Substring
  /// Of a function or an initialiser with the first label: `init(from`.
  var name: Substring
  var isPublic: Bool
  var isThrowing: Bool
  var comment: String
  /// The names behind a type's colon.
  var heritage: [Substring]
  /// The kind and the name of the type or extension around it.
  var parent: (kind: Substring, name: Substring)?

  var isType: Bool { Self.types.contains(kind) }
  private static let types: Set<Substring> = ["struct", "enum", "class", "actor", "protocol", "extension"]

  /// What protocols from outside ask for.
  private static let standardRequirements: [Substring: Set<Substring>] = [
    "CustomStringConvertible": ["description"], "LocalizedError": ["errorDescription"],
    "Equatable": ["=="], "Hashable": ["==", "hash(into"], "Comparable": ["<", "=="],
    "Codable": ["encode(to", "init(from"], "Encodable": ["encode(to"], "Decodable": ["init(from"],
    "CaseIterable": ["allCases"], "RandomNumberGenerator": ["next("],
    "ExpressibleByArrayLiteral": ["init(arrayLiteral"],
    "RandomAccessCollection": ["startIndex", "endIndex", "subscript"],
    "AsyncSequence": ["makeAsyncIterator("], "AsyncIteratorProtocol": ["next("],
  ]

  /// Public ones without a comment, but for those that a protocol explains.
  static func withoutComment(_ all: [Declaration]) -> [Declaration] {
    unexplained(all).filter(\.comment.isEmpty)
  }

  /// Public ones that throw and do not say so, but for those that a protocol explains.
  static func withoutErrors(_ all: [Declaration]) -> [Declaration] {
    unexplained(all).filter {
      $0.isThrowing && !$0.comment.isEmpty && !$0.comment.contains(#/[Tt]hrow|[Rr]efuse/#)
    }
  }

  /// Public ones that no protocol asks for: a requirement's comment is that of whatever fulfils it.
  private static func unexplained(_ all: [Declaration]) -> [Declaration] {
    var requirements = standardRequirements
    var heritage: [Substring: Set<Substring>] = [:]
    for declaration in all {
      let name = declaration.name.split(separator: ".").last ?? ""
      if declaration.isType || declaration.kind == "typealias" {
        heritage[name, default: []].formUnion(declaration.heritage)
      }
      if let parent = declaration.parent, parent.kind == "protocol" {
        requirements[parent.name, default: []].insert(declaration.name)
      }
    }
    func isAskedFor(_ name: Substring, of type: Substring, seen: Set<Substring> = []) -> Bool {
      requirements[type]?.contains(name) == true
        || (heritage[type] ?? []).subtracting(seen).contains {
          isAskedFor(name, of: $0, seen: seen.union([type]))
        }
    }
    return all.filter { declaration in
      guard declaration.isPublic else { return false }
      guard let parent = declaration.parent, parent.kind != "protocol" else { return true }
      // The help line of its setting explains a number of a mixer's configuration.
      if declaration.kind == "var", heritage[parent.name]?.contains("MixerConfiguration") == true {
        return declaration.text.hasSuffix("{")
      }
      return !isAskedFor(declaration.name, of: parent.name.split(separator: ".").last ?? "")
    }
  }

  static func all(in source: String, file: String) -> [Declaration] {
    let modifier =
      #/(?:@\w+(?:\([^)]*\))?|(?:public|package|private|fileprivate|internal|open|unowned|nonisolated)(?:\(\w+\))?|final|static|class|mutating|consuming|borrowing|indirect|override|convenience|required|lazy|weak)\s+/#
    let keyword =
      #/(?<kind>func|var|let|init|subscript|struct|enum|class|actor|protocol|typealias|associatedtype|extension)\b\??\s*`?(?<name>[\w.]+|[^\s\w(]+)?/#
    let lines = source.split(separator: "\n", omittingEmptySubsequences: false)
    var found: [Declaration] = []
    var open: [(indentation: Int, kind: Substring, name: Substring, isPublic: Bool)] = []
    var isInText = false
    for (index, line) in lines.enumerated() {
      let wasInText = isInText
      if line.split(separator: "\"\"\"", omittingEmptySubsequences: false).count % 2 == 0 {
        isInText.toggle()
      }
      guard !wasInText else { continue }
      let indentation = line.prefix { $0 == " " }.count
      var rest = line.dropFirst(indentation)
      guard let first = rest.first, !"/{})]".contains(first) else { continue }
      while let last = open.last, last.indentation >= indentation { open.removeLast() }
      var modifiers: Set<Substring> = []
      // `class` is also a kind.
      while let match = rest.prefixMatch(of: modifier), rest.prefixMatch(of: #/class\s+[A-Z]/#) == nil {
        modifiers.formUnion(match.output.split(separator: " "))
        rest = rest[match.range.upperBound...]
      }
      guard let match = rest.prefixMatch(of: keyword) else { continue }
      let kind = match.output.kind, parent = open.last
      var name = ["init", "subscript"].contains(kind) ? kind : match.output.name ?? ""
      let signature = lines[index..<min(index + 16, lines.count)].joined(separator: " ")
      let isFunction = kind == "init" || kind == "func"
      if isFunction, name.first?.isLetter == true {
        name += signature.firstMatch(of: #/\(\s*\w*/#).map { $0.output.filter { $0 != " " } } ?? ""
      }
      let isPublic =
        kind != "extension"
        && (!modifiers.isDisjoint(with: ["public", "open"])
          || parent.map { $0.kind == "protocol" && $0.isPublic } == true)
      var above = lines[..<index]
      while let last = above.last?.drop(while: { $0 == " " }), last.hasPrefix("@") { above.removeLast() }
      let comment = above.suffix { $0.drop { $0 == " " }.hasPrefix("///") }.joined(separator: "\n")
      let declaration = Declaration(
        file: file, line: index + 1, text: String(line.dropFirst(indentation)), kind: kind, name: name,
        isPublic: isPublic, isThrowing: isFunction && throwsErrors(signature), comment: comment,
        heritage: heritage(kind, in: lines[index...]), parent: parent.map { ($0.kind, $0.name) })
      found.append(declaration)
      if declaration.isType { open.append((indentation, kind, name, isPublic)) }
    }
    return found
  }

  /// Whether a function throws errors of its own: the word stands behind its parameters.
  private static func throwsErrors(_ signature: String) -> Bool {
    guard let start = signature.firstIndex(of: "(") else { return false }
    var depth = 0
    let end = signature[start...].firstIndex { character in
      depth += character == "(" ? 1 : character == ")" ? -1 : 0
      return depth == 0
    }
    return end.map { signature[$0...].prefixMatch(of: #/\)\s*(?:async\s+)?throws\b/#) != nil } == true
  }

  /// The protocols of a type, or those that a typealias joins.
  private static func heritage(_ kind: Substring, in lines: ArraySlice<Substring>) -> [Substring] {
    guard types.contains(kind) || kind == "typealias" else { return [] }
    var head = lines.prefix { !$0.contains("{") } + lines.drop { !$0.contains("{") }.prefix(1)
    if kind == "typealias" { head = lines.prefix(1) }
    let text =
      head.joined(separator: " ").split(separator: "{").first?.split(separator: " where ").first ?? ""
    let plain = text.replacing(#/<[^>]*>/#, with: "")
    guard let start = plain.firstIndex(of: kind == "typealias" ? "=" : ":") else { return [] }
    return plain[plain.index(after: start)...].split { ",&".contains($0) }.compactMap {
      $0.split { " .".contains($0) }.last.map { Substring(String($0)) }
    }
  }
}

extension BidirectionalCollection {
  /// The elements at the end that all fulfil the condition.
  fileprivate func suffix(while holds: (Element) -> Bool) -> SubSequence {
    self[(lastIndex { !holds($0) }.map { index(after: $0) } ?? startIndex)...]
  }
}
