/// The numbers that fix a language model's shape; `config.json` of a model folder.

import Foundation
import RunnelKernels
import RunnelMixers
import RunnelTensors

public struct ModelConfiguration: Sendable, Equatable {
  /// V.
  public var vocabularySize: Int
  /// D.
  public var width: Int
  public var layers: Int
  /// The pattern of mixers, repeated over the layers: one for a plain model, several for a hybrid.
  public var mixers: [MixerChoice]
  /// Whether the output head is the embedding.
  public var tiesEmbedding: Bool
  public var norm: NormKind
  public var normEpsilon: Float
  /// Whether layer norms have a bias.
  public var hasNormBias: Bool
  /// ε of the last norm, if it has its own (RWKV-4 in transformers).
  public var lastNormEpsilon: Float?
  /// The residual stream of such a model is halved after every so many layers, and what is added to it with it; 0 for
  /// never. Only the norms notice: their ε weighs four times more each time (RWKV-4 in transformers).
  public var halvingInterval: Int
  /// Whether a norm follows the embedding (RWKV).
  public var normalizesEmbedding: Bool
  /// A factor on the embedding (Griffin: √D).
  public var embeddingScale: Float
  /// Logits z become c tanh(z / c) for this c; 0 for none (Griffin: 30).
  public var logitCap: Float
  /// The hidden size of the feed-forward part in layers that have one; 0 where no layer has.
  public var hiddenWidth: Int
  /// The activation of gated feed-forward parts, if not the architecture's.
  public var activation: Activation?
  /// Whether gated feed-forward parts have biases.
  public var hasFeedForwardBias: Bool

  /// The published proportions of the architectures at this width.
  public init(
    _ mixers: [any SequenceMixer.Type], vocabularySize: Int, width: Int, layers: Int,
    tiesEmbedding: Bool = true
  ) {
    self.init(
      mixers.map { MixerChoice($0, width: width) }, vocabularySize: vocabularySize, width: width,
      layers: layers, tiesEmbedding: tiesEmbedding)
  }

  public init(
    _ mixer: any SequenceMixer.Type, vocabularySize: Int, width: Int, layers: Int, tiesEmbedding: Bool = true
  ) {
    self.init(
      [mixer], vocabularySize: vocabularySize, width: width, layers: layers, tiesEmbedding: tiesEmbedding)
  }

  /// - Parameter hiddenWidth: of the feed-forward parts; without it, the published proportion.
  public init(
    _ mixers: [MixerChoice], vocabularySize: Int, width: Int, layers: Int, tiesEmbedding: Bool = true,
    normEpsilon: Float = 1e-5, hiddenWidth: Int? = nil
  ) {
    self.vocabularySize = vocabularySize
    self.width = width
    self.layers = layers
    self.mixers = mixers
    self.tiesEmbedding = tiesEmbedding
    self.normEpsilon = normEpsilon
    let configuration = mixers.first.map { type(of: $0.configuration) }
    norm = configuration?.norm ?? .rms
    normalizesEmbedding = configuration?.normalizesEmbedding ?? false
    (embeddingScale, logitCap, activation, hasFeedForwardBias) = (1, 0, nil, false)
    (hasNormBias, lastNormEpsilon, halvingInterval) = (true, nil, 0)
    // Rounded to whole vectors.
    self.hiddenWidth =
      hiddenWidth
      ?? mixers.lazy.compactMap(\.feedForward.ratio).first.map {
        (Int(($0 * Double(width)).rounded()) + 15) / 16 * 16
      } ?? 0
  }

  /// What layer `index` is made of.
  public func mixer(ofLayer index: Int) -> MixerChoice { mixers[index % mixers.count] }

  /// What ε is in front of layer `index`, or of the head.
  func normEpsilon(ofLayer index: Int) -> Float {
    let epsilon = index < layers ? normEpsilon : lastNormEpsilon ?? normEpsilon
    return halvingInterval == 0
      ? epsilon : epsilon * Float(power(4, Double(index / halvingInterval)))
  }

  /// The names of the mixers, as the tool takes them.
  public var mixerName: String { mixers.map(\.name).joined(separator: ",") }

  /// Whether every recurrence forgets.
  public var forgets: Bool { mixers.allSatisfy(\.forgets) }

  /// Fewer numbers than the parameters are: every mixer has a matrix of its width and its largest other extent.
  package var leastParameters: Double {
    let matrix = mixers.map { choice in
      Double(width) * (choice.extents(ofStates: false).first ?? 1)
        + (choice.feedForward == .none ? 0 : 2 * Double(hiddenWidth) * Double(width))
    }
    return Double(layers / max(1, mixers.count)) * matrix.reduce(0, +) + Double(vocabularySize)
      * Double(width)
  }

