/// The parameters of a model by their names in a checkpoint.

import RunnelMixers
import RunnelTensors

/// A parameter as numbers, with how it is trained.
public struct Parameter: Sendable {
  /// Its name in a checkpoint.
  public let name: String
  public let traits: ParameterTraits
  /// Of the declared shape.
  public var value: Tensor
}

/// A parameter as a model keeps it: as numbers, or packed.
public struct ParameterEntry: Sendable {
  package let place: ParameterPlace
  package var stored: StoredParameter

  package init(place: ParameterPlace, stored: StoredParameter) {
    (self.place, self.stored) = (place, stored)
  }

  var parameter: Parameter { Parameter(name: place.name, traits: place.traits, value: stored.numbers) }
  /// The packed matrix, if it is one.
  package var matrix: PackedMatrix? { if case .weight(let weight) = stored { weight.matrix } else { nil } }
}

extension Parameters {
  /// Gives these, which must be what is asked for, in this order.
  convenience init(_ entries: [ParameterEntry]) {
    var next = 0
    self.init { place, _ in
      precondition(
        next < entries.count && entries[next].place.name == place.name,
        "Parameters: \(place.name) is asked for as number \(next + 1)")
      defer { next += 1 }
      return entries[next].stored
    }
  }
}

extension ModelConfiguration {
  /// What parameters a model of this configuration has, in checkpoint order; makes none.
  package var places: [ParameterPlace] {
    var places: [ParameterPlace] = []
    _ = Network(
      self,
      from: Parameters { place, _ in
        places.append(place)
        return place.absent
      })
    return places
  }

  /// The numbers of a model of this configuration.
  public var parameterCount: Int { places.reduce(0) { $0 + $1.shape.elements } }
}
