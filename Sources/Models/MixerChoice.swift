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
    func names<Mixer: SequenceMixer>(of _: Mixer.Type) -> [String] {
      Mixer.Configuration.settings.map(\.name)
    }
    var unused = settings.map(\.name)
    let choices = try mixers.map { mixer in
      let own = settings.compactMap { name, value -> (name: String, value: String)? in
        let words = name.split(separator: ".", maxSplits: 1).map(String.init)
        let isScoped = words.count == 2
        guard let last = words.last, !isScoped || words[0] == mixer.name else { return nil }
        guard isScoped || names(of: mixer).contains(last) else { return nil }
        unused.removeAll { $0 == name }
        return (last, value)
      }
      return try MixerChoice(mixer, width: width, settings: own)
    }
    if let name = unused.first {
      let all = Set(mixers.flatMap { names(of: $0) }).sorted()
      throw ConfigurationError("there is no setting \(name); the settings are \(all.joined(separator: ", "))")
    }
    return choices
  }

  public var name: String { mixer.name }
  public var feedForward: FeedForwardKind { type(of: configuration).feedForward }
  public var forgets: Bool { type(of: configuration).forgets }

  /// A fresh mixer for one layer.
  func make(at depth: Depth, using generator: inout some RandomNumberGenerator) -> any SequenceMixer {
    func make<Mixer: SequenceMixer>(_: Mixer.Type) -> any SequenceMixer {
      guard let own = configuration as? Mixer.Configuration else {
        preconditionFailure("MixerChoice: \(type(of: configuration)) does not configure \(Mixer.name)")
      }
      return Mixer(own, at: depth, using: &generator)
    }
    return make(mixer)
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
