/// Elementwise expressions: an equation written with tensors and numbers, which ``evaluate(_:)`` computes in one pass.
///
///     let rate = -8 * softplus(lambda) * sigmoid(recurrenceGate)
///     let h = evaluate(exp(rate) * x)
///
/// Writing one computes nothing. Shapes are aligned at their last axes, and an axis of one element stands for as many as the
/// others have: [E] meets [B T E], [H 1] meets [B T H K].

import CKernels

/// What equations are made of: tensors, and expressions of them.
public protocol Elementwise {
  var expression: TensorExpression { get }
}

/// A function of tensors, element by element, that is not computed yet. A value: what stands in one twice is computed once.
public struct TensorExpression: Elementwise, Sendable {
  /// An operation on up to three expressions.
  final class Term: Sendable {
    let operation: runnel_operation
    let k, l: Float
    let a: TensorExpression
    let b, c: TensorExpression?
    let shape: Shape

    init(
      _ operation: runnel_operation, _ a: TensorExpression, _ b: TensorExpression? = nil,
      _ c: TensorExpression? = nil, k: Float = 0, l: Float = 0
    ) {
      (self.operation, self.a, self.b, self.c, self.k, self.l) = (operation, a, b, c, k, l)
      var shape = a.shape
      if let b { shape = shape.broadcast(with: b.shape) }
      if let c { shape = shape.broadcast(with: c.shape) }
      self.shape = shape
    }
  }

  enum Form: Sendable {
    case tensor(Tensor)
    case term(Term)
  }

  let form: Form
  public var expression: TensorExpression { self }
  /// The shape of the value.
  public var shape: Shape {
    switch form {
    case .tensor(let tensor): tensor.shape
    case .term(let term): term.shape
    }
  }

  fileprivate init(_ operation: runnel_operation, _ a: some Elementwise, k: Float = 0, l: Float = 0) {
    form = .term(Term(operation, a.expression, k: k, l: l))
  }
  fileprivate init(
    _ operation: runnel_operation, _ a: some Elementwise, _ b: some Elementwise, k: Float = 0
  ) {
    form = .term(Term(operation, a.expression, b.expression, k: k))
  }
  init(_ term: Term) { form = .term(term) }
  fileprivate init(_ tensor: Tensor) { form = .tensor(tensor) }
}

extension Tensor: Elementwise {
  public var expression: TensorExpression { TensorExpression(self) }
}

extension Shape {
  /// The shape of what is made of elements of both.
  func broadcast(with other: Shape) -> Shape {
    if self == other { return self }
    var (longer, shorter) = rank < other.rank ? (other, self) : (self, other)
    for axis in 0..<shorter.rank {
      let place = longer.rank - shorter.rank + axis
      let (own, its) = (longer[place], shorter[axis])
      precondition(
        own == its || own == 1 || its == 1,
        "elementwise: \(self) and \(other) do not meet; aligned at their last axes, extents must be equal or 1"
      )
      if own == 1 { longer[place] = its }
    }
    return longer
  }
}

// Arithmetic. Each operator is spelt out for tensors and expressions: the compiler passes over generic ones where others fit.

public prefix func - (x: TensorExpression) -> TensorExpression { .init(RUNNEL_AFFINE, x, k: -1) }
public prefix func - (x: Tensor) -> TensorExpression { .init(RUNNEL_AFFINE, x, k: -1) }

public func + (x: TensorExpression, y: TensorExpression) -> TensorExpression { .init(RUNNEL_ADD, x, y) }
public func + (x: TensorExpression, y: Tensor) -> TensorExpression { .init(RUNNEL_ADD, x, y) }
public func + (x: Tensor, y: TensorExpression) -> TensorExpression { .init(RUNNEL_ADD, x, y) }
public func + (x: Tensor, y: Tensor) -> TensorExpression { .init(RUNNEL_ADD, x, y) }

