/// An expression as a list of instructions, the list that gives its gradients, and registers for either.

import CKernels

/// Instructions in the order of their computation. Operands are values by number: that of instruction i is i, that of leaf i
/// is ~i.
struct ExpressionCode {
  static let absent = Int32.min
  var instructions: [runnel_instruction] = []

  /// The number of what the operation makes; what there is already is not made again.
  mutating func append(
    _ operation: runnel_operation, _ a: Int32, _ b: Int32 = absent, k: Float = 1, l: Float = -0.0,
    m: Float = 1
  ) -> Int32 {
    let new = runnel_instruction(operation: operation, y: 0, a: a, b: b, c: Self.absent, k: k, l: l, m: m)
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
    case _ where operation == RUNNEL_AFFINE || operation.isFunction:
      if let x = affine(a, shifted: true) { return append(operation, x.a, k: k * x.k, l: k * x.l + l, m: m) }
    default: break
    }
    return append(operation, a, b, k: k, l: l, m: m)
  }
}

extension runnel_operation {
  /// Whether it is f(k a + l).
  fileprivate var isFunction: Bool {
    (RUNNEL_OF_EXP.rawValue...RUNNEL_OF_RECIPROCAL.rawValue).contains(rawValue)
  }
  /// Whether it is a slope that the function's value tells.
  fileprivate var isSlopeOfValue: Bool {
    (RUNNEL_SLOPE_OF_EXPM1.rawValue...RUNNEL_SLOPE_OF_RECIPROCAL.rawValue).contains(rawValue)
  }
}

extension runnel_instruction {
  @inline(__always)
  fileprivate mutating func forEachOperand(_ body: (inout Int32) -> Void) {
    if a != ExpressionCode.absent { body(&a) }
    if b != ExpressionCode.absent { body(&b) }
    if c != ExpressionCode.absent { body(&c) }
  }

  fileprivate func isSame(as other: Self) -> Bool {
    operation == other.operation && a == other.a && b == other.b && k.bitPattern == other.k.bitPattern
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

// Registers

/// Instructions on registers: leaf i in register i, what else has a place in memory behind them, and then scratch.
struct ExpressionProgram: Sendable {
  private(set) var instructions: [runnel_instruction] = []
  /// Those in front of the scratch.
  private let registers: Int

  /// Whether an instruction takes the register as an operand.
  func reads(register: Int) -> Bool {
    instructions.contains { $0.a == register || $0.b == register || $0.c == register }
  }

  /// What computes `outputs`, each into its register; a value that none depends on is left out.
  init(_ code: ExpressionCode, outputs: [(value: Int32, register: Int32)], registers: Int) {
    precondition(
      registers <= RUNNEL_MAXIMUM_OPERANDS,
      "evaluate: \(registers) operands, values and gradients of an expression; at most 48")
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
    for i in code.indices where uses[i] > 0 {
      let sum = code[i]
      let isScaled = sum.operation == RUNNEL_ADD_SCALED
      guard isScaled || sum.operation == RUNNEL_ADD else { continue }
      var (product, other) = (sum.b, sum.a)
      for _ in 0..<(isScaled ? 1 : 2) {
        if product >= 0, code[Int(product)].operation == RUNNEL_MULTIPLY, uses[Int(product)] == 1 {
          let factors = code[Int(product)]
          code[i] = .init(
            operation: RUNNEL_MULTIPLY_ADD, y: 0, a: factors.a, b: factors.b, c: other, k: factors.k * sum.k,
            l: 0, m: 1)
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
    var free: UInt64 = 0, scratch = 0
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
          k: 1, l: 0, m: 1))
    }
  }
}
