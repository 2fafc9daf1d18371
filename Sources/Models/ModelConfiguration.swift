/// Configurations of models.

import RunnelKernels
import RunnelMixers
import RunnelTensors

/// What fixes a language model's shape and function; `config.json` of a model folder has these names in snake_case.
public struct ModelConfiguration: Sendable, Equatable {
  /// V.
  public var vocabularySize: Int
  /// D.
  public var width: Int
  /// How many layers; the pattern of mixers is repeated over them, and may end within one.
  public var layers: Int
  /// The pattern of mixers, repeated over the layers: one for a plain model, several for a hybrid.
  public var mixers: [MixerChoice]
  /// Whether the output head is the embedding.
  public var tiesEmbedding: Bool
  /// The norm in front of every mixer and feed-forward part, and of the head.
  public var norm: NormKind
  /// ε of the norms, under the root.
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
  /// The feed-forward part of every layer; nil for what the architecture of each puts behind its mixer.
  public var feedForward: FeedForwardKind?
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

  /// A plain model of one architecture, in its published proportions at this width.
  public init(
    _ mixer: any SequenceMixer.Type, vocabularySize: Int, width: Int, layers: Int, tiesEmbedding: Bool = true
  ) {
    self.init(
      [mixer], vocabularySize: vocabularySize, width: width, layers: layers, tiesEmbedding: tiesEmbedding)
  }

  /// - Parameter hiddenWidth: of the feed-forward parts; without it, the published proportion.
  public init(
    _ mixers: [MixerChoice], vocabularySize: Int, width: Int, layers: Int, tiesEmbedding: Bool = true,
    norm: NormKind? = nil, normEpsilon: Float = 1e-5, feedForward: FeedForwardKind? = nil,
    hiddenWidth: Int? = nil
  ) {
    self.vocabularySize = vocabularySize
    self.width = width
    self.layers = layers
    self.mixers = mixers
    self.tiesEmbedding = tiesEmbedding
    self.normEpsilon = normEpsilon
    let configuration = mixers.first.map { type(of: $0.configuration) }
    self.norm = norm ?? configuration?.norm ?? .rms
    self.feedForward = feedForward
    normalizesEmbedding = configuration?.normalizesEmbedding ?? false
    (embeddingScale, logitCap, activation, hasFeedForwardBias) = (1, 0, nil, false)
    (hasNormBias, lastNormEpsilon, halvingInterval) = (true, nil, 0)
    self.hiddenWidth = 0
    self.hiddenWidth = hiddenWidth ?? usualHiddenWidth
  }

  /// In the published proportion, rounded to whole vectors.
  private var usualHiddenWidth: Int {
    let ratio = mixers.lazy.compactMap { feedForward(of: $0).ratio }.first
    return ratio.map { (Int(($0 * Double(width)).rounded()) + 15) / 16 * 16 } ?? 0
  }

  /// What stands behind a mixer.
  public func feedForward(of choice: MixerChoice) -> FeedForwardKind { feedForward ?? choice.feedForward }

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

  /// How many parts write to the residual stream.
  var partCount: Int {
    (0..<layers).reduce(0) { $0 + (feedForward(of: mixer(ofLayer: $1)) == .none ? 1 : 2) }
  }

  /// Fewer numbers than the parameters are: every mixer has a matrix of its width and its largest other extent.
  package var leastParameters: Double {
    let matrix = mixers.map { choice in
      Double(width) * (choice.extents.first ?? 1)
        + (feedForward(of: choice) == .none ? 0 : 2 * Double(hiddenWidth) * Double(width))
    }
    return Double(layers / max(1, mixers.count)) * matrix.reduce(0, +) + Double(vocabularySize)
      * Double(width)
  }

