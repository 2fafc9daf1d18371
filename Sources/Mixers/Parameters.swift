/// Parameters, each declared once: where its layer asks for it, with its name, its shape, how it is trained and what it
/// begins as. Fresh models, loading, packing, counting and training are different answers to the same questions.

import RunnelKernels
import RunnelTensors

/// How the optimiser treats a parameter.
public struct ParameterTraits: Sendable, Equatable {
  /// Whether weight decay applies; norms, biases, Δ, A and decays are exempt.
  public var decays: Bool
  /// A factor on the learning rate.
  public var learningRate: Float
  /// Whether the parameter writes to the residual stream; such weights start smaller in deep models.
  public var isResidual: Bool
  /// Whether the parameter makes decays or steps of a recurrence, which int8 and int4 would spoil.
  public var isDelicate: Bool

  /// Of these, `weight`, `residual`, `delicate` and `exempt` are the usual ones.
  public init(
    decays: Bool, learningRate: Float = 1, isResidual: Bool = false, isDelicate: Bool = false
  ) {
    self.decays = decays
    self.learningRate = learningRate
    self.isResidual = isResidual
    self.isDelicate = isDelicate
  }
  /// A matrix.
  public static let weight = ParameterTraits(decays: true)
  /// A matrix whose product is added to the residual stream.
  public static let residual = ParameterTraits(decays: true, isResidual: true)
  /// A matrix that makes decays or steps.
  public static let delicate = ParameterTraits(decays: true, isDelicate: true)
  /// A norm, bias, step size or decay.
  public static let exempt = ParameterTraits(decays: false, isDelicate: true)
  /// The same at another learning rate, as a factor.
  public static func exempt(learningRate: Float) -> ParameterTraits {
    ParameterTraits(decays: false, learningRate: learningRate, isDelicate: true)
  }
}

/// A parameter as its layer declares it.
public struct ParameterPlace: Sendable {
  /// Its name in a checkpoint, the names of the parts that it belongs to in front.
  public let name: String
  /// The extents, as a checkpoint has them.
  public let shape: Shape
  /// How it is trained and packed.
  public let traits: ParameterTraits
  /// How a checkpoint stores a matrix that a model may pack; nil for what is never packed.
  public let layout: Weight.Layout?

  /// These numbers as the layer keeps them.
  package func stored(_ numbers: Tensor) -> StoredParameter {
    layout.map { .weight(Weight(numbers, $0)) } ?? .tensor(numbers)
  }
  /// What stands for numbers that are not there, for whoever only asks what is declared.
  package var absent: StoredParameter { layout == nil ? .tensor(.absent) : .weight(.absent) }
}

/// A parameter as its layer keeps it.
package enum StoredParameter: Sendable {
  case tensor(Tensor)
  case weight(Weight)

  /// Its numbers; those of a packed weight are unpacked.
  package var numbers: Tensor {
    get {
      switch self {
      case .tensor(let tensor): tensor
      case .weight(let weight): weight.numbers
      }
    }
    set {
      switch self {
      case .tensor: self = .tensor(newValue)
      case .weight(let weight): self = .weight(weight.replacing(newValue))
      }
    }
  }

  /// Changes the numbers in place, where nobody else holds them.
  package mutating func change(_ body: (inout Tensor) throws -> Void) rethrows {
    var value = numbers
    numbers = .absent
    defer { numbers = value }
    try body(&value)
  }
}

/// What a parameter begins as, given its shape.
public struct Beginning: Sendable {
  package let make: @Sendable (Shape, inout SeededGenerator) -> Tensor

