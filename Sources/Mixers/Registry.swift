/// The architectures by name. A new one joins with one line.

public enum Registry {
  public static let mixers: [any SequenceMixer.Type] = [
    S4D.self, LRU.self, RGLRU.self, Mamba.self, Mamba2.self, RetNet.self, LinearAttention.self, MinGRU.self,
    Flash.self, Attention.self,
  ]

  public static var names: [String] { mixers.map { $0.name } }

  /// The mixer of this name.
  public static func mixer(named name: String) throws -> any SequenceMixer.Type {
    guard let mixer = mixers.first(where: { $0.name == name }) else {
      throw ConfigurationError(
        "there is no mixer \"\(name)\"; the mixers are \(names.joined(separator: ", "))")
    }
    return mixer
  }
}
