/// How the next token is drawn: what changes the logits, and which tokens may be drawn at all.

import Foundation

/// The settings of a sampler, in the order in which they act, which is that of transformers' logits processors:
///
/// 1. on the logits: bias, then the penalties on recent tokens (repetition, then frequency and presence);
/// 2. temperature;
/// 3. cuts: top-k, top-p, min-p, typical. Each looks at the probabilities of the tokens that those before it have left,
///    summing to one again. Tokens that a cut cannot tell apart stay together.
public struct SamplingSettings: Sendable, Equatable {
  /// Added to the logits of these tokens; −∞ bans one.
  public var logitBias: [Int32: Double] = [:]
  /// Divides positive and multiplies negative logits of recent tokens (Keskar et al. 2019, §4.1); 1 changes nothing.
  public var repetitionPenalty = 1.0
  /// Taken from a token's logit for every time that it is among the recent ones; 0 changes nothing.
  public var frequencyPenalty = 0.0
  /// Taken once from the logit of every recent token; 0 changes nothing.
  public var presencePenalty = 0.0
  /// How many of the last tokens, the prompt's too, count as recent: for all three penalties.
  public var repetitionWindow = 64
  /// Divides the logits; 0 always takes the most likely token, whatever the cuts.
  public var temperature = 1.0
  /// Keeps the k most likely tokens; 0 keeps all.
  public var topK = 0
  /// Keeps the smallest set of most likely tokens whose probabilities reach p (Holtzman et al. 2020); 1 keeps all.
  public var topP = 1.0
  /// Keeps tokens with at least this share of the largest probability (Nguyen et al. 2024); 0 keeps all.
  public var minP = 0.0
  /// Keeps the smallest set of tokens whose probabilities reach p, taking first those whose information −log q is nearest
  /// to the entropy (Meister et al. 2022, "Locally Typical Sampling", §4); 1 keeps all.
  public var typicalP = 1.0

  /// Draws from the model's own probabilities.
  public init() {}

  /// Whether the biases leave any of so many tokens to be drawn.
  public func leavesAny(of vocabularySize: Int) -> Bool {
    logitBias.count { Int($0.key) < vocabularySize && Float($0.value) == -.infinity } < vocabularySize
  }

  /// Throws ``SamplingError`` for the first setting that is out of its range.
  public func validate() throws {
    func check(_ holds: Bool, _ sentence: String) throws {
      if !holds { throw SamplingError(sentence) }
    }
    for (token, bias) in logitBias {
      try check(token >= 0, "the logit bias is for token \(token); ids are 0 or more")
      try check(bias < .infinity, "the logit bias of token \(token) is \(bias); it must be a number or -inf")
    }
    try check(
      repetitionPenalty > 0 && repetitionPenalty.isFinite,
      "the repetition penalty is \(repetitionPenalty); it must be positive")
    try check(
      frequencyPenalty.isFinite, "the frequency penalty is \(frequencyPenalty); it must be a number")
    try check(presencePenalty.isFinite, "the presence penalty is \(presencePenalty); it must be a number")
    try check(repetitionWindow >= 0, "the repetition window is \(repetitionWindow); it must be 0 or more")
    try check(
      temperature >= 0 && temperature.isFinite, "the temperature is \(temperature); it must be 0 or more")
    try check(topK >= 0, "top-k is \(topK); it must be 0 (all tokens) or more")
    try check(topP > 0 && topP <= 1, "top-p is \(topP); it must lie in (0, 1]")
    try check(minP >= 0 && minP <= 1, "min-p is \(minP); it must lie in [0, 1]")
    try check(typicalP > 0 && typicalP <= 1, "typical-p is \(typicalP); it must lie in (0, 1]")
  }

  /// Whether the sampler must know the recent tokens.
  var looksBack: Bool {
    repetitionWindow > 0 && (repetitionPenalty != 1 || frequencyPenalty != 0 || presencePenalty != 0)
  }
}

/// A setting out of its range; one sentence.
public struct SamplingError: Error, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}

/// As a state file keeps them. A bias is text, since JSON has no infinity.
extension SamplingSettings: Codable {
  private enum CodingKeys: String, CodingKey {
    case temperature
    case logitBias = "logit_bias"
    case repetitionPenalty = "repetition_penalty"
    case frequencyPenalty = "frequency_penalty"
    case presencePenalty = "presence_penalty"
    case repetitionWindow = "repetition_window"
    case topK = "top_k"
    case topP = "top_p"
    case minP = "min_p"
    case typicalP = "typical_p"
  }

  /// The spelling of older files: `topK` for `top_k`.
  private struct OlderKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
    init(_ key: CodingKeys) {
      let words = key.stringValue.split(separator: "_")
      stringValue = words[0] + words.dropFirst().map(\.capitalized).joined()
    }
  }

  /// Reads the spelling of older files too, and their lack of biases, frequency and presence penalties and typical sampling.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let older = try decoder.container(keyedBy: OlderKey.self)
    func isThere(_ key: CodingKeys) -> Bool { values.contains(key) || older.contains(OlderKey(key)) }
    func read<Value: Decodable>(_ key: CodingKeys) throws -> Value {
      let old = OlderKey(key)
      return try older.contains(old)
        ? older.decode(Value.self, forKey: old) : values.decode(Value.self, forKey: key)
    }
    for text in isThere(.logitBias) ? try read(.logitBias) as [String] : [] {
      guard let (token, bias) = Self.bias(text) else {
        throw SamplingError("'\(text)' is no logit bias; one is a token's id, a colon and a number")
      }
      logitBias[token] = bias
    }
    (repetitionPenalty, repetitionWindow) = (try read(.repetitionPenalty), try read(.repetitionWindow))
    if isThere(.frequencyPenalty) { frequencyPenalty = try read(.frequencyPenalty) }
    if isThere(.presencePenalty) { presencePenalty = try read(.presencePenalty) }
    (temperature, topK) = (try read(.temperature), try read(.topK))
    (topP, minP) = (try read(.topP), try read(.minP))
    if isThere(.typicalP) { typicalP = try read(.typicalP) }
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    if !logitBias.isEmpty {
      let texts = logitBias.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }
      try values.encode(texts, forKey: .logitBias)
    }
    try values.encode(repetitionPenalty, forKey: .repetitionPenalty)
    try values.encode(frequencyPenalty, forKey: .frequencyPenalty)
    try values.encode(presencePenalty, forKey: .presencePenalty)
    try values.encode(repetitionWindow, forKey: .repetitionWindow)
    try values.encode(temperature, forKey: .temperature)
    try values.encode(topK, forKey: .topK)
    try values.encode(topP, forKey: .topP)
    try values.encode(minP, forKey: .minP)
    try values.encode(typicalP, forKey: .typicalP)
  }

  /// A token's id and what is added to its logit, as in `17:-2.5` or `17:-inf`.
  public static func bias(_ text: String) -> (token: Int32, bias: Double)? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let token = Int32(parts[0]), let bias = Double(parts[1]) else { return nil }
    return (token, bias)
  }
}
