/// The instructions that make the gradients of an expression.

import CKernels

/// k times a value.
private struct ScaledValue {
  var k: Float
  var value: Int32
}

extension ExpressionCode {
  /// Appends what makes the gradients of leaves from those of the values `outputs`, which are the leaves behind the others.
  ///
  /// - Returns: a value for each leaf, or nil where nothing tracked depends on it.
  mutating func appendGradients(of outputs: [Int32], leaves: Int, tracked: (Int) -> Bool) -> [Int32?] {
    let forward = instructions
    // Leaves first, then values.
    func place(_ value: Int32) -> Int { value < 0 ? Int(~value) : leaves + Int(value) }
    var depends = (0..<leaves).map(tracked)
    for var instruction in forward {
      var any = false
      instruction.forEachOperand { any = any || depends[place($0)] }
      depends.append(any)
    }
    func needs(_ operand: Int32) -> Bool { depends[place(operand)] }
    var parts = [[ScaledValue]](repeating: [], count: leaves + forward.count)
    func add(_ k: Float, _ value: Int32, to operand: Int32) {
      if needs(operand) { parts[place(operand)].append(ScaledValue(k: k, value: value)) }
    }
    for (i, output) in outputs.enumerated() { add(1, ~Int32(leaves + i), to: output) }
    for (i, instruction) in forward.enumerated().reversed() where depends[leaves + i] {
      guard let d = sum(parts[leaves + i]) else { continue }
      let (a, b, k, y) = (instruction.a, instruction.b, instruction.k, Int32(i))
      switch instruction.operation {
      case RUNNEL_COPY: add(d.k, d.value, to: a)
      case RUNNEL_ADD:
        add(d.k, d.value, to: a)
        add(d.k, d.value, to: b)
      case RUNNEL_ADD_SCALED:
        add(d.k, d.value, to: a)
        add(d.k * k, d.value, to: b)
      case RUNNEL_AFFINE: add(d.k * k, d.value, to: a)
      case RUNNEL_MULTIPLY where a == b: add(1, append(RUNNEL_MULTIPLY, d.value, a, k: 2 * d.k * k), to: a)
      case RUNNEL_MULTIPLY:
        if needs(a) { add(1, append(RUNNEL_MULTIPLY, d.value, b, k: d.k * k), to: a) }
        if needs(b) { add(1, append(RUNNEL_MULTIPLY, d.value, a, k: d.k * k), to: b) }
      case RUNNEL_DIVIDE:
        let quotient = append(RUNNEL_DIVIDE, d.value, b, k: d.k)
        add(1, quotient, to: a)
        if needs(b) { add(1, append(RUNNEL_MULTIPLY, quotient, y, k: -1), to: b) }
      case RUNNEL_LARGER:
        if needs(a) {
          add(1, append(RUNNEL_SLOPE_OF_LARGER, a, b, d.value, k: k, l: instruction.l, m: d.k), to: a)
        }
        if needs(b) {
          add(1, append(RUNNEL_SLOPE_OF_SMALLER, a, b, d.value, k: k, l: instruction.l, m: d.k * k), to: b)
        }
      case RUNNEL_OF_EXP: add(1, append(RUNNEL_MULTIPLY, d.value, y, k: d.k * k), to: a)
      default:
        guard let slope = Self.slope(of: instruction.operation) else { continue }
        if slope.isSlopeOfValue {
          add(1, append(slope, y, d.value, k: d.k * k, l: instruction.m), to: a)
        } else {
          // A threshold is no factor.
          let factor = instruction.operation.isFunction ? k : 1
          add(1, append(slope, a, d.value, k: k, l: instruction.l, m: d.k * factor), to: a)
        }
      }
    }
    return (0..<leaves).map { leaf in
      guard tracked(leaf), let d = sum(parts[leaf]) else { return nil }
      return d.k == 1 ? d.value : append(RUNNEL_AFFINE, d.value, k: d.k)
    }
  }

  private mutating func sum(_ parts: [ScaledValue]) -> ScaledValue? {
    guard var sum = parts.first else { return nil }
    for part in parts.dropFirst() {
      if part.k == sum.k {
        sum.value = append(RUNNEL_ADD, sum.value, part.value)
      } else if part.k == 1 {
        sum = ScaledValue(k: 1, value: append(RUNNEL_ADD_SCALED, part.value, sum.value, k: sum.k))
      } else {
        if sum.k != 1 { sum = ScaledValue(k: 1, value: append(RUNNEL_AFFINE, sum.value, k: sum.k)) }
        sum.value = append(RUNNEL_ADD_SCALED, sum.value, part.value, k: part.k)
      }
    }
    return sum
  }

  /// What multiplies a gradient by the derivative of a function.
  private static func slope(of function: runnel_operation) -> runnel_operation? {
    switch function {
    case RUNNEL_OF_EXPM1: RUNNEL_SLOPE_OF_EXPM1
    case RUNNEL_OF_LOG: RUNNEL_SLOPE_OF_LOG
    case RUNNEL_OF_LOG1P: RUNNEL_SLOPE_OF_LOG1P
    case RUNNEL_OF_SIGMOID: RUNNEL_SLOPE_OF_SIGMOID
    case RUNNEL_OF_SOFTPLUS: RUNNEL_SLOPE_OF_SOFTPLUS
    case RUNNEL_OF_TANH: RUNNEL_SLOPE_OF_TANH
    case RUNNEL_OF_SILU: RUNNEL_SLOPE_OF_SILU
    case RUNNEL_OF_GELU: RUNNEL_SLOPE_OF_GELU
    case RUNNEL_OF_ELU1: RUNNEL_SLOPE_OF_ELU1
    case RUNNEL_OF_RELU: RUNNEL_SLOPE_OF_RELU
    case RUNNEL_OF_RELU2: RUNNEL_SLOPE_OF_RELU2
    case RUNNEL_OF_ABS: RUNNEL_SLOPE_OF_ABS
    case RUNNEL_OF_SQRT: RUNNEL_SLOPE_OF_SQRT
    case RUNNEL_OF_RECIPROCAL: RUNNEL_SLOPE_OF_RECIPROCAL
    case RUNNEL_MAXIMUM: RUNNEL_SLOPE_OF_MAXIMUM
    case RUNNEL_MINIMUM: RUNNEL_SLOPE_OF_MINIMUM
    default: nil
    }
  }
}
