/// The numbers, flags and words that fix a mixer: what their declarations make of them.

import RunnelRecurrences
import RunnelTensors

/// The settings of one layer's mixer. A conforming type has stored properties, whose initial values are the defaults, and
/// one list of settings; coding, checking, defaults that follow from others and `--set` come from that list.
public protocol MixerConfiguration: Codable, Sendable, Equatable {
  /// Every setting at its property's initial value: 0 or nil where the default is derived.
  init()
  /// D, the width of the residual stream.
  var width: Int { get set }
  /// Each setting once, besides the width; a default is derived from those before it.
  static var settings: [Setting<Self>] { get }
  /// The feed-forward part that the architecture puts behind the mixer.
  static var feedForward: FeedForwardKind { get }
  /// The norm in front of the mixer, of the feed-forward part and of the head.
  static var norm: NormKind { get }
  /// Whether a norm follows the embedding of a model of such layers (RWKV).
  static var normalizesEmbedding: Bool { get }
  /// Whether the recurrence forgets. One that never does drowns in what it carries from segment to segment, so it is
  /// trained and validated on separate segments unless the user wants otherwise.
  static var forgets: Bool { get }
}

extension MixerConfiguration {
  public static var forgets: Bool { true }
  public static var norm: NormKind { .rms }
  public static var normalizesEmbedding: Bool { false }

  static var allSettings: [Setting<Self>] {
    [Setting("width", \.width, "D, the width of the residual stream")] + settings
  }

  /// The published proportions for a model of this width.
  public init(width: Int) { self.init(width: width) { _ in } }

  /// The same, but for what `change` sets; what follows from that is derived from it.
  public init(width: Int, _ change: (inout Self) throws -> Void) rethrows {
    self.init()
    self.width = width
    try change(&self)
    complete()
  }

  /// The same with settings in words, as `--set` takes them; throws where there is no such setting, or not such a value.
  public init(width: Int, settings: [(name: String, value: String)]) throws {
    self.init()
    self.width = width
    try set(settings)
    complete()
  }

  /// Sets what is given in words and derives nothing anew.
  package mutating func set(_ settings: [(name: String, value: String)]) throws {
    for (name, value) in settings {
      guard let setting = Self.settings.first(where: { $0.name == name }) else {
        throw ConfigurationError.noSetting(name, among: Self.settings.map(\.name))
      }
      try setting.parse(&self, value)
    }
  }

  /// Derives what nobody has given.
  package mutating func complete() {
    // What is no width at all is told when it is checked.
    guard width > 0, width.isBounded else { return }
    for setting in Self.settings { setting.derive(&self) }
  }

  /// Throws a sentence where the settings do not fit together.
  public func validate() throws {
    for setting in Self.allSettings { try setting.check(self) }
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: SettingKey.self)
    self.init()
    try container.requireKnown(Self.allSettings.map(\.name))
    for setting in Self.allSettings { try setting.read(&self, container) }
    complete()
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: SettingKey.self)
    for setting in Self.allSettings { try setting.write(self, &container) }
  }

  /// Heads of 64; a narrow model has at least two.
  package var usualHeads: Int { max(1, max(min(2, width / 8), width / 64)) }
}

extension KeyedDecodingContainer<SettingKey> {
  /// Throws where a key is none of these: a word that is not understood would be taken for its default.
  package func requireKnown(_ names: [String]) throws {
    guard let stranger = allKeys.map(\.stringValue).sorted().first(where: { !names.contains($0) }) else {
      return
    }
    let place = (codingPath.map(\.stringValue) + [stranger]).joined(separator: ".")
    throw ConfigurationError.noSetting(place, among: names)
  }
}

// What many mixers have, in one spelling.
extension Setting where Root: MixerConfiguration {
  typealias Path<Value> = any WritableKeyPath<Root, Value> & Sendable

