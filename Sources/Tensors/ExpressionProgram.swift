/// Instructions joined where one loop does for two, and registers for what they make.

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

  /// Makes one of an instruction and an operand of it that nothing else needs: a sum of products, a product with a function, a
  /// product of three.
  private func join(
    _ i: Int, _ code: UnsafeMutableBufferPointer<runnel_instruction>,
    _ uses: UnsafeMutableBufferPointer<Int32>
  ) {
    /// What makes an operand, if it is this instruction's alone.
    func own(_ value: Int32, _ isJoined: (runnel_instruction) -> Bool) -> runnel_instruction? {
      guard value >= 0, uses[Int(value)] == 1, isJoined(code[Int(value)]) else { return nil }
      return code[Int(value)]
    }
    func isProduct(_ x: runnel_instruction) -> Bool {
      x.operation == RUNNEL_MULTIPLY && x.c == ExpressionCode.absent
    }
    let (x, absent) = (code[i], ExpressionCode.absent)
    func absorb(_ value: Int32) { uses[Int(value)] = 0 }
    switch x.operation {
    case RUNNEL_ADD, RUNNEL_ADD_SCALED:
      let orders = x.operation == RUNNEL_ADD ? [(x.b, x.a), (x.a, x.b)] : [(x.b, x.a)]
      for (value, other) in orders {
        guard let product = own(value, isProduct) else { continue }
        code[i] = .init(
          operation: RUNNEL_MULTIPLY_ADD, y: 0, a: product.a, b: product.b, c: other, k: product.k * x.k,
          l: 0,
          m: 1)
        return absorb(value)
      }
    case RUNNEL_MULTIPLY:
      for (value, other) in [(x.b, x.a), (x.a, x.b)] {
        if let f = own(value, { $0.operation.isFunction && $0.b == absent }) {
          code[i] = .init(operation: f.operation, y: 0, a: f.a, b: other, c: absent, k: f.k, l: f.l, m: x.k)
          return absorb(value)
        }
      }
      for (value, other) in [(x.b, x.a), (x.a, x.b)] {
        guard let product = own(value, isProduct) else { continue }
        code[i] = .init(
          operation: RUNNEL_MULTIPLY, y: 0, a: product.a, b: product.b, c: other, k: product.k * x.k, l: 0,
          m: 1)
        return absorb(value)
      }
    case _ where x.operation.isSlope:
      guard let product = own(x.b, isProduct) else { return }
      (code[i].b, code[i].c) = (product.a, product.b)
      if x.operation.isSlopeOfValue { code[i].k *= product.k } else { code[i].m *= product.k }
      absorb(x.b)
    default: break
    }
  }
}
