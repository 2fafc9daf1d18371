/// Registers for what instructions make.

import CKernels

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
      """
      expression: \(registers) operands, values and gradients together; at most \(RUNNEL_MAXIMUM_OPERANDS): \
      compute a part of it first and hand over its value
      """)
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
    for i in code.indices where uses[i] > 0 { join(i, code, uses) }
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
          place < RUNNEL_MAXIMUM_SCRATCH,
          """
          expression: more than \(RUNNEL_MAXIMUM_SCRATCH) values at once; compute a part of it first and hand over its \
          value
          """)
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

  /// Makes one of a sum and a product that nothing else needs.
  private func join(
    _ i: Int, _ code: UnsafeMutableBufferPointer<runnel_instruction>,
    _ uses: UnsafeMutableBufferPointer<Int32>
  ) {
    let sum = code[i]
    guard sum.operation == RUNNEL_ADD || sum.operation == RUNNEL_ADD_SCALED else { return }
    for (value, other) in [(sum.b, sum.a), (sum.a, sum.b)] {
      if value >= 0, uses[Int(value)] == 1, code[Int(value)].operation == RUNNEL_MULTIPLY {
        let product = code[Int(value)]
        code[i] = .init(
          operation: RUNNEL_MULTIPLY_ADD, y: 0, a: product.a, b: product.b, c: other, k: product.k * sum.k,
          l: 0, m: 1)
        uses[Int(value)] = 0
        return
      }
      // Only its second operand is scaled.
      if sum.operation == RUNNEL_ADD_SCALED { return }
    }
  }
}