  static func heads(_ path: Path<Int>) -> Setting {
    Setting("heads", path, "H: heads of queries", chosen: .dividing("width", \.width)) { $0.usualHeads }
  }
  static func keyValueHeads(
    _ path: Path<Int>, _ heads: @escaping @Sendable (Root) -> Int
  ) -> Setting {
    Setting(
      "key_value_heads", path, "G: heads of keys and values, each for H/G neighbouring heads of queries",
      Rule("divide heads") { value, own in value > 0 && heads(own) % value == 0 }, derived: heads)
  }
  static func expandedWidth(
    _ path: Path<Int>, _ derived: @escaping @Sendable (Root) -> Int
  ) -> Setting {
    Setting("expanded_width", path, "E: channels behind the input projection", derived: derived)
  }
  static func stateSize(
    _ path: Path<Int>, _ rule: Rule<Root, Int> = .usual,
    derived: (@Sendable (Root) -> Int)? = nil
  ) -> Setting {
    Setting("state_size", path, "N: numbers of a channel's state", rule, derived: derived)
  }
  static func keyWidth(
    _ path: Path<Int>, _ rule: Rule<Root, Int> = .usual,
    derived: (@Sendable (Root) -> Int)? = nil
  ) -> Setting {
    Setting("key_width", path, "K: features of a query and a key", rule, derived: derived)
  }
  static func valueWidth(
    _ path: Path<Int>, _ derived: @escaping @Sendable (Root) -> Int
  ) -> Setting {
    Setting("value_width", path, "V: features of a value", derived: derived)
  }
  static func featureMap(_ path: Path<Activation>) -> Setting {
    Setting("feature_map", path, "what acts on queries and keys")
  }
  static func temperature(_ path: Path<Float>) -> Setting {
    Setting("temperature", path, "τ: decays are the gates' sigmoids to the power 1/τ")
  }
  static func discretization(_ path: Path<Discretization>) -> Setting {
    Setting("discretization", path, "how the system becomes a recurrence")
  }
  static func hasBias(_ path: Path<Bool>) -> Setting {
    Setting("has_bias", path, "whether the input and output projections have biases")
  }
  /// Of a convolution that every such mixer has.
  static func taps(_ path: Path<Int>) -> Setting {
    Setting("convolution_width", path, "W: taps of the short convolution")
  }
  static func convolutionWidth(_ path: Path<Int>) -> Setting {
    Setting("convolution_width", path, "W: taps of the short convolutions; 0 for none", .zeroOrMore)
  }
  static func hasConvolutionBias(_ path: Path<Bool>) -> Setting {
    Setting("has_convolution_bias", path, "whether the short convolutions have biases")
  }
  static func allowsNegativeEigenvalues(_ path: Path<Bool>) -> Setting {
    Setting(
      "allows_negative_eigenvalues", path,
      "whether β reaches two, so that the transition has negative eigenvalues")
  }
  static func hasGate(_ path: Path<Bool>) -> Setting {
    Setting("has_gate", path, "whether the output is gated")
  }
  static func gateActivation(_ path: Path<Activation>) -> Setting {
    Setting("gate_activation", path, "what acts on the output's gate")
  }
  static func hasNormScale(_ path: Path<Bool>) -> Setting {
    Setting("has_norm_scale", path, "whether the norm of the heads has a scale")
  }
  static func normEpsilon(_ path: Path<Float>) -> Setting {
    Setting("norm_epsilon", path, "ε of the norm of the heads")
  }
  static func groupNormEpsilon(_ path: Path<Float>) -> Setting {
    Setting("group_norm_epsilon", path, "ε of the norm of each head")
  }
  static func startsTuned(_ path: Path<Bool?>) -> Setting {
    Setting("starts_tuned", path, "whether rows start from a tuned state, time_state, not from zero")
  }
  static func smallestStep(_ path: Path<Double>) -> Setting {
    Setting("smallest_step", path, "the smallest Δ to begin with", kind: .beginning)
  }
  static func largestStep(
    _ path: Path<Double>, from smallest: any KeyPath<Root, Double> & Sendable
  ) -> Setting {
    Setting(
      "largest_step", path, "the largest Δ to begin with",
      Rule("be at least smallest_step") { value, own in value >= own[keyPath: smallest] },
      kind: .beginning)
  }
}
