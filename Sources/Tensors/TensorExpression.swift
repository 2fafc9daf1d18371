/// Elementwise expressions: an equation written with tensors and numbers, which is computed in one pass, at once by
/// ``evaluate(_:)`` or, prepared once, as an ``Equation``.
///
///     let rate = -8 * softplus(of(lambda)) * sigmoid(of(recurrenceGate))
///     let h = evaluate(exp(rate) * of(x))
///
/// A tensor enters one by ``of(_:)`` alone, so that what is computed at once, as `x + y` of two tensors, and what is part
/// of an equation are told apart where they are written. Writing one computes nothing. Shapes are aligned at their last
/// axes, and an axis of one element stands for as many as the others have: [E] meets [B T E], [H 1] meets [B T H K].

import CKernels

/// A function of tensors, element by element, that is not computed yet. A value: what stands in one twice is computed once.
public struct TensorExpression: Sendable {
  /// An operation on one expression or two.
  final class Term: Sendable {
    let operation: runnel_operation
    let k, l, m: Float
    let a: TensorExpression
    let b: TensorExpression?
    let shape: Shape

    init(
      _ operation: runnel_operation, _ a: TensorExpression, _ b: TensorExpression?, k: Float, l: Float,
      m: Float
    ) {
      (self.operation, self.a, self.b, self.k, self.l, self.m) = (operation, a, b, k, l, m)
      shape = b.map { a.shape.broadcast(with: $0.shape) } ?? a.shape
    }
  }

  /// One reference, so that expressions are cheap to hand on.
  enum Form: Sendable {
    indirect case tensor(Tensor)
    case term(Term)
  }

  let form: Form
  /// The shape of the value.
  public var shape: Shape {
    switch form {
    case .tensor(let tensor): tensor.shape
    case .term(let term): term.shape
    }
  }

  /// Zero is negative, so that what adds it changes nothing.
  fileprivate init(
    _ operation: runnel_operation, _ a: TensorExpression, _ b: TensorExpression? = nil, k: Float = 1,
    l: Float = -0.0, m: Float = 1
  ) {
    form = .term(Term(operation, a, b, k: k, l: l, m: m))
  }
  fileprivate init(_ tensor: Tensor) { form = .tensor(tensor) }
}

/// A tensor as part of an equation.
public func of(_ x: Tensor) -> TensorExpression { TensorExpression(x) }

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

// Arithmetic

extension TensorExpression {
  /// The negative of every element.
  public static prefix func - (x: Self) -> Self { .init(RUNNEL_AFFINE, x, k: -1) }

  /// x + y.
  public static func + (x: Self, y: Self) -> Self { .init(RUNNEL_ADD, x, y) }
  /// x + c.
  public static func + (x: Self, c: Float) -> Self { .init(RUNNEL_AFFINE, x, l: c) }
  /// c + x.
  public static func + (c: Float, x: Self) -> Self { x + c }

  /// x − y.
  public static func - (x: Self, y: Self) -> Self { .init(RUNNEL_ADD_SCALED, x, y, k: -1) }
  /// x − c.
  public static func - (x: Self, c: Float) -> Self { x + -c }
  /// c − x.
  public static func - (c: Float, x: Self) -> Self { .init(RUNNEL_AFFINE, x, k: -1, l: c) }

  /// x y, element by element.
  public static func * (x: Self, y: Self) -> Self { .init(RUNNEL_MULTIPLY, x, y) }
  /// x c.
  public static func * (x: Self, c: Float) -> Self { c * x }
  /// c x.
  public static func * (c: Float, x: Self) -> Self { .init(RUNNEL_AFFINE, x, k: c) }

  /// x / y, element by element.
  public static func / (x: Self, y: Self) -> Self { .init(RUNNEL_DIVIDE, x, y) }
  /// x / c.
  public static func / (x: Self, c: Float) -> Self { 1 / c * x }
  /// c / x.
  public static func / (c: Float, x: Self) -> Self { c * reciprocal(x) }
}

// Functions

/// eˣ, which saturates at e⁻⁸⁷ and e⁸⁸.
public func exp(_ x: TensorExpression) -> TensorExpression { Activation.exp(x) }
/// eˣ − 1, exact near zero.
public func expm1(_ x: TensorExpression) -> TensorExpression { .init(RUNNEL_OF_EXPM1, x) }
/// The natural logarithm; −∞ at zero, NaN below.
public func log(_ x: TensorExpression) -> TensorExpression { .init(RUNNEL_OF_LOG, x) }
/// log (1 + x), exact near zero.
public func log1p(_ x: TensorExpression) -> TensorExpression { .init(RUNNEL_OF_LOG1P, x) }
/// 1 / (1 + e⁻ˣ).
public func sigmoid(_ x: TensorExpression) -> TensorExpression { Activation.sigmoid(x) }
/// log σ(x).
public func logSigmoid(_ x: TensorExpression) -> TensorExpression { -softplus(-x) }
/// log (1 + eˣ).
public func softplus(_ x: TensorExpression) -> TensorExpression { Activation.softplus(x) }
/// tanh x.
public func tanh(_ x: TensorExpression) -> TensorExpression { Activation.tanh(x) }
/// x σ(x).
public func silu(_ x: TensorExpression) -> TensorExpression { Activation.silu(x) }
/// x Φ(x), in its tanh form.
public func gelu(_ x: TensorExpression) -> TensorExpression { Activation.gelu(x) }
/// max(x, 0).
public func relu(_ x: TensorExpression) -> TensorExpression { Activation.relu(x) }
/// |x|, whose slope at zero is zero.
public func abs(_ x: TensorExpression) -> TensorExpression { .init(RUNNEL_OF_ABS, x) }
/// x².
public func square(_ x: TensorExpression) -> TensorExpression { x * x }
/// √x, whose slope 1 / (2 √x) grows without bound towards zero; it is held at `steepest`.
public func sqrt(_ x: TensorExpression, steepest: Float = .greatestFiniteMagnitude) -> TensorExpression {
  .init(RUNNEL_OF_SQRT, x, m: steepest)
}
/// 1 / x.
public func reciprocal(_ x: TensorExpression) -> TensorExpression { .init(RUNNEL_OF_RECIPROCAL, x) }
/// max(x, c); where they are equal the gradient is x's.
public func maximum(_ x: TensorExpression, _ c: Float) -> TensorExpression { .init(RUNNEL_MAXIMUM, x, k: c) }
/// max(x, y); where they are equal the gradient is x's.
public func maximum(_ x: TensorExpression, _ y: TensorExpression) -> TensorExpression {
  .init(RUNNEL_LARGER, x, y)
}
/// min(x, c); where they are equal the gradient is x's.
public func minimum(_ x: TensorExpression, _ c: Float) -> TensorExpression { .init(RUNNEL_MINIMUM, x, k: c) }

extension Activation {
  /// f(x).
  public func callAsFunction(_ x: TensorExpression) -> TensorExpression {
    operation.map { TensorExpression($0, x) } ?? x
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
