/// The architectures by name. A new one joins with one line.

public enum Registry {
  public static let mixers: [any SequenceMixer.Type] = [
    HiPPOLegS.self, S4.self, S4D.self, S5.self, LRU.self, RGLRU.self, H3.self,
    Mamba.self, Mamba2.self, RetNet.self, LinearAttention.self, GLA.self, SimpleGLA.self, Flash.self,
    DeltaNet.self, GatedDeltaNet.self, HGRN2.self, MLSTM.self, MinGRU.self,
    RWKV4.self, RWKV5.self, RWKV6.self, RWKV7.self, Attention.self,
  ]

  public static var names: [String] { mixers.map { $0.name } }

  /// The mixer of this name.
  public static func mixer(named name: String) throws -> any SequenceMixer.Type {
    guard let mixer = mixers.first(where: { $0.name == name }) else {
      throw UnknownMixer(name: name)
    }
    return mixer
  }

  /// The mixers of a pattern such as "mamba,mamba,attention".
  public static func pattern(_ names: String) throws -> [any SequenceMixer.Type] {
    try names.split(separator: ",", omittingEmptySubsequences: false).map {
      try mixer(named: String($0).trimmingPrefix(" ").description)
    }
  }
}

/// A name that no mixer of the registry has.
public struct UnknownMixer: Error, CustomStringConvertible {
  public let name: String
  public var description: String {
    "there is no mixer \"\(name)\"; the mixers are \(Registry.names.joined(separator: ", "))"
  }
}