  /// Any numbers of the declared shape; heavy work belongs into the closure, which only fresh models call.
  public static func made(_ make: @escaping @Sendable (Shape, inout SeededGenerator) -> Tensor) -> Self {
    Beginning(make: make)
  }
  /// Uniform on ±1/√(the last extent), the inputs of a matrix [out in]: the default of the frameworks in which these
  /// architectures were published.
  public static let usual = made { shape, generator in
    let bound = 1 / Float(shape.width).squareRoot()
    return .uniform(shape, in: -bound...bound, using: &generator)
  }
  /// All elements 0.
  public static let zeros = constant(0)
  /// All elements 1.
  public static let ones = constant(1)
  /// All elements equal.
  public static func constant(_ value: Float) -> Self { made { shape, _ in Tensor(repeating: value, shape) } }
  /// Uniform on ±bound.
  public static func uniform(_ bound: Float) -> Self {
    made { .uniform($0, in: -bound...bound, using: &$1) }
  }
  /// Independent normal numbers of this standard deviation.
  public static func normal(_ deviation: Float) -> Self {
    made { .normal($0, deviation: deviation, using: &$1) }
  }
  /// Each number for itself.
  public static func drawn(_ draw: @escaping @Sendable (inout SeededGenerator) -> Double) -> Self {
    made { shape, generator in Tensor((0..<shape.elements).map { _ in Float(draw(&generator)) }, shape) }
  }
  /// f(0), f(1), … in the order of the elements.
  public static func channels(_ f: @escaping @Sendable (Double) -> Double) -> Self {
    made { shape, _ in Tensor((0..<shape.elements).map { Float(f(Double($0))) }, shape) }
  }
  /// The inverse softplus of step sizes that are log-uniform on [low, high], clamped from below (Mamba §3.6).
  public static func softplusSteps(low: Double, high: Double, floor: Double) -> Self {
    drawn { inverseSoftplus(max(logUniform(low, high, &$0), floor)) }
  }
  /// The logarithms of steps that are log-uniform on [low, high].
  public static func logSteps(_ low: Double, _ high: Double) -> Self {
    let (from, to) = (Float(naturalLogarithm(low)), Float(naturalLogarithm(high)))
    return made { .uniform($0, in: from...to, using: &$1) }
  }
}

private func logUniform(_ low: Double, _ high: Double, _ generator: inout SeededGenerator) -> Double {
  let (from, to) = (naturalLogarithm(low), naturalLogarithm(high))
  return exponential(from + (to - from) * generator.uniform())
}

/// Gives a layer the parameters that it asks for, in the order of the checkpoint.
public final class Parameters {
  private var prefix = ""
  private let give: (ParameterPlace, Beginning) -> StoredParameter

  /// - Parameter give: must give numbers of the shape asked for, or what the place calls absent.
  package init(_ give: @escaping (ParameterPlace, Beginning) -> StoredParameter) { self.give = give }

  /// Fresh numbers; the same seed gives the same.
  public convenience init(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    self.init { place, beginning in place.stored(beginning.make(place.shape, &generator)) }
  }

  /// Gives none: for whoever asks a layer for its shapes alone.
  package static var none: Parameters { Parameters { place, _ in place.absent } }

  /// A matrix that a model may pack for streaming.
  ///
  /// - Parameters:
  ///   - name: in a checkpoint, within the layer.
  ///   - present: false for one that the configuration leaves out; it is then `.absent`.
  public func matrix(
    _ name: String, _ shape: Shape, _ traits: ParameterTraits = .weight, _ beginning: Beginning = .usual,
    layout: Weight.Layout = .outputByInput, if present: Bool = true
  ) -> Weight {
    guard present else { return .absent }
    guard case .weight(let weight) = ask(name, shape, traits, beginning, layout) else {
      preconditionFailure("\(prefix + name): a weight cannot become a tensor")
    }
    return weight
  }

  /// A parameter that is never packed.
  public func tensor(
    _ name: String, _ shape: Shape, _ traits: ParameterTraits = .exempt, _ beginning: Beginning = .zeros,
    if present: Bool = true
  ) -> Tensor {
    guard present else { return .absent }
    guard case .tensor(let tensor) = ask(name, shape, traits, beginning, nil) else {
      preconditionFailure("\(prefix + name): a tensor cannot become a weight")
    }
    return tensor
  }

  private func ask(
    _ name: String, _ shape: Shape, _ traits: ParameterTraits, _ beginning: Beginning,
    _ layout: Weight.Layout?
  ) -> StoredParameter {
    give(ParameterPlace(name: prefix + name, shape: shape, traits: traits, layout: layout), beginning)
  }

  /// Makes a part whose parameters have this in front of their names, `"gate."` for example.
  public func within<Part>(_ prefix: String, _ make: () -> Part) -> Part {
    let outer = self.prefix
    self.prefix += prefix
    defer { self.prefix = outer }
    return make()
  }
}
