/// The values of expressions, and the rule by which the tape asks for their gradients.

import CKernels
import RunnelKernels

/// The values of expressions of one shape.
func evaluate(_ expressions: [TensorExpression]) -> [Tensor] {
  let shape = expressions[0].shape
  if expressions.count == 1, case .tensor(let tensor) = expressions[0].form { return [tensor] }
  Profiler.begin(.elementwise, "expression")
  defer { Profiler.end() }
  var flat = FlatExpression(count: shape.elements)
  var outputs: [(value: Int32, register: Int32)] = []
  outputs.reserveCapacity(expressions.count)
  for expression in expressions {
    precondition(
      expression.shape == shape, "evaluate: \(shape) and \(expression.shape) at once; they must be equal")
    outputs.append((flat.value(of: expression), 0))
  }
  let leaves = flat.leaves
  defer { withExtendedLifetime(leaves) {} }
  let values = expressions.map { _ in Tensor(uninitialized: shape) }
  if shape.elements > 0 {
    var operands: [ExpressionOperand] = []
    operands.reserveCapacity(leaves.count + values.count)
    for i in leaves.indices { operands.append(.reading(leaves[i].base, leaves[i].pattern(in: shape))) }
    for i in values.indices {
      outputs[i].register = Int32(leaves.count + i)
      operands.append(.whole(values[i].storage.base))
    }
    let program = ExpressionProgram(flat.code, outputs: outputs, registers: operands.count)
    let tiles = ExpressionTiles(count: shape.elements, registers: program.registers, operands)
    WorkerPool.shared.split(tiles.rows, grain: max(1, program.grain / tiles.row)) {
      program.run($0, tiles, operands)
    }
  }
  guard leaves.contains(where: { $0.origin != nil }) else { return values }
  let gradient = ExpressionGradient(flat.code, of: outputs.map(\.value), leaves: leaves, shape: shape)
  return record(values, from: leaves, operation: "expression") { gradient.run($0) }
}

extension ExpressionProgram {
  /// Elements below which handing out work costs more than it saves.
  fileprivate var grain: Int { max(1024, 2 * elementGrain / (1 + instructions.count)) }
}

extension Tensor {
  /// Nil for as many elements as the whole has.
  fileprivate func pattern(in whole: Shape) -> BroadcastPattern? {
    count == whole.elements ? nil : BroadcastPattern(of: shape, in: whole)
  }
}

extension ExpressionOperand {
  fileprivate static func reading(_ x: UnsafePointer<Float>, _ pattern: BroadcastPattern?) -> Self {
    pattern.map { .part(x, $0) } ?? .whole(UnsafeMutablePointer(mutating: x))
  }
}

/// The gradients of all tracked leaves in one pass, which computes again what it needs of the values on the way.
private struct ExpressionGradient: Sendable {
  /// What is done for a leaf: nothing; the gradient of an output is its own, too; or a register is its.
  private enum Result {
    case none
    case seed(Int)
    case register(Int)
  }
  /// A gradient that the program makes.
  private struct Made {
    let gradient: Tensor
    let pattern: BroadcastPattern?
    /// Whether it is a sum over all rows.
    var isSummed: Bool { pattern?.period != nil }
    func operand(_ base: UnsafeMutablePointer<Float>) -> ExpressionOperand {
      pattern.map { .sum(base, $0) } ?? .whole(base)
    }
  }

  private let leaves: [Tensor?]
  private let shapes: [Shape], patterns: [BroadcastPattern?], results: [Result]
  private let shape: Shape
  private let outputs: Int
  private let program: ExpressionProgram

  /// Registers are leaves, gradients of outputs, gradients of leaves, scratch.
  init(_ code: ExpressionCode, of outputs: [Int32], leaves: [Tensor], shape: Shape) {
    var code = code
    let gradients = code.appendGradients(
      of: outputs, leaves: leaves.count, tracked: leaves.map(\.isTracked))
    let patterns = leaves.map { $0.pattern(in: shape) }
    let first = leaves.count + outputs.count
    var results: [Result] = [], made: [(value: Int32, register: Int32)] = []
    for (gradient, pattern) in zip(gradients, patterns) {
      guard let gradient else {
        results.append(.none)
        continue
      }
      let seed = Int(~gradient) - leaves.count
      if pattern == nil, gradient < 0, seed >= 0 {
        results.append(.seed(seed))
        continue
      }
      let register = first + made.count
      // A sum over tiles is its own operand.
      let value = pattern?.period == nil ? gradient : code.append(RUNNEL_ADD, gradient, ~Int32(register))
      made.append((value, Int32(register)))
      results.append(.register(register))
    }
    let program = ExpressionProgram(code, outputs: made, registers: first + made.count)
    self.program = program
    self.leaves = leaves.enumerated().map { program.reads(register: $0) ? $1.detached : nil }
    shapes = leaves.map(\.shape)
    (self.patterns, self.results, self.shape, self.outputs) = (patterns, results, shape, outputs.count)
  }

  func run(_ seeds: [Tensor?]) -> [Tensor?] {
    let seeds = seeds.map { $0 ?? Tensor(zeros: shape) }
    defer { withExtendedLifetime(seeds) {} }
    var gradients: [Tensor?] = []
    var made: [Made] = []
    for (i, result) in results.enumerated() {
      switch result {
      case .none: gradients.append(nil)
      case .seed(let seed): gradients.append(seeds[seed].reshaped(shapes[i]))
      case .register:
        let gradient =
          patterns[i] == nil ? Tensor(uninitialized: shapes[i]) : Tensor(zeros: shapes[i])
        gradients.append(gradient)
        made.append(Made(gradient: gradient, pattern: patterns[i]))
      }
    }
    guard !made.isEmpty, shape.elements > 0 else { return gradients }

    func operands(_ sums: [Tensor?], _ piece: Int) -> [ExpressionOperand] {
      var operands: [ExpressionOperand] = []
      for (leaf, pattern) in zip(leaves, patterns) {
        operands.append(leaf.map { .reading($0.base, pattern) } ?? .whole(seeds[0].storage.base))
      }
      for seed in seeds { operands.append(.reading(seed.base, nil)) }
      for (made, sum) in zip(made, sums) {
        operands.append(
          made.operand(
            sum.map { $0.storage.base + piece * made.gradient.count } ?? made.gradient.storage.base))
      }
      return operands
    }
    let own = operands(made.map { _ in nil }, 0)
    let tiles = ExpressionTiles(count: shape.elements, registers: program.registers, own)
    // Pieces that sum are cut by the shape alone, and their sums added in order.
    let pieces = max(1, min(tiles.rows, 32, tiles.count / program.grain))
    guard made.contains(where: \.isSummed) else {
      WorkerPool.shared.split(tiles.rows, grain: max(1, program.grain / tiles.row)) {
        program.run($0, tiles, own)
      }
      return gradients
    }
    guard pieces > 1 else {
      program.run(0..<tiles.rows, tiles, own)
      return gradients
    }
    let sums = made.map { $0.isSummed ? Tensor(zeros: [pieces, $0.gradient.count]) : nil }
    WorkerPool.shared.run(pieces) { piece in
      program.run(
        tiles.rows * piece / pieces..<tiles.rows * (piece + 1) / pieces, tiles, operands(sums, piece))
    }
    for case (let made, let sum?) in zip(made, sums) {
      sumOfRows(sum.base, rows: pieces, width: made.gradient.count, into: made.gradient.storage.base)
    }
    return gradients
  }
}
