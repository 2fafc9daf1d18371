/// A model's parameters from a file.

import RunnelFiles
import RunnelMixers
import RunnelModels
import RunnelTensors

extension LanguageModel {
  /// The same model with the parameters of a file; every one must be there, and nothing else. Packed weights are used where
  /// they lie in the file.
  ///
  /// - Throws: ``FileError`` at the first parameter that is absent, of another shape or not finite, and at the first
  ///   stranger.
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
    loaded.storedFingerprint = packed.map { Fingerprint($0.fingerprint).weights }
    return loaded
  }
}
