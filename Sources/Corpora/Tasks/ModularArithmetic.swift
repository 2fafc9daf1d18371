// Modular arithmetic: a sum told term by term, whose result is asked for.

/// Digits and operators, then = and the result modulo p.
///
///     3 × 2 − 4 + 1 = 3        (p = 5)
///
/// The task "modular arithmetic" without brackets of Delétang et al. 2022, a regular language: a
/// finite state (the sum so far, the product so far, its sign) follows the text, so it tells which
/// recurrences track a state. × binds before + and −. The number of terms is drawn evenly from
/// `fewestTerms` to `terms` as theirs is, which lets short expressions teach long ones. It was
/// chosen over the modular addition of two numbers of Power et al. 2022, which asks for
/// generalisation from a table and not for memory.
public struct ModularArithmetic: SyntheticTask {
  /// p.
  public var modulus = 5
  /// The most terms.
  public var terms = 20
  /// The fewest terms.
  public var fewestTerms = 1
  /// 1: only +; 2: + and −; 3: + − ×.
  public var operators = 3

  public static let name = "modular"
  public static let summary = "give the result of a chain of + − × modulo p"
  public static let source = "Delétang et al. 2022, modular arithmetic without brackets"
  public static let settings: [TaskSetting<Self>] = [
    .init("modulus", \.modulus, in: 2...1 << 15, "p"),
    .init("terms", \.terms, in: 1...longestDocument / 2, "the most terms"),
    .init("fewest_terms", \.fewestTerms, in: 1...longestDocument / 2, "the fewest terms"),
    .init("operators", \.operators, in: 1...3, "1: +, 2: + −, 3: + − ×"),
  ]

  public init() {}

  public func validate() throws(TaskError) {
    guard fewestTerms <= terms else {
      throw TaskError("\(Self.name): fewest_terms is \(fewestTerms), more than the terms \(terms)")
    }
  }

  /// Digits 0 ..< p, then the operators, then =.
  public var vocabularySize: Int { modulus + operators + 1 }
  public var answerChoices: Int { modulus }

  public func document(using generator: inout some RandomNumberGenerator) -> [Int32] {
    let count = fewestTerms + generator.draw(below: terms - fewestTerms + 1)
    var document: [Int32] = []
    document.reserveCapacity(2 * count + 1)
    var sum = 0  // of the finished products
    var product = 1  // the one in progress, with its sign
    for term in 0..<count {
      if term > 0 {
        let sign = generator.draw(below: operators)
        document.append(Int32(modulus + sign))
        if sign < 2 {
          sum = (sum + product) % modulus
          product = sign == 0 ? 1 : modulus - 1
        }
      }
      let digit = generator.draw(below: modulus)
      document.append(Int32(digit))
      product = product * digit % modulus
    }
    document.append(Int32(modulus + operators))
    document.append(Int32((sum + product) % modulus))
    return document
  }

  public func asks(for token: Int32, at index: Int, of count: Int, after previous: Int32) -> Bool {
    index == count - 1
  }

  public func symbol(for token: Int32) -> String {
    if token < modulus { return "\(token)" }
    return token == modulus + operators ? "=" : ["+", "-", "×"][Int(token) - modulus]
  }
}
