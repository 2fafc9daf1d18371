/// Parameters and states by name: saving, loading, packing, counting and detaching are written once over these lists.

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
}

/// One parameter of a mixer: its name in a checkpoint and its place. A parameter without elements is absent.
public struct Field<Root>: Sendable {
  public let name: String
  public let traits: ParameterTraits
  private let place: Place

  private enum Place: Sendable {
    case tensor(any WritableKeyPath<Root, Tensor> & Sendable)
    case weight(any WritableKeyPath<Root, Weight> & Sendable)
  }

  /// A parameter that is never packed.
  public init(
    _ name: String, _ path: any WritableKeyPath<Root, Tensor> & Sendable, _ traits: ParameterTraits = .weight
  ) {
    (self.name, self.traits, place) = (name, traits, .tensor(path))
  }

  /// A weight matrix, which may be packed for streaming.
  public static func matrix(
    _ name: String, _ path: any WritableKeyPath<Root, Weight> & Sendable, _ traits: ParameterTraits = .weight
  ) -> Field {
    Field(name, traits, .weight(path))
  }

  private init(_ name: String, _ traits: ParameterTraits, _ place: Place) {
    (self.name, self.traits, self.place) = (name, traits, place)
  }

  /// Lets `body` read, change or replace the parameter, if it is there. Meanwhile it is not in the root, so that who changes it
  /// may be its only owner.
  package func visit(_ root: inout Root, _ body: (inout StoredParameter) throws -> Void) rethrows {
    var stored =
      switch place {
      case .tensor(let path): StoredParameter.tensor(root[keyPath: path])
      case .weight(let path): StoredParameter.weight(root[keyPath: path])
      }
    guard stored.shape.elements > 0 else { return }
    switch place {
    case .tensor(let path): root[keyPath: path] = .absent
    case .weight(let path): root[keyPath: path] = .absent
    }
    defer {
      switch (place, stored) {
      case (.tensor(let path), .tensor(let value)): root[keyPath: path] = value
      case (.weight(let path), .weight(let value)): root[keyPath: path] = value
      default: preconditionFailure("\(name): a tensor cannot become a weight, nor a weight a tensor")
      }
    }
    try body(&stored)
  }
}

/// A parameter as its layer keeps it.
package enum StoredParameter: Sendable {
  case tensor(Tensor)
  case weight(Weight)

  package var shape: Shape {
    switch self {
    case .tensor(let tensor): tensor.shape
    case .weight(let weight): weight.shape
    }
  }
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
      case .weight(var weight):
        weight.numbers = newValue
        self = .weight(weight)
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
