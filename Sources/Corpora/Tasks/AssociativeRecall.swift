// Multi-query associative recall: a dictionary first, then many look-ups in it.

import Foundation

/// Pairs of a key and its value; later each key comes once more, and its value is asked for.
///
///     k₁ v₁ k₂ v₂ … k_n v_n, then in slots of two tokens: k v (a query and its answer) or filler
///
/// The recipe of Arora et al. 2023 (Zoology, section 4 and appendix on synthetics): keys and values
/// from the two halves of the vocabulary, none of them twice in a document, queries in slots drawn
/// without replacement with probability ∝ s^(power − 1) for the slot number s = 1, 2, …, so that
/// most queries come soon. Theirs may write random tokens where no query stands; here it is always
/// the filler, which makes a query known by its token.
public struct AssociativeRecall: SyntheticTask {
  /// Tokens in a document.
  public var length = 128
  /// Pairs of key and value, n.
  public var pairs = 8
  /// Kinds of token: the filler, vocabulary / 2 − 1 keys, and values.
  public var vocabulary = 128
  /// How evenly queries lie: 1 is uniform, towards 0 they come soon.
  public var power = 0.01

  static let filler: Int32 = 0

  public static let name = "mqar"
  public static let summary = "answer every later query of a key with the value it was paired with"
  public static let source = "Arora et al. 2023 (Zoology), multi-query associative recall"
  public static let settings: [TaskSetting<Self>] = [
    .init("length", \.length, in: 4...longestDocument, "tokens in a document"),
    .init("pairs", \.pairs, in: 1...1 << 20, "pairs of key and value"),
    .init("vocabulary", \.vocabulary, in: 4...1 << 22, "kinds of token: filler, keys, values"),
    .init("power", \.power, in: 0.0001...1, "1: queries lie evenly; towards 0: most come soon"),
  ]

  public init() {}

  public func validate() throws(TaskError) {
    guard length >= 4 * pairs else {
      throw TaskError(
        "\(Self.name): length \(length) has no room for \(pairs) pairs and as many queries; it must "
          + "be at least \(4 * pairs)")
    }
    guard pairs < firstValue else {
      throw TaskError(
        "\(Self.name): vocabulary \(vocabulary) has \(firstValue - 1) keys, \(pairs) are needed; it "
          + "must be at least \(2 * pairs + 2)")
    }
  }

  public var vocabularySize: Int { vocabulary }
  public var answerChoices: Int { vocabulary - firstValue }
  /// Keys are 1 ..< firstValue, values firstValue ..< vocabulary.
  private var firstValue: Int { vocabulary / 2 }

  public func document(using generator: inout some RandomNumberGenerator) -> [Int32] {
    let keys = generator.drawSequence(of: pairs, below: firstValue - 1).map { Int32(1 + $0) }
    let values = generator.drawSequence(of: pairs, below: answerChoices).map {
      Int32(firstValue + $0)
    }
    var document = [Int32](repeating: Self.filler, count: length)
    for i in 0..<pairs {
      document[2 * i] = keys[i]
      document[2 * i + 1] = values[i]
    }
    for (i, slot) in slots(using: &generator).enumerated() {
      document[2 * (pairs + slot)] = keys[i]
      document[2 * (pairs + slot) + 1] = values[i]
    }
    return document
  }

  /// For each pair the slot of its query: drawn one after the other, no slot twice.
  private func slots(using generator: inout some RandomNumberGenerator) -> [Int] {
    let count = (length - 2 * pairs) / 2
    var sums: [Double] = []
    var sum = 0.0
    for slot in 1...count {
      sum += pow(Double(slot), power - 1)
      sums.append(sum)
    }
    var taken = [Bool](repeating: false, count: count)
    return (0..<pairs).map { _ in
      while true {
        let place = Double(generator.next() >> 11) * 0x1p-53 * sum
        let slot = min(count - 1, partition(count) { sums[$0] > place })
        if !taken[slot] {
          taken[slot] = true
          return slot
        }
      }
    }
  }

  public func asks(for token: Int32, at index: Int, of count: Int, after previous: Int32) -> Bool {
    index >= 2 * pairs && index % 2 == 1 && previous != Self.filler
  }

  public func symbol(for token: Int32) -> String {
    token == Self.filler ? "." : token < firstValue ? "k\(token)" : "v\(Int(token) - firstValue)"
  }
}
