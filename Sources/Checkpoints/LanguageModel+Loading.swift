/// A model's parameters from a file.

import RunnelFiles
import RunnelMixers
import RunnelModels
import RunnelTensors

extension StreamingModel {
  /// The model of a configuration with the parameters of a file; every one must be there, and nothing else. Packed weights
  /// are used where they lie in the file.
  ///
  /// - Parameter prefix: stands before the names in a file that holds other tensors as well.
  /// - Throws: ``FileError`` at the first parameter that is absent, of another shape or not finite, and at the first
  ///   stranger.
  package init(
    _ configuration: ModelConfiguration, parametersOf source: any TensorSource, prefix: String = ""
  ) throws {
    try configuration.validate()
    var expected: Set<String> = []
    let packed = try PackedWeights(of: source)
    func refuse(_ place: String, _ expected: String, _ found: String) -> FileError {
      FileError(
        source.path, at: place, expected: expected, found: found,
        remedy: "use the configuration that belongs to these weights")
    }
    let entries = try configuration.places.map { place in
      let name = prefix + place.name
      if let layout = place.layout, let found = try packed?.find(name, place.shape, layout) {
        expected.insert(found.name)
        return ParameterEntry(place: place, stored: .weight(Weight(found.matrix, layout)))
      }
      expected.insert(name)
      guard source.contains(name) else {
        throw refuse("tensors", "a tensor \"\(name)\" \(place.shape)", "none")
      }
      let value = try source.tensor(name, requireFinite: true)
      guard value.shape == place.shape else {
        throw refuse("tensor \"\(name)\"", "shape \(place.shape)", "\(value.shape)")
      }
      return ParameterEntry(place: place, stored: place.stored(value))
    }
    if prefix.isEmpty, let stranger = source.names.first(where: { !expected.contains($0) }) {
      throw refuse(
        "tensor \"\(stranger)\"", "only parameters of \(configuration.mixerName)",
        "one that the architecture has not")
    }
    // What an earlier version says is no mark of this one's.
    let known = packed.map { Fingerprint($0.fingerprint) }.flatMap {
      $0.isOfEarlierVersion ? nil : $0.weights
    }
    self.init(configuration, entries, knownWeights: known)
  }
}
