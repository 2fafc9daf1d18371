/// The memory of a layer: a value, so that copying it forks the stream, and keeping a copy is rewinding.

import RunnelTensors

/// A tensor of a layer's memory, as the layer declares it.
public struct StateTensor: Sendable {
  /// Its name in a state file.
  public let name: String
  /// The extents for one row of the batch.
  public let shape: Shape
  let value: Float
  let row: Tensor

  /// - Parameters:
  ///   - shape: for one row; that of the memory is [B shape…].
  ///   - value: what every number is before the first token.
  ///   - row: what a row is before the first token, where that is a parameter; absent where it is not.
  public init(_ name: String, _ shape: Shape, from value: Float = 0, row: Tensor = .absent) {
    (self.name, self.shape, self.value, self.row) = (name, shape, value, row)
  }

  func initial(batch: Int) -> Tensor {
    row.isEmpty || batch == 0
      ? Tensor(repeating: value, Shape([batch] + shape))
      : stacked(Array(repeating: row.reshaped(Shape([1] + shape)), count: batch))
  }
}

/// The memory of a recurrence: named tensors [B …] and, where it counts tokens, a number for each row.
public struct RecurrentState: Sendable {
  /// In the order of their declaration.
  public private(set) var tensors: [(name: String, value: Tensor)]
  /// How many tokens each row's document has seen, where the layer counts them.
  public var position: [Int]
  private let countsTokens: Bool

  /// The memory of a layer that has none.
  public static let none = RecurrentState([], countsTokens: false, batch: 0)

  init(_ declared: [StateTensor], countsTokens: Bool, batch: Int) {
    tensors = declared.map { ($0.name, $0.initial(batch: batch)) }
    position = countsTokens ? Array(repeating: 0, count: batch) : []
    self.countsTokens = countsTokens
  }

  /// A tensor by its name, which must be declared.
  public subscript(name: String) -> Tensor {
    get { tensors[index(name)].value }
    _modify { yield &tensors[index(name)].value }
  }

  /// Takes a tensor out, so that who changes it is its only owner; it must be put back.
  public mutating func take(_ name: String) -> Tensor {
    let index = index(name)
    defer { tensors[index].value = .absent }
    return tensors[index].value
  }

  private func index(_ name: String) -> Int {
    for i in tensors.indices where tensors[i].name == name { return i }
    preconditionFailure(
      "RecurrentState: there is no \(name) among \(tensors.map(\.name).joined(separator: ", "))")
  }

  /// Bytes of the state for all its rows.
  public var byteCount: Int { tensors.reduce(8 * position.count) { $0 + 4 * $1.value.count } }

  /// The counters by name, as state files have them.
  package var counters: [(name: String, value: [Int])] {
    countsTokens ? [(Self.positionName, position)] : []
  }
  private static let positionName = "position"

  /// Puts other contents in; names and shapes are those of `tensors` and `counters`.
  package mutating func replace(
    tensors replaced: (String, Tensor) throws -> Tensor, counters: (String, [Int]) throws -> [Int]
  ) rethrows {
    for i in tensors.indices { tensors[i].value = try replaced(tensors[i].name, tensors[i].value) }
    if countsTokens { position = try counters(Self.positionName, position) }
  }

  /// The same memory as a constant: gradients stop here.
  public var detached: Self {
    var copy = self
    for i in tensors.indices { copy.tensors[i].value = tensors[i].value.detached }
    return copy
  }
}
