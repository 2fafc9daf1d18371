/// Learning rates of some parameters, as factors: `embedding=0.5` beside what the mixers' own traits say.

import RunnelMixers
import RunnelModels

/// Factors on the learning rate of the parameters that patterns name; in `run.json` an object of them.
///
/// A pattern is one or more parts of a name between dots, `*` for anything within a part: `embedding`, `layers.0`, `A_log` or
/// `mixer.*_proj`. Where several name a parameter, their factors are multiplied; 0 keeps it as it is.
public struct RateFactors: Sendable, Equatable {
  /// By the pattern.
  public var factors: [String: Double]

  /// - Parameter factors: by the pattern.
  public init(_ factors: [String: Double]) { self.factors = factors }

  /// The factor of a parameter.
  func factor(of name: String) -> Double {
    // In an order of their own, as a product of floats depends on it.
    factors.sorted { $0.key < $1.key }.reduce(1) { Self.matches($1.key, name) ? $0 * $1.value : $0 }
  }

  /// Refuses a pattern that names no parameter of a model.
  func check(_ places: [ParameterPlace]) throws {
    for pattern in factors.keys.sorted() where !places.contains(where: { Self.matches(pattern, $0.name) }) {
      var names: [String] = []
      // Layers are alike.
      for place in places {
        let name = place.name.replacing(/\.[0-9]+\./, with: ".*.")
        if !names.contains(name) { names.append(name) }
      }
      throw TrainingError(
        "no parameter is named by the pattern \"\(pattern)\" of --rate; there are \(names.joined(separator: ", "))"
      )
    }
  }

  /// Whether the parts of a pattern are parts of a name, side by side.
  private static func matches(_ pattern: String, _ name: String) -> Bool {
    let wanted = pattern.split(separator: ".", omittingEmptySubsequences: false)
    let parts = name.split(separator: ".")
    guard wanted.count <= parts.count else { return false }
    return (0...parts.count - wanted.count).contains { start in
      zip(wanted, parts[start...]).allSatisfy { isLike(Array($1), Array($0)) }
    }
  }

  /// Whether a word is what a pattern with `*` stands for.
  private static func isLike(_ word: [Character], _ pattern: [Character]) -> Bool {
    // The places of the pattern that the characters so far can have led to.
    func skippingStars(_ places: Set<Int>) -> Set<Int> {
      var places = places
      for place in pattern.indices where places.contains(place) && pattern[place] == "*" {
        places.insert(place + 1)
      }
      return places
    }
    var places = skippingStars([0])
    for character in word {
      places = skippingStars(
        Set(
          places.compactMap { place in
            guard place < pattern.count else { return nil }
            return pattern[place] == "*" ? place : pattern[place] == character ? place + 1 : nil
          }))
    }
    return places.contains(pattern.count)
  }
}

extension RateFactors: Codable {
  public init(from decoder: any Decoder) throws {
    factors = try decoder.singleValueContainer().decode([String: Double].self)
  }
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(factors)
  }
}
