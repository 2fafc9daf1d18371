/// The values of expressions, at once.

/// The value of an expression.
public func evaluate(_ x: TensorExpression) -> Tensor { evaluate([x])[0] }

/// The values of two expressions of one shape; what is in both is computed once.
public func evaluate(_ x: TensorExpression, _ y: TensorExpression) -> (Tensor, Tensor) {
  let values = evaluate([x, y])
  return (values[0], values[1])
}

private func evaluate(_ expressions: [TensorExpression]) -> [Tensor] {
  let shape = expressions[0].shape
  if expressions.count == 1, case .tensor(let tensor) = expressions[0].form { return [tensor] }
  var flat = FlatExpression(count: shape.elements)
  let outputs = expressions.map { expression in
    precondition(
      expression.shape == shape, "evaluate: \(shape) and \(expression.shape) at once; they must be equal")
    return flat.value(of: expression)
  }
  return CompiledExpressions(flat.code, outputs: outputs, inputs: flat.leaves.count).values(flat.leaves)
}
