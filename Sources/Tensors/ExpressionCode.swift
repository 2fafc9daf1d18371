/// An expression as a list of instructions.

import CKernels

/// Instructions in the order of their computation. Operands are values by number: that of instruction i is i, that of leaf i
/// is ~i.
struct ExpressionCode {
  static let absent = Int32.min
  var instructions: [runnel_instruction] = []

  /// The number of what the operation makes; what there is already is not made again.
  mutating func append(
    _ operation: runnel_operation, _ a: Int32, _ b: Int32 = absent, _ c: Int32 = absent, k: Float = 1,
    l: Float = -0.0, m: Float = 1
  ) -> Int32 {
    let new = runnel_instruction(operation: operation, y: 0, a: a, b: b, c: c, k: k, l: l, m: m)
    if let present = instructions.firstIndex(where: { $0.isSame(as: new) }) { return Int32(present) }
    instructions.append(new)
    return Int32(instructions.count - 1)
  }

  /// The same, with constants that operands are multiplied with or shifted by as part of the operation.
  mutating func appendFolded(
    _ operation: runnel_operation, _ a: Int32, _ b: Int32, k: Float, l: Float, m: Float
  ) -> Int32 {
    /// An operand that is k x + l, or k x where no shift may be.
    func affine(_ value: Int32, shifted: Bool = false) -> runnel_instruction? {
      guard value >= 0 else { return nil }
      let x = instructions[Int(value)]
      return x.operation == RUNNEL_AFFINE && (shifted || x.l == 0) ? x : nil
    }
    switch operation {
    case RUNNEL_ADD, RUNNEL_ADD_SCALED:
      if let x = affine(b) { return append(RUNNEL_ADD_SCALED, a, x.a, k: k * x.k) }
      if operation == RUNNEL_ADD, let x = affine(a) { return append(RUNNEL_ADD_SCALED, b, x.a, k: x.k) }
    case RUNNEL_MULTIPLY:
      let (x, y) = (affine(a), affine(b))
      return append(operation, x?.a ?? a, y?.a ?? b, k: k * (x?.k ?? 1) * (y?.k ?? 1))
    case RUNNEL_LARGER:
      if let x = affine(b, shifted: true) { return append(operation, a, x.a, k: x.k, l: x.l) }
    case _ where operation == RUNNEL_AFFINE || operation.isFunction:
      if let x = affine(a, shifted: true) { return append(operation, x.a, k: k * x.k, l: k * x.l + l, m: m) }
    default: break
    }
    return append(operation, a, b, k: k, l: l, m: m)
  }
}

extension runnel_operation {
  /// Whether it is f(k a + l).
  var isFunction: Bool {
    (RUNNEL_OF_EXP.rawValue...RUNNEL_OF_RECIPROCAL.rawValue).contains(rawValue)
  }
  /// Whether it is a slope that the function's value tells.
  var isSlopeOfValue: Bool {
    (RUNNEL_SLOPE_OF_EXPM1.rawValue...RUNNEL_SLOPE_OF_RECIPROCAL.rawValue).contains(rawValue)
  }
}

extension runnel_instruction {
  @inline(__always)
  mutating func forEachOperand(_ body: (inout Int32) -> Void) {
    if a != ExpressionCode.absent { body(&a) }
    if b != ExpressionCode.absent { body(&b) }
    if c != ExpressionCode.absent { body(&c) }
  }

  fileprivate func isSame(as other: Self) -> Bool {
    operation == other.operation && a == other.a && b == other.b && c == other.c
      && k.bitPattern == other.k.bitPattern
      && l.bitPattern == other.l.bitPattern && m.bitPattern == other.m.bitPattern
  }
}

/// The terms of expressions of one shape, each once.
struct FlatExpression {
  private(set) var code = ExpressionCode()
  private(set) var leaves: [Tensor]
  private var numbers: [(term: ObjectIdentifier, value: Int32)] = []
  private let count: Int

  /// - Parameters:
  ///   - count: the elements of the whole.
  ///   - leaves: the first ones.
  init(count: Int, leaves: [Tensor] = []) {
    (self.count, self.leaves) = (count, leaves)
    code.instructions.reserveCapacity(16)
    numbers.reserveCapacity(24)
  }

  mutating func value(of expression: TensorExpression) -> Int32 {
    let term: TensorExpression.Term
    switch expression.form {
    case .tensor(let tensor): return leaf(tensor)
    case .term(let some): term = some
    }
    for known in numbers where known.term == ObjectIdentifier(term) { return known.value }
    let value: Int32
    if term.shape.elements < count {
      // What all rows share is computed once.
      value = leaf(evaluate(expression))
    } else {
      let a = self.value(of: term.a)
      let b = term.b.map { self.value(of: $0) } ?? ExpressionCode.absent
      value = code.appendFolded(term.operation, a, b, k: term.k, l: term.l, m: term.m)
    }
    numbers.append((ObjectIdentifier(term), value))
    return value
  }

  private mutating func leaf(_ tensor: Tensor) -> Int32 {
    for i in leaves.indices where leaves[i].isSame(as: tensor) { return ~Int32(i) }
    leaves.append(tensor)
    return ~Int32(leaves.count - 1)
  }
}

extension Tensor {
  /// Whether it is the same value of the tape, or the same constant.
  fileprivate func isSame(as other: Tensor) -> Bool {
    storage === other.storage && offset == other.offset && shape == other.shape
      && origin?.node === other.origin?.node && origin?.output == other.origin?.output
  }
}