  public func validate() throws {
    try ConfigurationError.requirePositive([
      "vocabulary_size": vocabularySize, "width": width, "layers": layers,
    ])
    guard hiddenWidth >= 0 else { throw ConfigurationError("hidden_width is \(hiddenWidth); 0 means none") }
    guard normEpsilon > 0, normEpsilon.isFinite else {
      throw ConfigurationError("norm_epsilon is \(normEpsilon); it must be positive")
    }
    guard lastNormEpsilon ?? 1 > 0, halvingInterval >= 0 else {
      throw ConfigurationError("last_norm_epsilon must be positive, and halving_interval 0 or more")
    }
    guard embeddingScale.isFinite, embeddingScale != 0, logitCap >= 0, logitCap.isFinite else {
      throw ConfigurationError(
        "embedding_scale \(embeddingScale) and logit_cap \(logitCap) must be finite, the first not 0")
    }
    guard !mixers.isEmpty, mixers.count <= layers else {
      throw ConfigurationError(
        "a pattern of \(mixers.count) mixers for \(layers) layers; give at least one, and not more than layers"
      )
    }
    let memory = Double(Machine.usableMemory)
    // Nor may two extents of a mixer span more than memory: states and projections have both.
    let spans = mixers.map {
      Double(layers / mixers.count) * $0.extents(ofStates: true).prefix(2).reduce(1, *)
    }
    let largest = max(leastParameters, spans.max() ?? 0)
    guard 4 * largest <= memory else {
      let count = largest < 1e18 ? "\(Int(largest))" : "\(largest)"
      throw ConfigurationError(
        "more than \(count) numbers do not fit into this machine's \(Int(memory / 1e9)) GB of memory"
      )
    }
    for choice in mixers {
      guard choice.configuration.width == width else {
        throw ConfigurationError(
          "the width of \(choice.name), \(choice.configuration.width), is not \(width)")
      }
      if choice.feedForward != .none { try ConfigurationError.requirePositive(["hidden_width": hiddenWidth]) }
      try choice.configuration.validate()
    }
  }
}

// Written with snake_case keys; see `encodeConfiguration`. What has its default is left out.
extension ModelConfiguration: Codable {
  enum CodingKeys: String, CodingKey {
    case mixers, vocabularySize, width, layers, tiesEmbedding, norm, normEpsilon, normalizesEmbedding
    case embeddingScale, logitCap, hiddenWidth, activation, hasFeedForwardBias
    case hasNormBias, lastNormEpsilon, halvingInterval
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let mixers =
      container.contains(.mixers)
      ? try container.decode([MixerChoice].self, forKey: .mixers) : [try MixerChoice(from: decoder)]
    self.init(
      mixers, vocabularySize: try container.decode(Int.self, forKey: .vocabularySize),
      width: try container.decode(Int.self, forKey: .width),
      layers: try container.decode(Int.self, forKey: .layers),
      tiesEmbedding: try container.decode(Bool.self, forKey: .tiesEmbedding),
      normEpsilon: try container.decode(Float.self, forKey: .normEpsilon),
      hiddenWidth: try container.decode(Int.self, forKey: .hiddenWidth))
    func optional<Value: Decodable>(_ key: CodingKeys, _ value: inout Value) throws {
      value = try container.decodeIfPresent(Value.self, forKey: key) ?? value
    }
    try optional(.norm, &norm)
    try optional(.normalizesEmbedding, &normalizesEmbedding)
    try optional(.embeddingScale, &embeddingScale)
    try optional(.logitCap, &logitCap)
    try optional(.hasFeedForwardBias, &hasFeedForwardBias)
    try optional(.hasNormBias, &hasNormBias)
    try optional(.halvingInterval, &halvingInterval)
    lastNormEpsilon = try container.decodeIfPresent(Float.self, forKey: .lastNormEpsilon)
    activation = try container.decodeIfPresent(Activation.self, forKey: .activation)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    if let only = mixers.first, mixers.count == 1 {
      try only.encode(to: encoder)
    } else {
      try container.encode(mixers, forKey: .mixers)
    }
    try container.encode(vocabularySize, forKey: .vocabularySize)
    try container.encode(width, forKey: .width)
    try container.encode(layers, forKey: .layers)
    try container.encode(tiesEmbedding, forKey: .tiesEmbedding)
    try container.encode(norm, forKey: .norm)
    try container.encode(normEpsilon, forKey: .normEpsilon)
    try container.encode(hiddenWidth, forKey: .hiddenWidth)
    if normalizesEmbedding { try container.encode(true, forKey: .normalizesEmbedding) }
    if embeddingScale != 1 { try container.encode(embeddingScale, forKey: .embeddingScale) }
    if logitCap != 0 { try container.encode(logitCap, forKey: .logitCap) }
    if hasFeedForwardBias { try container.encode(true, forKey: .hasFeedForwardBias) }
    if !hasNormBias { try container.encode(false, forKey: .hasNormBias) }
    if halvingInterval != 0 { try container.encode(halvingInterval, forKey: .halvingInterval) }
    try container.encodeIfPresent(lastNormEpsilon, forKey: .lastNormEpsilon)
    try container.encodeIfPresent(activation, forKey: .activation)
  }
}