  /// Throws ``ConfigurationError`` for the first number that is out of its bounds or does not fit the others.
  public func validate() throws {
    for setting in Self.settings { try setting.check(self) }
    guard !mixers.isEmpty, mixers.count <= layers else {
      throw ConfigurationError(
        "a pattern of \(mixers.count) mixers for \(layers) layers; give at least one, and not more than layers"
      )
    }
    let memory = Double(Machine.usableMemory)
    func requireMemory(_ numbers: Double) throws {
      guard 4 * numbers > memory else { return }
      let count = numbers < 1e18 ? "\(Int(numbers))" : "\(numbers)"
      throw ConfigurationError(
        "more than \(count) numbers do not fit into this machine's \(Int(memory / 1e9)) GB of memory"
      )
    }
    // Nor may two extents of a mixer span more than memory: states and projections have both.
    let copies = Double(layers / mixers.count)
    let spans = mixers.map { copies * $0.extents.prefix(2).reduce(1, *) }
    try requireMemory(max(leastParameters, spans.max() ?? 0))
    for choice in mixers {
      guard choice.configuration.width == width else {
        throw ConfigurationError(
          "the width of \(choice.name), \(choice.configuration.width), is not \(width)")
      }
      if feedForward(of: choice) != .none {
        try ConfigurationError.requirePositive(["hidden_width": hiddenWidth])
      }
      try choice.configuration.validate()
      try requireMemory(copies * choice.stateSize)
    }
  }
}

extension ModelConfiguration {
  /// What `config.json` says of a model besides its mixers.
  public static let settings: [Setting<Self>] = [
    Setting("vocabulary_size", \.vocabularySize, "V: tokens"),
    Setting("width", \.width, "D, the width of the residual stream"),
    Setting("layers", \.layers, "layers"),
    Setting("ties_embedding", \.tiesEmbedding, "whether the output head is the embedding"),
    Setting("norm", \.norm, "the norm in front of every part"),
    Setting("norm_epsilon", \.normEpsilon, "ε of the norms"),
    Setting("has_norm_bias", \.hasNormBias, "whether layer norms have a bias"),
    Setting("last_norm_epsilon", \.lastNormEpsilon, "ε of the last norm, if it has its own"),
    Setting(
      "halving_interval", \.halvingInterval, "layers after which the residual stream is halved; 0 for never",
      .zeroOrMore),
    Setting("normalizes_embedding", \.normalizesEmbedding, "whether a norm follows the embedding"),
    Setting(
      "embedding_scale", \.embeddingScale, "a factor on the embedding",
      Rule("not be 0") { value, _ in value != 0 }),
    Setting(
      "logit_cap", \.logitCap, "c of c tanh(z / c) for logits z; 0 for none",
      Rule("be 0, for none, or more") { value, _ in value >= 0 }),
    Setting("feed_forward", \.feedForward, "the feed-forward part, if not the architecture's"),
    Setting(
      "hidden_width", \.hiddenWidth, "the hidden size of feed-forward parts; 0 where there are none",
      .zeroOrMore),
    Setting(
      "activation", \.activation, "the activation of gated feed-forward parts, if not the architecture's"),
    Setting("has_feed_forward_bias", \.hasFeedForwardBias, "whether gated feed-forward parts have biases"),
  ]
}

extension ModelConfiguration: Codable {
  private static let pattern = SettingKey(stringValue: "mixers")
  /// What is not of the configuration: the checksum of the file, and the tokens that begin and end texts.
  private static let others = ["xxh64", "bos_token_id", "eos_token_id"]

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: SettingKey.self)
    try container.requireKnown(
      Self.settings.map(\.name) + MixerChoice.keys + [Self.pattern.stringValue] + Self.others)
    func required(_ name: String) throws -> Int {
      let number = try container.decode(Int.self, forKey: SettingKey(stringValue: name))
      try ConfigurationError.requirePositive([name: number])
      return number
    }
    let mixers =
      container.contains(Self.pattern)
      ? try container.decode([MixerChoice].self, forKey: Self.pattern) : [try MixerChoice(from: decoder)]
    let width = try required("width")
    self.init(
      mixers.map { $0.completed(width: width) }, vocabularySize: try required("vocabulary_size"),
      width: width, layers: try required("layers"))
    for setting in Self.settings { try setting.read(&self, container) }
    if !container.contains(SettingKey(stringValue: "hidden_width")) { hiddenWidth = usualHiddenWidth }
  }

  public func encode(to encoder: any Encoder) throws {
    if let only = mixers.first, mixers.count == 1 { try only.encode(to: encoder) }
    var container = encoder.container(keyedBy: SettingKey.self)
    if mixers.count != 1 { try container.encode(mixers, forKey: Self.pattern) }
    for setting in Self.settings { try setting.write(self, &container) }
  }
}
