/// An expression as a list of instructions, the list that gives its gradients, and registers for either.

import CKernels

/// Instructions in the order of their computation. Operands are values by number: that of instruction i is i, that of leaf i
/// is ~i.
struct ExpressionCode {
  static let absent = Int32.min
  var instructions: [runnel_instruction] = []

  @discardableResult
  mutating func append(
    _ operation: runnel_operation, _ a: Int32, _ b: Int32 = absent, k: Float = 0, l: Float = 0
  ) -> Int32 {
    instructions.append(.init(operation: operation, y: 0, a: a, b: b, c: Self.absent, k: k, l: l))
    return Int32(instructions.count - 1)
  }
}

extension runnel_instruction {
  @inline(__always)
  fileprivate mutating func forEachOperand(_ body: (inout Int32) -> Void) {
    if a != ExpressionCode.absent { body(&a) }
    if b != ExpressionCode.absent { body(&b) }
    if c != ExpressionCode.absent { body(&c) }
  }
}

/// The terms of expressions of one shape, each once.
struct FlatExpression {
  private(set) var code = ExpressionCode()
  private(set) var leaves: [Tensor] = []
  private var numbers: [(term: ObjectIdentifier, value: Int32)] = []
  private let count: Int

  /// - Parameter count: the elements of the whole.
  init(count: Int) {
    self.count = count
    code.instructions.reserveCapacity(16)
    leaves.reserveCapacity(8)
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
      value = code.append(term.operation, a, b, k: term.k, l: term.l)
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

// Gradients

/// k times a value.
private struct ScaledValue {
  var k: Float
  var value: Int32
}

extension ExpressionCode {
  /// Appends what makes the gradients of leaves from those of the values `outputs`, which are the leaves behind the others.
  ///
  /// - Returns: a value for each leaf, or nil where nothing tracked depends on it.
  mutating func appendGradients(of outputs: [Int32], leaves: Int, tracked: [Bool]) -> [Int32?] {
    let forward = instructions
    // Leaves first, then values.
    func place(_ value: Int32) -> Int { value < 0 ? Int(~value) : leaves + Int(value) }
    var depends = tracked
    for var instruction in forward {
      var any = false
      instruction.forEachOperand { any = any || depends[place($0)] }
      depends.append(any)
    }
    var parts = [[ScaledValue]](repeating: [], count: leaves + forward.count)
    for (i, output) in outputs.enumerated() where depends[place(output)] {
      parts[place(output)].append(ScaledValue(k: 1, value: ~Int32(leaves + i)))
    }
    for (i, instruction) in forward.enumerated().reversed() where depends[leaves + i] {
      guard let d = sum(parts[leaves + i]) else { continue }
      func add(_ k: Float, _ value: Int32, to operand: Int32) {
        guard depends[place(operand)] else { return }
        parts[place(operand)].append(ScaledValue(k: k * d.k, value: value))
      }
      func needs(_ operand: Int32) -> Bool { depends[place(operand)] }
      let (a, b, k, y) = (instruction.a, instruction.b, instruction.k, Int32(i))
      switch instruction.operation {
      case RUNNEL_COPY: add(1, d.value, to: a)
      case RUNNEL_ADD:
        add(1, d.value, to: a)
        add(1, d.value, to: b)
      case RUNNEL_ADD_SCALED:
        add(1, d.value, to: a)
        add(k, d.value, to: b)
      case RUNNEL_AFFINE: add(k, d.value, to: a)
      case RUNNEL_MULTIPLY where a == b: add(2, append(RUNNEL_MULTIPLY, d.value, a), to: a)
      case RUNNEL_MULTIPLY:
        if needs(a) { add(1, append(RUNNEL_MULTIPLY, d.value, b), to: a) }
        if needs(b) { add(1, append(RUNNEL_MULTIPLY, d.value, a), to: b) }
      case RUNNEL_DIVIDE:
        let quotient = append(RUNNEL_DIVIDE, d.value, b)
        add(1, quotient, to: a)
        if needs(b) { add(-1, append(RUNNEL_MULTIPLY, quotient, y), to: b) }
      case RUNNEL_OF_EXP: add(1, append(RUNNEL_MULTIPLY, d.value, y), to: a)
      case RUNNEL_OF_LOG: add(1, append(RUNNEL_DIVIDE, d.value, a), to: a)
      default:
        if let slope = Self.slope(of: instruction.operation) {
          add(1, append(slope.operation, slope.ofValue ? y : a, d.value, k: k), to: a)
        }
      }
    }
    return (0..<leaves).map { leaf in
      guard tracked[leaf], let d = sum(parts[leaf]) else { return nil }
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

  /// What multiplies a gradient by the derivative of a function, and whether it takes the function's value or its argument.
  private static func slope(of function: runnel_operation) -> (operation: runnel_operation, ofValue: Bool)? {
    switch function {
    case RUNNEL_OF_EXPM1: (RUNNEL_SLOPE_OF_EXPM1, true)
    case RUNNEL_OF_SIGMOID: (RUNNEL_SLOPE_OF_SIGMOID, true)
    case RUNNEL_OF_TANH: (RUNNEL_SLOPE_OF_TANH, true)
    case RUNNEL_OF_ELU1: (RUNNEL_SLOPE_OF_ELU1, true)
    case RUNNEL_OF_RELU: (RUNNEL_SLOPE_OF_RELU, true)
    case RUNNEL_OF_SQRT: (RUNNEL_SLOPE_OF_SQRT, true)
    case RUNNEL_OF_RECIPROCAL: (RUNNEL_SLOPE_OF_RECIPROCAL, true)
    case RUNNEL_OF_LOG1P: (RUNNEL_SLOPE_OF_LOG1P, false)
    case RUNNEL_OF_SOFTPLUS: (RUNNEL_SLOPE_OF_SOFTPLUS, false)
    case RUNNEL_OF_SILU: (RUNNEL_SLOPE_OF_SILU, false)
    case RUNNEL_OF_GELU: (RUNNEL_SLOPE_OF_GELU, false)
    case RUNNEL_OF_RELU2: (RUNNEL_SLOPE_OF_RELU2, false)
    case RUNNEL_OF_ABS: (RUNNEL_SLOPE_OF_ABS, false)
    case RUNNEL_MAXIMUM: (RUNNEL_SLOPE_OF_MAXIMUM, false)
    case RUNNEL_MINIMUM: (RUNNEL_SLOPE_OF_MINIMUM, false)
    default: nil
    }
  }
}

// Registers

/// Instructions on registers: leaf i in register i, what else has a place in memory behind them, and then scratch.
struct ExpressionProgram: Sendable {
  private(set) var instructions: [runnel_instruction] = []
  /// All registers, and those that are scratch, the last ones.
  private(set) var registers: Int, scratch = 0

  /// Whether an instruction takes the register as an operand.
  func reads(register: Int) -> Bool {
    instructions.contains { $0.a == register || $0.b == register || $0.c == register }
  }

  /// What computes `outputs`, each into its register; a value that none depends on is left out.
  init(_ code: ExpressionCode, outputs: [(value: Int32, register: Int32)], registers: Int) {
    self.registers = registers
    let count = code.instructions.count
    var own = code.instructions
    instructions.reserveCapacity(count + outputs.count)
    own.withUnsafeMutableBufferPointer { code in
      withUnsafeTemporaryAllocation(of: Int32.self, capacity: 3 * count) { memory in
        memory.initialize(repeating: -1)
        let uses = memory[..<count], last = memory[count..<2 * count], places = memory[(2 * count)...]
        compile(
          code, outputs, uses: .init(rebasing: uses), last: .init(rebasing: last),
          places: .init(rebasing: places))
      }
    }
  }

  /// - Parameters: uses, last, places: of each value how often it is used, by which instruction last, and its register; all −1.
  private mutating func compile(
    _ code: UnsafeMutableBufferPointer<runnel_instruction>, _ outputs: [(value: Int32, register: Int32)],
    uses: UnsafeMutableBufferPointer<Int32>, last: UnsafeMutableBufferPointer<Int32>,
    places: UnsafeMutableBufferPointer<Int32>
  ) {
    uses.update(repeating: 0)
    for (value, register) in outputs where value >= 0 {
      uses[Int(value)] += 1
      if places[Int(value)] < 0 { places[Int(value)] = register }
    }
    for i in code.indices.reversed() where uses[i] > 0 {
      code[i].forEachOperand { if $0 >= 0 { uses[Int($0)] += 1 } }
    }
    // A product that only a sum needs is one with it.
    for i in code.indices where uses[i] > 0 && code[i].operation == RUNNEL_ADD {
      var (product, other) = (code[i].a, code[i].b)
      for _ in 0..<2 {
        if product >= 0, code[Int(product)].operation == RUNNEL_MULTIPLY, uses[Int(product)] == 1 {
          let factors = code[Int(product)]
          (code[i].operation, code[i].a, code[i].b, code[i].c) = (
            RUNNEL_MULTIPLY_ADD, factors.a, factors.b, other
          )
          uses[Int(product)] = 0
          break
        }
        swap(&product, &other)
      }
    }
    for i in code.indices where uses[i] > 0 {
      code[i].forEachOperand { if $0 >= 0 { last[Int($0)] = Int32(i) } }
    }

    let first = Int32(registers)
    var free: UInt64 = 0
    for i in code.indices where uses[i] > 0 {
      var instruction = code[i]
      instruction.forEachOperand { operand in
        guard operand >= 0 else {
          operand = ~operand
          return
        }
        let ends = last[Int(operand)] == Int32(i)
        operand = places[Int(operand)]
        if ends && operand >= first { free |= 1 << UInt64(operand - first) }
      }
      if places[i] < 0 {
        let place = min(free.trailingZeroBitCount, scratch)
        precondition(
          place < 64, "evaluate: an expression of more than 64 values at once; evaluate parts of it")
        if place == scratch { scratch += 1 }
        free &= ~(1 << UInt64(place))
        places[i] = first + Int32(place)
      }
      instruction.y = places[i]
      instructions.append(instruction)
    }
    for (value, register) in outputs {
      let source = value < 0 ? ~value : places[Int(value)]
      guard source != register else { continue }
      instructions.append(
        .init(
          operation: RUNNEL_COPY, y: register, a: source, b: ExpressionCode.absent, c: ExpressionCode.absent,
          k: 0, l: 0))
    }
    registers += scratch
  }
}
