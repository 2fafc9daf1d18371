/// An equation that is prepared once and computed often.
///
///     static let gates = Equation { x, r, rate in
///       let logDecay = -rate * sigmoid(r)
///       return (exp(logDecay), sqrt(-expm1(2 * logDecay)) * x)
///     }
///     let (decay, input) = Self.gates(x, r, rate)

/// Functions of tensors, element by element, that take and give tensors. What they are made of is written once, as expressions
/// of operands that have no values yet; a call with tensors is one pass over tiles, and so is that for the gradients.
///
/// Shapes meet as in a ``TensorExpression``, and every value has the shape of all operands together. What depends on small
/// operands alone is computed for every element nevertheless: if it costs much, hand it over as an operand.
public struct Equation<Value>: Sendable {
  fileprivate let compiled: CompiledExpressions

  private init(_ operands: Int, _ equation: ([TensorExpression]) -> [TensorExpression]) {
    let leaves = (0..<operands).map { _ in Tensor(zeros: []) }
    var flat = FlatExpression(count: 1, leaves: leaves)
    let outputs = equation(leaves.map(of)).map { flat.value(of: $0) }
    precondition(
      flat.leaves.count == operands, "Equation: a tensor stands in it; hand it over as an operand instead")
    compiled = CompiledExpressions(flat.code, outputs: outputs, inputs: operands)
  }
}

extension Equation where Value == Tensor {
  /// A function of one operand.
  public init(_ f: (TensorExpression) -> TensorExpression) {
    self.init(1) { [f($0[0])] }
  }
  /// A function of two operands.
  public init(_ f: (TensorExpression, TensorExpression) -> TensorExpression) {
    self.init(2) { [f($0[0], $0[1])] }
  }
  /// A function of three operands.
  public init(_ f: (TensorExpression, TensorExpression, TensorExpression) -> TensorExpression) {
    self.init(3) { [f($0[0], $0[1], $0[2])] }
  }
  /// A function of four operands.
  public init(
    _ f: (TensorExpression, TensorExpression, TensorExpression, TensorExpression) -> TensorExpression
  ) {
    self.init(4) { [f($0[0], $0[1], $0[2], $0[3])] }
  }

  /// The value; traps for shapes that do not meet.
  public func callAsFunction(_ operands: Tensor...) -> Tensor { compiled.value(operands) }
}

extension Equation where Value == (Tensor, Tensor) {
  /// Two functions of one operand.
  public init(_ f: (TensorExpression) -> (TensorExpression, TensorExpression)) {
    self.init(1) { list(f($0[0])) }
  }
  /// Two functions of two operands.
  public init(_ f: (TensorExpression, TensorExpression) -> (TensorExpression, TensorExpression)) {
    self.init(2) { list(f($0[0], $0[1])) }
  }
  /// Two functions of three operands.
  public init(
    _ f: (TensorExpression, TensorExpression, TensorExpression) -> (TensorExpression, TensorExpression)
  ) {
    self.init(3) { list(f($0[0], $0[1], $0[2])) }
  }
  /// Two functions of five operands.
  public init(
    _ f: (TensorExpression, TensorExpression, TensorExpression, TensorExpression, TensorExpression) -> (
      TensorExpression, TensorExpression
    )
  ) {
    self.init(5) { list(f($0[0], $0[1], $0[2], $0[3], $0[4])) }
  }

  /// The values; traps for shapes that do not meet.
  public func callAsFunction(_ operands: Tensor...) -> (Tensor, Tensor) {
    let values = compiled.values(operands)
    return (values[0], values[1])
  }
}

extension Equation where Value == (Tensor, Tensor, Tensor) {
  /// Three functions of four operands.
  public init(
    _ f: (TensorExpression, TensorExpression, TensorExpression, TensorExpression) -> (
      TensorExpression, TensorExpression, TensorExpression
    )
  ) {
    self.init(4) {
      let values = f($0[0], $0[1], $0[2], $0[3])
      return [values.0, values.1, values.2]
    }
  }

  /// The values; traps for shapes that do not meet.
  public func callAsFunction(_ operands: Tensor...) -> (Tensor, Tensor, Tensor) {
    let values = compiled.values(operands)
    return (values[0], values[1], values[2])
  }
}

private func list(_ pair: (TensorExpression, TensorExpression)) -> [TensorExpression] { [pair.0, pair.1] }
