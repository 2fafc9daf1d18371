/// A mixer with its numbers, whatever its type: what a configuration says about a layer.

import Foundation
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

  public var name: String { mixer.name }
  public var feedForward: FeedForwardKind { type(of: configuration).feedForward }
  public var forgets: Bool { type(of: configuration).forgets }

  /// The same width in this many heads; throws where the mixer has none.
  public func withHeads(_ heads: Int) throws -> Self {
    var copy = self
    copy.configuration = try configuration.withHeads(heads)
    return copy
  }

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
  /// Those counted in tokens, of a state only, are no matrix's.
  func extents(ofStates: Bool) -> [Double] {
    let others: Set = ofStates ? ["width"] : ["width", "window", "chunk"]
    let json = (try? JSONEncoder().encode(configuration)).flatMap {
      try? JSONSerialization.jsonObject(with: $0)
    }
    let fields = (json as? [String: Any] ?? [:]).filter { !others.contains($0.key) && !($0.value is Bool) }
    return fields.values.compactMap { $0 as? Int }.map(Double.init).sorted(by: >)
  }
}

extension MixerChoice: Equatable {
  public static func == (a: MixerChoice, b: MixerChoice) -> Bool {
    func equal<C: MixerConfiguration>(_ own: C) -> Bool { own == b.configuration as? C }
    return a.mixer == b.mixer && equal(a.configuration)
  }
}

extension MixerChoice: Codable {
  enum CodingKeys: String, CodingKey {
    case name = "mixer"
    case configuration = "mixerConfiguration"
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let mixer = try Registry.mixer(named: container.decode(String.self, forKey: .name))
    func decode<Mixer: SequenceMixer>(_ mixer: Mixer.Type) throws -> MixerChoice {
      MixerChoice(mixer, try container.decode(Mixer.Configuration.self, forKey: .configuration))
    }
    self = try decode(mixer)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(name, forKey: .name)
    try container.encode(configuration, forKey: .configuration)
  }
}
