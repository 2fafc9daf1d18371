/// A mixer with its numbers, whatever its type: what a configuration says about a layer.

import RunnelMixers
import RunnelTensors

public struct MixerChoice: Sendable {
  public let mixer: any SequenceMixer.Type
  public private(set) var configuration: any MixerConfiguration

  public init<Mixer: SequenceMixer>(_ mixer: Mixer.Type, _ configuration: Mixer.Configuration) {
    self.mixer = mixer
    self.configuration = configuration
  }

  /// The published proportions at this width.
  public init(_ mixer: any SequenceMixer.Type, width: Int) {
    func choose<Mixer: SequenceMixer>(_ mixer: Mixer.Type) -> MixerChoice {
      MixerChoice(mixer, Mixer.Configuration(width: width))
    }
    self = choose(mixer)
  }

  /// The published proportions at this width, but for settings in words; throws where the mixer has no such setting, or
  /// not such a value.
  public init(
    _ mixer: any SequenceMixer.Type, width: Int, settings: [(name: String, value: String)]
  ) throws {
    func choose<Mixer: SequenceMixer>(_ mixer: Mixer.Type) throws -> MixerChoice {
      MixerChoice(mixer, try Mixer.Configuration(width: width, settings: settings))
    }
    self = try choose(mixer)
  }

  /// A pattern of mixers at one width. A setting NAME is for those that have it, MIXER.NAME for one of them.
  public static func pattern(
    _ mixers: [any SequenceMixer.Type], width: Int, settings: [(name: String, value: String)]
  ) throws -> [MixerChoice] {
    try zip(mixers, scoped(settings, to: mixers)).map { mixer, own in
      try MixerChoice(mixer, width: width, settings: own)
    }
  }

  /// The same pattern with other settings, named as in ``pattern(_:width:settings:)``; nothing else changes with them.
  public static func changed(_ choices: [MixerChoice], settings: [(name: String, value: String)]) throws
    -> [MixerChoice]
  {
    func changed<C: MixerConfiguration>(_ own: C, _ settings: [(name: String, value: String)]) throws -> C {
      var copy = own
      try copy.set(settings)
      return copy
    }
    return try zip(choices, scoped(settings, to: choices.map(\.mixer))).map { choice, settings in
      var copy = choice
      copy.configuration = try changed(choice.configuration, settings)
      return copy
    }
  }

  /// What each mixer of a pattern is told.
  private static func scoped(
    _ settings: [(name: String, value: String)], to mixers: [any SequenceMixer.Type]
  ) throws -> [[(name: String, value: String)]] {
    func names<Mixer: SequenceMixer>(of _: Mixer.Type) -> [String] {
      Mixer.Configuration.settings.map(\.name)
    }
    var told = mixers.map { _ in [(name: String, value: String)]() }
    for (name, value) in settings {
      let words = name.split(separator: ".", maxSplits: 1).map(String.init)
      let places = mixers.indices.filter { i in
        words.count == 2 ? words[0] == mixers[i].name : names(of: mixers[i]).contains(name)
      }
      guard !places.isEmpty, let last = words.last else {
        throw ConfigurationError.noSetting(name, among: Set(mixers.flatMap { names(of: $0) }).sorted())
      }
      for i in places { told[i].append((last, value)) }
    }
    return told
  }

  public var name: String { mixer.name }
  public var feedForward: FeedForwardKind { type(of: configuration).feedForward }
  public var forgets: Bool { type(of: configuration).forgets }

  /// The mixer for one layer.
  func make(at depth: Depth, from parameters: Parameters) -> any SequenceMixer {
    func make<Mixer: SequenceMixer>(_: Mixer.Type) -> any SequenceMixer {
      guard let own = configuration as? Mixer.Configuration else {
        preconditionFailure("MixerChoice: \(type(of: configuration)) does not configure \(Mixer.name)")
      }
      return Mixer(own, at: depth, from: parameters)
    }
    return make(mixer)
  }

  /// The numbers of one row's memory, as they are declared; in Double, since a window may be as long as anybody likes.
  var stateSize: Double {
    let mixer = make(at: .alone, from: .none)
    return mixer.memory.reduce(0) { $0 + $1.shape.reduce(1) { $0 * Double($1) } }
  }

  /// Its extents, largest first. In Double, so that absurd configurations are measured, not multiplied.
  var extents: [Double] {
    func extents<C: MixerConfiguration>(_ own: C) -> [Double] {
      C.settings.lazy.filter { $0.kind == .plain }.compactMap { $0.extent(own).map(Double.init) }.sorted(
        by: >)
    }
    return extents(configuration)
  }

  /// The settings with their values, for a reader.
  public var settings: [(name: String, value: String, help: String, bounds: String)] {
    func settings<C: MixerConfiguration>(
      _ own: C
    ) -> [(name: String, value: String, help: String, bounds: String)] {
      C.settings.map { ($0.name, $0.text(own), $0.help, $0.bounds) }
    }
    return settings(configuration)
  }

  /// A setting's value in words; nil where the mixer has no such setting.
  public func value(of setting: String) -> String? { settings.first { $0.name == setting }?.value }

  /// The same for a model of this width, where its own says none.
  func completed(width: Int) -> MixerChoice {
    func completed<Mixer: SequenceMixer>(_ mixer: Mixer.Type) -> MixerChoice {
      guard var own = configuration as? Mixer.Configuration, own.width == 0 else { return self }
      own.width = width
      own.complete()
      return MixerChoice(mixer, own)
    }
    return completed(mixer)
  }
}

extension MixerChoice: Equatable {
  public static func == (a: MixerChoice, b: MixerChoice) -> Bool {
    func equal<C: MixerConfiguration>(_ own: C) -> Bool { own == b.configuration as? C }
    return a.mixer == b.mixer && equal(a.configuration)
  }
}

// The width may be left out: it is the model's then; see `completed(width:)`.
extension MixerChoice: Codable {
  static let keys = ["mixer", "mixer_configuration"]

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: SettingKey.self)
    let name = SettingKey(stringValue: Self.keys[0]), own = SettingKey(stringValue: Self.keys[1])
    let mixer = try Registry.mixer(named: container.decode(String.self, forKey: name))
    func decode<Mixer: SequenceMixer>(_ mixer: Mixer.Type) throws -> MixerChoice {
      MixerChoice(
        mixer, try container.decodeIfPresent(Mixer.Configuration.self, forKey: own) ?? Mixer.Configuration())
    }
    self = try decode(mixer)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: SettingKey.self)
    try container.encode(name, forKey: SettingKey(stringValue: Self.keys[0]))
    try container.encode(configuration, forKey: SettingKey(stringValue: Self.keys[1]))
  }
}
