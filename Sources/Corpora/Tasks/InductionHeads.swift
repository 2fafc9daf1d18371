// Induction heads: what followed the last time?

/// Random tokens among which a special one stands once; at the end it comes again, and the token
/// that followed it is asked for.
///
///     …, special, x, …, special, x
///
/// Solved by noting one token, so by a selective recurrence at any length once it is learnt at
/// one (Gu and Dao 2023, section 4.1.2 and table 2, after Olsson et al. 2022: trained at length
/// 256 with 16 kinds of token, tested from 64 to a million). Lengths drawn from a range are ours:
/// the short documents are learnt first and teach the long ones, in a fraction of the time.
public struct InductionHeads: SyntheticTask {
  /// Tokens in a document, the answer with them.
  public var length = 256
  /// Tokens in the shortest document; 0 where all are equally long.
  public var shortest = 0
  /// kinds of token, the special one with them.
  public var vocabulary = 16

  static let special: Int32 = 0

  public static let name = "induction"
  public static let summary = "name the token that followed the special one before"
  public static let source = "Olsson et al. 2022; Gu and Dao 2023, section 4.1.2"
  public static let settings: [TaskSetting<Self>] = [
    .init("length", \.length, in: 4...longestDocument, "tokens in a document"),
    .init("shortest", \.shortest, in: 0...longestDocument, "the fewest tokens; 0: all of one length"),
    .init("vocabulary", \.vocabulary, in: 2...1 << 16, "kinds of token, the special one with them"),
  ]

  public init() {}

  public func validate() throws(TaskError) {
    guard shortest == 0 || (4...length).contains(shortest) else {
      throw TaskError("\(Self.name): shortest is \(shortest); it must be 0 or in 4...\(length)")
    }
  }

  public var vocabularySize: Int { vocabulary }
  public var answerChoices: Int { vocabulary - 1 }

  public func document(using generator: inout some RandomNumberGenerator) -> [Int32] {
    let length = generator.drawLength(from: shortest, to: length)
    var document = (0..<length).map { _ in Int32(1 + generator.draw(below: vocabulary - 1)) }
    let place = generator.draw(below: length - 3)
    document[place] = Self.special
    document[length - 2] = Self.special
    document[length - 1] = document[place + 1]
    return document
  }

  public func asks(for token: Int32, at index: Int, of count: Int, after previous: Int32) -> Bool {
    index == count - 1
  }

  public func symbol(for token: Int32) -> String {
    token == Self.special ? "*" : letters(Int(token) - 1)
  }
}
