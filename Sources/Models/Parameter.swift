/// A parameter by its name in a checkpoint, with how it is trained.

import RunnelMixers
import RunnelTensors

public struct Parameter: Sendable {
  public let name: String
  public let traits: ParameterTraits
  public var value: Tensor

  /// Where a parameter belongs, and how it is trained.
  package struct Place {
    package let name: String
    package let traits: ParameterTraits
  }
  init(_ place: Place, _ value: Tensor) {
    (name, traits, self.value) = (place.name, place.traits, value)
  }
}
