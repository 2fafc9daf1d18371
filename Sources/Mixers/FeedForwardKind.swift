/// What stands behind a mixer: a kind of feed-forward part by its name.

import RunnelTensors

/// What a feed-forward part is made for.
public struct FeedForwardShape: Sendable {
  /// D, the width of the residual stream, and F, the hidden size.
  public let width, hiddenWidth: Int
  /// Where in the model it stands.
  public let depth: Depth
  /// What acts on the gate of a part that has one.
  public var activation: Activation { chosen ?? usual }
  private let chosen: Activation?
  /// The kind's own.
  fileprivate var usual = Activation.silu
  /// Whether linear maps have biases, where the kind leaves it open.
  public let hasBias: Bool

  /// - Parameters: as the properties; without an activation, the kind's own.
  public init(
    width: Int, hiddenWidth: Int, depth: Depth = .alone, activation: Activation? = nil, hasBias: Bool = false
  ) {
    (self.width, self.hiddenWidth, self.depth) = (width, hiddenWidth, depth)
    (chosen, self.hasBias) = (activation, hasBias)
  }
}

/// A kind of feed-forward part. A mixer's configuration says which stands behind it; one that is registered may be named in
/// the `config.json` of any model instead.
public struct FeedForwardKind: SettingWord {
  /// Its name in `config.json`.
  public let rawValue: String
  /// The published hidden size as a multiple of the width; nil where there is no part.
  public let ratio: Double?
  /// What acts on the gate, where the kind has one.
  public let activation: Activation?
  private let make: @Sendable (FeedForwardShape, Parameters) -> any SequenceLayer

  /// A part with a hidden size.
  ///
  /// - Parameters:
  ///   - name: in `config.json`.
  ///   - ratio: the hidden size where nobody says another, as a multiple of the width.
  ///   - activation: what acts on its gate where the configuration says nothing; nil for a part without that choice.
  ///   - make: asks for the parameters of one part, each once.
  public init(
    name: String, ratio: Double, activation: Activation? = nil,
    make: @escaping @Sendable (FeedForwardShape, Parameters) -> any SequenceLayer
  ) {
    self.init(name, ratio, activation, make)
  }

  private init(
    _ name: String, _ ratio: Double?, _ activation: Activation?,
    _ make: @escaping @Sendable (FeedForwardShape, Parameters) -> any SequenceLayer
  ) {
    (rawValue, self.ratio, self.activation, self.make) = (name, ratio, activation, make)
  }

  /// The architecture has none (Mamba), or gates inside the mixer (S4D, LRU).
  public static let none = FeedForwardKind("none", nil, nil) { _, _ in
    preconditionFailure("FeedForwardKind: there is no part where the kind is none")
  }

  /// down(f(gate x) ⊙ up x), with this hidden size as a multiple of the width; f is silu, as in most, or gelu (Griffin).
  public static func gated(ratio: Double, activation f: Activation = .silu) -> FeedForwardKind {
    FeedForwardKind("gated-\(f.rawValue)", ratio, f) { shape, parameters in
      GatedMLP(
        width: shape.width, hidden: shape.hiddenWidth, activation: shape.activation,
        hasBias: shape.hasBias, from: parameters)
    }
  }

  /// RWKV's channel mix of versions 4 to 7, with this hidden size as a multiple of the width.
  public static func channelMix(version: Int, ratio: Double) -> FeedForwardKind {
    FeedForwardKind("channel-mix-\(version)", ratio, nil) { shape, parameters in
      ChannelMix(
        version: version, width: shape.width, hidden: shape.hiddenWidth, at: shape.depth, from: parameters)
    }
  }

  /// Those of the architectures here, with their most usual hidden sizes.
  static let own =
    [FeedForwardKind.none] + Activation.allCases.map { gated(ratio: 8.0 / 3, activation: $0) }
    + (4...7).map { channelMix(version: $0, ratio: $0 == 4 || $0 == 7 ? 4 : 3.5) }

  /// The kind of this name in the registry; nil where it has none.
  public init?(rawValue name: String) {
    guard let kind = Registry.feedForwards.first(where: { $0.rawValue == name }) else { return nil }
    self = kind
  }
  public static var allCases: [FeedForwardKind] { Registry.feedForwards }
  public static func == (a: FeedForwardKind, b: FeedForwardKind) -> Bool { a.rawValue == b.rawValue }

  /// A part of this kind, which must not be ``none``, with its parameters.
  public func callAsFunction(_ shape: FeedForwardShape, from parameters: Parameters) -> any SequenceLayer {
    var shape = shape
    if let activation { shape.usual = activation }
    return make(shape, parameters)
  }
}
