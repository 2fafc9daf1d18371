/// What tells models apart: as functions, by their numbers and by the configuration that says what is done with them.

import RunnelFiles
import RunnelKernels
import RunnelMixers
import RunnelTensors

/// The mark of a function from tokens to scores. Whatever form a model's weights have, the same numbers give the same mark.
public struct Fingerprint: Sendable, Equatable, CustomStringConvertible {
  /// A SHA-256 of all parameters, bit for bit; of packed weights, of the numbers that they stand for. In files of earlier
  /// versions a hash of 64 bits, which a model computes where it meets one.
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

  /// Hashes of 64 bits, without leading zeros.
  package var isOfEarlierVersion: Bool {
    weights.utf8.count <= 16 && !weights.isEmpty && weights.allSatisfy(\.isHexDigit)
  }
}

extension LanguageModel {
  public var identity: Fingerprint {
    Fingerprint(weights: weightsHash(of: entries), configuration: configuration.functionHash)
  }
}

extension StreamingModel {
  public var identity: Fingerprint {
    Fingerprint(
      weights: knownWeights ?? weightsHash(of: entries), configuration: configuration.functionHash)
  }

  /// The same model, whose fingerprint is computed once.
  package var identified: Self {
    var copy = self
    copy.knownWeights = identity.weights
    return copy
  }
}

extension LanguageFunction {
  /// ``identity`` as text.
  public var fingerprint: String { identity.description }

  /// ``identity`` as the version says it that wrote another mark, so that the two compare.
  package func identity(asIn saved: Fingerprint) -> Fingerprint {
    guard saved.isOfEarlierVersion else { return identity }
    return Fingerprint(
      weights: earlierWeightsHash(of: entries), configuration: configuration.functionHash)
  }
}

/// The SHA-256 of what each parameter is: its name, its shape, and the SHA-256 of each block of its numbers, so that all threads
/// hash.
private func weightsHash(of entries: [ParameterEntry]) -> String {
  let block = 1 << 18
  var whole = SHA256()
  for entry in entries {
    let numbers = entry.stored.numbers
    let blocks = (numbers.count + block - 1) / block
    let digests = [String](unsafeUninitializedCapacity: blocks) { digests, count in
      let places = digests
      WorkerPool.shared.run(blocks) { i in
        let count = min(block, numbers.count - i * block)
        var hash = SHA256()
        hash.update(UnsafeRawBufferPointer(start: numbers.base + i * block, count: 4 * count))
        places.initializeElement(at: i, to: hash.digest())
      }
      count = blocks
    }
    let line = "\(entry.place.name) \(Array(entry.place.shape)) " + digests.joined(separator: " ") + "\n"
    Array(line.utf8).withUnsafeBytes { whole.update($0) }
  }
  return whole.digest()
}

/// What earlier versions had for ``weightsHash(of:)``: FNV-1a of each parameter's name, extents and bits.
private func earlierWeightsHash(of entries: [ParameterEntry]) -> String {
  var hash = WordHash()
  for entry in inEarlierOrder(entries) {
    hash.mix(entry.place.name)
    for extent in entry.place.shape { hash.mix(UInt64(extent)) }
    let numbers = entry.stored.numbers
    for i in 0..<numbers.count { hash.mix(numbers.base[i]) }
  }
  return hash.text
}

/// The order of those versions: the convolutions of a mixer's operands stood together, behind what makes its decays and in
/// front of what is made of its memory.
private func inEarlierOrder(_ entries: [ParameterEntry]) -> [ParameterEntry] {
  var ordered: [ParameterEntry] = [], convolutions: [ParameterEntry] = []
  for entry in entries {
    let parts = entry.place.name.split(separator: ".")
    let part = parts.count > 3 && parts[2] == "mixer" ? parts[3] : ""
    if part.hasSuffix("_conv1d") {
      convolutions.append(entry)
      continue
    }
    if ["lower_bound_logit", "g_proj", "g_norm", "o_norm", "o_proj"].contains(part) {
      ordered += convolutions
      convolutions = []
    }
    ordered.append(entry)
  }
  return ordered + convolutions
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
      let kind = feedForward(of: choice)
      if kind != choice.feedForward { words.append("feedForward=" + kind.rawValue) }
      if let usual = kind.activation { words.append((activation ?? usual).rawValue) }
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