public func + (x: TensorExpression, c: Float) -> TensorExpression { .init(RUNNEL_AFFINE, x, k: 1, l: c) }
public func + (c: Float, x: TensorExpression) -> TensorExpression { x + c }
public func + (x: Tensor, c: Float) -> TensorExpression { .init(RUNNEL_AFFINE, x, k: 1, l: c) }
public func + (c: Float, x: Tensor) -> TensorExpression { x + c }

public func - (x: TensorExpression, y: TensorExpression) -> TensorExpression {
  .init(RUNNEL_ADD_SCALED, x, y, k: -1)
}
public func - (x: TensorExpression, y: Tensor) -> TensorExpression { .init(RUNNEL_ADD_SCALED, x, y, k: -1) }
public func - (x: Tensor, y: TensorExpression) -> TensorExpression { .init(RUNNEL_ADD_SCALED, x, y, k: -1) }
public func - (x: Tensor, y: Tensor) -> TensorExpression { .init(RUNNEL_ADD_SCALED, x, y, k: -1) }

public func - (x: TensorExpression, c: Float) -> TensorExpression { x + -c }
public func - (c: Float, x: TensorExpression) -> TensorExpression { .init(RUNNEL_AFFINE, x, k: -1, l: c) }
public func - (x: Tensor, c: Float) -> TensorExpression { x + -c }
public func - (c: Float, x: Tensor) -> TensorExpression { .init(RUNNEL_AFFINE, x, k: -1, l: c) }

public func * (x: TensorExpression, y: TensorExpression) -> TensorExpression { .init(RUNNEL_MULTIPLY, x, y) }
public func * (x: TensorExpression, y: Tensor) -> TensorExpression { .init(RUNNEL_MULTIPLY, x, y) }
public func * (x: Tensor, y: TensorExpression) -> TensorExpression { .init(RUNNEL_MULTIPLY, x, y) }
public func * (x: Tensor, y: Tensor) -> TensorExpression { .init(RUNNEL_MULTIPLY, x, y) }

public func * (x: TensorExpression, c: Float) -> TensorExpression { c * x }
public func * (c: Float, x: TensorExpression) -> TensorExpression { .init(RUNNEL_AFFINE, x, k: c) }
public func * (x: Tensor, c: Float) -> TensorExpression { c * x }
public func * (c: Float, x: Tensor) -> TensorExpression { .init(RUNNEL_AFFINE, x, k: c) }

public func / (x: TensorExpression, y: TensorExpression) -> TensorExpression { .init(RUNNEL_DIVIDE, x, y) }
public func / (x: TensorExpression, y: Tensor) -> TensorExpression { .init(RUNNEL_DIVIDE, x, y) }
public func / (x: Tensor, y: TensorExpression) -> TensorExpression { .init(RUNNEL_DIVIDE, x, y) }
public func / (x: Tensor, y: Tensor) -> TensorExpression { .init(RUNNEL_DIVIDE, x, y) }

public func / (x: TensorExpression, c: Float) -> TensorExpression { 1 / c * x.expression }
public func / (c: Float, x: TensorExpression) -> TensorExpression { c * reciprocal(x) }
public func / (x: Tensor, c: Float) -> TensorExpression { 1 / c * x.expression }
public func / (c: Float, x: Tensor) -> TensorExpression { c * reciprocal(x) }

/// One where x ≥ c, else zero; without a gradient. For ``select(_:_:else:)``.
public func >= (x: TensorExpression, c: Float) -> TensorExpression { .init(RUNNEL_IS_AT_LEAST, x, k: c) }
public func >= (x: Tensor, c: Float) -> TensorExpression { .init(RUNNEL_IS_AT_LEAST, x, k: c) }

/// `x` where the condition is not zero, else `y`.
public func select(
  _ condition: some Elementwise, _ x: some Elementwise, else y: some Elementwise
) -> TensorExpression {
  .init(.init(RUNNEL_SELECT, condition.expression, x.expression, y.expression))
}

// Functions

