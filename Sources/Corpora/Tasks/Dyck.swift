// Dyck-(k, m): well-nested brackets of k kinds, at most m deep.

/// Brackets that open and close in order; every closing one is asked for.
///
/// Dyck-(k, m) is the language of Hewitt et al. 2020: which bracket closes is decided by the whole
/// nest that is open, m kinds remembered at the deepest. At each place a bracket opens or closes
/// with equal probability where both are possible, an opening one of any kind with equal
/// probability; near the end of the document only as many open as can still be closed. When to
/// close cannot be known, so only closing brackets are asked for.
public struct Dyck: SyntheticTask {
  /// Tokens in a document, even.
  public var length = 256
  /// Kinds of bracket, k.
  public var kinds = 8
  /// The deepest nest, m.
  public var depth = 8

  public static let name = "dyck"
  public static let summary = "close the bracket that was opened last, of several kinds, in nests"
  public static let source = "Hewitt et al. 2020, Dyck-(k, m)"
  public static let settings: [TaskSetting<Self>] = [
    .init("length", \.length, in: 2...longestDocument, "tokens in a document, even"),
    .init("kinds", \.kinds, in: 1...1 << 15, "kinds of bracket, k"),
    .init("depth", \.depth, in: 1...longestDocument, "the deepest nest, m"),
  ]

  public init() {}

  public func validate() throws(TaskError) {
    guard length % 2 == 0 else {
      throw TaskError("\(Self.name): length \(length) is odd; brackets come in pairs")
    }
  }

  public var vocabularySize: Int { 2 * kinds }
  public var answerChoices: Int { kinds }

  public func document(using generator: inout some RandomNumberGenerator) -> [Int32] {
    var open: [Int32] = []
    return (0..<length).map { place in
      let mustOpen = open.isEmpty
      let mustClose = open.count == min(depth, length - place)
      if mustOpen || !mustClose && generator.draw(below: 2) == 0 {
        let kind = Int32(generator.draw(below: kinds))
        open.append(kind)
        return kind
      }
      return Int32(kinds) + open.removeLast()
    }
  }

  public func asks(for token: Int32, at index: Int, of count: Int, after previous: Int32) -> Bool {
    token >= kinds
  }

  public func symbol(for token: Int32) -> String {
    let isOpening = token < kinds
    let kind = isOpening ? Int(token) : Int(token) - kinds
    let pairs: [(String, String)] = [("(", ")"), ("[", "]"), ("{", "}"), ("<", ">")]
    if kinds <= pairs.count { return isOpening ? pairs[kind].0 : pairs[kind].1 }
    return isOpening ? "(\(kind)" : "\(kind))"
  }
}
