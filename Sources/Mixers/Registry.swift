/// The architectures by name.

import Synchronization

/// What configurations name: the architectures, and the norms and feed-forward parts that a model is made of with them. One of
/// ours joins with one line here; one of another package is registered.
public enum Registry {
  private static let own: [any SequenceMixer.Type] = [
    HiPPOLegS.self, S4.self, S4D.self, S5.self, LRU.self, RGLRU.self, H3.self,
    Mamba.self, Mamba2.self, RetNet.self, LinearAttention.self, GLA.self, SimpleGLA.self, Flash.self,
    DeltaNet.self, GatedDeltaNet.self, HGRN2.self, MLSTM.self, MinGRU.self,
    RWKV4.self, RWKV5.self, RWKV6.self, RWKV7.self, Attention.self,
  ]

  /// What others have registered, in their order.
  private struct Registered: Sendable {
    var mixers: [any SequenceMixer.Type] = []
    var norms: [NormKind] = []
    var feedForwards: [FeedForwardKind] = []
  }
  private static let registered = Mutex(Registered())

  /// Every mixer: ours, then those that were registered.
  public static var mixers: [any SequenceMixer.Type] { own + registered.withLock { $0.mixers } }
  /// Every kind of norm.
  public static var norms: [NormKind] { [.rms, .layer] + registered.withLock { $0.norms } }
  /// Every kind of feed-forward part.
  public static var feedForwards: [FeedForwardKind] {
    FeedForwardKind.own + registered.withLock { $0.feedForwards }
  }

  /// The names of the mixers.
  public static var names: [String] { mixers.map { $0.name } }

  /// Makes a mixer known by its name: to configurations, and so to model folders, runs and streams. Call it before a model of it
  /// is opened; from any thread, and for the same type as often as one likes.
  ///
  /// - Throws: where another mixer has the name, or it is none that a pattern of mixers can hold.
  public static func register(_ mixer: any SequenceMixer.Type) throws(ConfigurationError) {
    try check(mixer.name, "mixer")
    try registered.withLock { registered throws(ConfigurationError) in
      let taken = (own + registered.mixers).first { $0.name == mixer.name }
      guard taken != mixer else { return }
      try requireFree(taken == nil, mixer.name, "mixer")
      registered.mixers.append(mixer)
    }
  }

  /// Makes a kind of norm known by its name. Call it before a model with it is opened, once.
  ///
  /// - Throws: where another kind has the name.
  public static func register(_ norm: NormKind) throws(ConfigurationError) {
    try check(norm.rawValue, "norm")
    try registered.withLock { registered throws(ConfigurationError) in
      try requireFree(!([.rms, .layer] + registered.norms).contains(norm), norm.rawValue, "norm")
      registered.norms.append(norm)
    }
  }

  /// Makes a kind of feed-forward part known by its name. Call it before a model with it is opened, once.
  ///
  /// - Throws: where another kind has the name.
  public static func register(_ kind: FeedForwardKind) throws(ConfigurationError) {
    try check(kind.rawValue, "feed-forward part")
    try registered.withLock { registered throws(ConfigurationError) in
      let isFree = !(FeedForwardKind.own + registered.feedForwards).contains(kind)
      try requireFree(isFree, kind.rawValue, "feed-forward part")
      registered.feedForwards.append(kind)
    }
  }

  private static func requireFree(_ isFree: Bool, _ name: String, _ what: String) throws(ConfigurationError) {
    guard !isFree else { return }
    throw ConfigurationError("there is a \(what) \"\(name)\" already; give yours another name")
  }

  /// Names stand in patterns, between commas, and in front of settings and a dot.
  private static func check(_ name: String, _ what: String) throws(ConfigurationError) {
    let isWord = !name.isEmpty && name.utf8.allSatisfy { 0x21...0x7E ~= $0 && !",.:=\"/\\".utf8.contains($0) }
    guard !isWord else { return }
    throw ConfigurationError(
      "a \(what) cannot have the name \"\(name)\"; give it one of letters, digits and hyphens")
  }

  /// The mixer of this name.
  ///
  /// - Throws: where there is none, with all that there are.
  public static func mixer(named name: String) throws -> any SequenceMixer.Type {
    guard let mixer = mixers.first(where: { $0.name == name }) else {
      throw UnknownMixer(name: name)
    }
    return mixer
  }

  /// The mixers of a pattern such as "mamba,mamba,attention".
  ///
  /// - Throws: where one of them is not there.
  public static func pattern(_ names: String) throws -> [any SequenceMixer.Type] {
    try names.split(separator: ",", omittingEmptySubsequences: false).map {
      try mixer(named: String($0).trimmingPrefix(" ").description)
    }
  }
}

/// A name that no mixer of the registry has.
public struct UnknownMixer: Error, CustomStringConvertible {
  /// The name that was asked for.
  public let name: String
  public var description: String {
    "there is no mixer \"\(name)\"; the mixers are \(Registry.names.joined(separator: ", "))"
  }
}
