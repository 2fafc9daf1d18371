/// Parameters and states by name: saving, loading, counting and detaching are written once over these lists.

import RunnelTensors

/// How the optimiser treats a parameter.
public struct ParameterTraits: Sendable, Equatable {
  /// Whether weight decay applies; norms, biases, Δ, A and decays are exempt.
  public var decays: Bool
  /// A factor on the learning rate.
  public var learningRate: Float
  /// Whether the parameter writes to the residual stream; such weights start smaller in deep models.
  public var isResidual: Bool

  public init(decays: Bool, learningRate: Float = 1, isResidual: Bool = false) {
    self.decays = decays
    self.learningRate = learningRate
    self.isResidual = isResidual
  }
  /// A matrix.
  public static let weight = ParameterTraits(decays: true)
  /// A matrix whose product is added to the residual stream.
  public static let residual = ParameterTraits(decays: true, isResidual: true)
  /// A norm, bias, step size or decay.
  public static let exempt = ParameterTraits(decays: false)
}

/// One parameter of a mixer: its name in a checkpoint and its place. A tensor without elements is absent.
public struct Field<Root>: Sendable {
  public let name: String
  public let path: any WritableKeyPath<Root, Tensor> & Sendable
  public let traits: ParameterTraits

  public init(
    _ name: String, _ path: any WritableKeyPath<Root, Tensor> & Sendable, _ traits: ParameterTraits = .weight
  ) {
    self.name = name
    self.path = path
    self.traits = traits
  }
}

/// The memory of a recurrence: named tensors [B …] and, where it counts tokens, counters of one integer per row.
public protocol RecurrentState: Sendable {
  static var tensors: [StateField<Self, Tensor>] { get }
  static var counters: [StateField<Self, [Int]>] { get }
}

extension RecurrentState {
  public static var counters: [StateField<Self, [Int]>] { [] }

  /// Bytes of the state for all its rows.
  public var byteCount: Int {
    Self.tensors.reduce(0) { $0 + self[keyPath: $1.path].count * 4 }
      + Self.counters.reduce(0) { $0 + self[keyPath: $1.path].count * 8 }
  }

  package var namedTensors: [(name: String, value: Tensor)] {
    Self.tensors.map { ($0.name, self[keyPath: $0.path]) }
  }
  package var namedCounters: [(name: String, value: [Int])] {
    Self.counters.map { ($0.name, self[keyPath: $0.path]) }
  }

  /// Puts other contents in; names and shapes are those of `tensors` and `counters`.
  package mutating func replace(
    tensors: (String, Tensor) throws -> Tensor, counters: (String, [Int]) throws -> [Int]
  ) rethrows {
    for field in Self.tensors {
      self[keyPath: field.path] = try tensors(field.name, self[keyPath: field.path])
    }
    for field in Self.counters {
      self[keyPath: field.path] = try counters(field.name, self[keyPath: field.path])
    }
  }

  /// The same memory as a constant: gradients stop here.
  public var detached: Self {
    var copy = self
    for field in Self.tensors { copy[keyPath: field.path] = self[keyPath: field.path].detached }
    return copy
  }
}

public struct StateField<Root, Value>: Sendable {
  public let name: String
  public let path: any WritableKeyPath<Root, Value> & Sendable

  public init(_ name: String, _ path: any WritableKeyPath<Root, Value> & Sendable) {
    self.name = name
    self.path = path
  }
}
