/// A model's parameters from a file, and the number that tells models apart.

import RunnelFiles
import RunnelMixers
import RunnelModels
import RunnelTensors

extension LanguageModel {
  /// The same model with the parameters of a file; every one must be there, and nothing else. Packed weights are used where
  /// they lie in the file.
  public func loadingParameters(from source: any TensorSource, prefix: String = "") throws -> Self {
    var expected: Set<String> = []
    let packed = try PackedWeights(of: source)
    var loaded = self
    try loaded.visit { place, stored in
      let name = prefix + place.name, shape = stored.shape
      if case .weight(var weight) = stored, let found = try packed?.find(name, shape, weight.layout) {
        expected.insert(found.name)
        weight.replace(by: found.matrix)
        stored = .weight(weight)
        return
      }
      expected.insert(name)
      guard source.contains(name) else {
        throw FileError(
          source.path, at: "tensors", expected: "a tensor \"\(name)\" \(shape)", found: "none",
          remedy: "use the configuration that belongs to these weights")
      }
      let value = try source.tensor(name, requireFinite: true)
      guard value.shape == shape else {
        throw FileError(
          source.path, at: "tensor \"\(name)\"", expected: "shape \(shape)", found: "\(value.shape)",
          remedy: "use the configuration that belongs to these weights")
      }
      stored.numbers = value
    }
    if let stranger = source.names.first(where: { $0.hasPrefix(prefix) && !expected.contains($0) }),
      prefix.isEmpty
    {
      throw FileError(
        source.path, at: "tensor \"\(stranger)\"", expected: "only parameters of \(mixerName)",
        found: "one that the architecture has not",
        remedy: "use the configuration that belongs to these weights")
    }
    loaded.storedFingerprint = packed?.fingerprint
    return loaded
  }

  /// A number that two models share only if all their parameters are equal, bit for bit: a model has that of the numbers
  /// that its packed weights stand for.
  public var fingerprint: String {
    if let storedFingerprint { return storedFingerprint }
    // FNV-1a over names, shapes and bits, a word at a time.
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    func mix(_ word: UInt64) { hash = (hash ^ word) &* 0x100_0000_01b3 }
    var copy = self
    copy.visit { place, stored in
      for byte in place.name.utf8 { mix(UInt64(byte)) }
      for extent in stored.shape { mix(UInt64(extent)) }
      stored.numbers.withBits { bits in for word in bits { mix(UInt64(word)) } }
    }
    return String(hash, radix: 16)
  }
}
