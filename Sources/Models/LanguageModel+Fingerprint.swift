/// What tells models apart: as functions, by their numbers and by the configuration that says what is done with them.

import RunnelMixers
import RunnelTensors

/// The mark of a function from tokens to scores. Whatever form a model's weights have, the same numbers give the same mark.
public struct Fingerprint: Sendable, Equatable, CustomStringConvertible {
  /// A hash of all parameters, bit for bit; of packed weights, of the numbers that they stand for.
  public let weights: String
  /// A hash of the configuration; nil in files of older versions, which kept that of the weights alone.
  public let configuration: String?

  init(weights: String, configuration: String) {
    (self.weights, self.configuration) = (weights, configuration)
  }

  /// What ``description`` gave, or the weights' part alone.
  public init(_ text: String) {
    let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    weights = String(parts[0])
    configuration = parts.count > 1 ? String(parts[1]) : nil
  }

  public var description: String { weights + (configuration.map { "-" + $0 } ?? "") }

  /// Whether nothing speaks against the other's being the same function.
  public func agrees(with other: Self) -> Bool {
    weights == other.weights
      && (configuration == nil || other.configuration == nil || configuration == other.configuration)
  }
}

extension LanguageModel {
  public var identity: Fingerprint {
    Fingerprint(
      weights: storedFingerprint ?? weightsFingerprint, configuration: configuration.functionHash)
  }

  /// ``identity`` as text.
  public var fingerprint: String { identity.description }

  private var weightsFingerprint: String {
    var hash = WordHash()
    var copy = self
    copy.visit { place, stored in
      hash.mix(place.name)
      for extent in stored.shape { hash.mix(UInt64(extent)) }
      stored.numbers.withBits { bits in for word in bits { hash.mix(UInt64(word)) } }
    }
    return hash.text
  }
}

extension ModelConfiguration {
  /// Equal for configurations that make the same function of the same parameters. What has the architecture's default, or
  /// only says where training begins, is left out, so that a setting that is new leaves old models what they were.
  var functionHash: String {
    var hash = WordHash()
    hash.mix(norm.rawValue)
    for layer in 0...layers { hash.mix(normEpsilon(ofLayer: layer)) }
    hash.mix(UInt64(normalizesEmbedding ? 1 : 0))
    hash.mix(embeddingScale)
    hash.mix(logitCap)
    let choices = mixers.map { choice in
      var words = [choice.name] + choice.functionSettings
      if case .gated(_, let usual) = choice.feedForward { words.append((activation ?? usual).rawValue) }
      return words
    }
    for layer in 0..<layers { for word in choices[layer % choices.count] { hash.mix(word) } }
    return hash.text
  }
}

extension MixerChoice {
  /// The settings that enter the function and are not the architecture's own at this width, in the order of their names.
  fileprivate var functionSettings: [String] {
    func settings<C: MixerConfiguration>(_ own: C) -> [String] {
      let usual = C(width: own.width)
      return C.settings.filter { $0.kind == .plain || $0.kind == .tokens }
        .filter { $0.text(own) != $0.text(usual) }
        .map { camelCase($0.name) + "=" + hashed($0.text(own)) }.sorted()
    }
    return settings(configuration)
  }
}

/// The spelling of names in fingerprints.
private func camelCase(_ name: String) -> String {
  let words = name.split(separator: "_")
  return words.prefix(1).joined()
    + words.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
}

/// The spelling of values there: a number is its bits.
private func hashed(_ value: String) -> String {
  value == "none" ? "null" : Double(value).map { "\($0.bitPattern)" } ?? value
}

/// FNV-1a, a word at a time.
private struct WordHash {
  private var hash: UInt64 = 0xcbf2_9ce4_8422_2325
  mutating func mix(_ word: UInt64) { hash = (hash ^ word) &* 0x100_0000_01b3 }
  mutating func mix(_ text: String) { for byte in text.utf8 { mix(UInt64(byte)) } }
  mutating func mix(_ number: Float) { mix(UInt64(number.bitPattern)) }
  var text: String { String(hash, radix: 16) }
}