/// eˣ, which saturates at e⁻⁸⁷ and e⁸⁸.
public func exp(_ x: some Elementwise) -> TensorExpression { .init(RUNNEL_OF_EXP, x) }
/// eˣ − 1, exact near zero.
public func expm1(_ x: some Elementwise) -> TensorExpression { .init(RUNNEL_OF_EXPM1, x) }
/// The natural logarithm; −∞ at zero, NaN below.
public func log(_ x: some Elementwise) -> TensorExpression { .init(RUNNEL_OF_LOG, x) }
/// log (1 + x), exact near zero.
public func log1p(_ x: some Elementwise) -> TensorExpression { .init(RUNNEL_OF_LOG1P, x) }
/// 1 / (1 + e⁻ˣ).
public func sigmoid(_ x: some Elementwise) -> TensorExpression { .init(RUNNEL_OF_SIGMOID, x) }
/// log σ(x).
public func logSigmoid(_ x: some Elementwise) -> TensorExpression { -softplus(-x.expression) }
/// log (1 + eˣ).
public func softplus(_ x: some Elementwise) -> TensorExpression { .init(RUNNEL_OF_SOFTPLUS, x) }
public func tanh(_ x: some Elementwise) -> TensorExpression { .init(RUNNEL_OF_TANH, x) }
/// x σ(x).
public func silu(_ x: some Elementwise) -> TensorExpression { .init(RUNNEL_OF_SILU, x) }
/// The tanh form.
public func gelu(_ x: some Elementwise) -> TensorExpression { .init(RUNNEL_OF_GELU, x) }
public func relu(_ x: some Elementwise) -> TensorExpression { .init(RUNNEL_OF_RELU, x) }
/// |x|, whose slope at zero is zero.
public func abs(_ x: some Elementwise) -> TensorExpression { .init(RUNNEL_OF_ABS, x) }
public func square(_ x: some Elementwise) -> TensorExpression {
  let x = x.expression
  return x * x
}
/// √x, whose slope 1 / (2 √x) is held at `largestSlope`: it grows without bound as x goes to zero.
public func sqrt(_ x: some Elementwise, largestSlope: Float = .greatestFiniteMagnitude) -> TensorExpression {
  .init(RUNNEL_OF_SQRT, x, k: largestSlope)
}
/// 1 / x.
public func reciprocal(_ x: some Elementwise) -> TensorExpression { .init(RUNNEL_OF_RECIPROCAL, x) }
/// max(x, c); where they are equal the gradient is x's.
public func maximum(_ x: some Elementwise, _ c: Float) -> TensorExpression { .init(RUNNEL_MAXIMUM, x, k: c) }
/// min(x, c); where they are equal the gradient is x's.
public func minimum(_ x: some Elementwise, _ c: Float) -> TensorExpression { .init(RUNNEL_MINIMUM, x, k: c) }

extension Activation {
  /// f(x).
  public func callAsFunction(_ x: some Elementwise) -> TensorExpression {
    operation.map { TensorExpression($0, x) } ?? x.expression
  }

  /// Nil for the identity.
  private var operation: runnel_operation? {
    switch self {
    case .identity: nil
    case .silu: RUNNEL_OF_SILU
    case .gelu: RUNNEL_OF_GELU
    case .sigmoid: RUNNEL_OF_SIGMOID
    case .tanh: RUNNEL_OF_TANH
    case .softplus: RUNNEL_OF_SOFTPLUS
    case .exp: RUNNEL_OF_EXP
    case .eluPlusOne: RUNNEL_OF_ELU1
    case .relu: RUNNEL_OF_RELU
    case .squaredReLU: RUNNEL_OF_RELU2
    }
  }
}

// Values

/// The value of an expression.
public func evaluate(_ x: some Elementwise) -> Tensor { evaluate([x.expression])[0] }

/// The values of two expressions of one shape; what is in both is computed once.
public func evaluate(_ x: some Elementwise, _ y: some Elementwise) -> (Tensor, Tensor) {
  let values = evaluate([x.expression, y.expression])
  return (values[0], values[1])
}
