/// Expressions of one shape as programs, and the rule by which the tape asks for their gradients.

import CKernels
import RunnelKernels
import Synchronization

/// Programs for expressions of one shape and, once they are asked for, those for their gradients.
final class CompiledExpressions: Sendable {
  private let code: ExpressionCode
  private let outputs: [Int32]
  private let inputs: Int
  private let forward: ExpressionProgram
  private let backward = Mutex<[ExpressionGradient.Key: ExpressionGradient]>([:])

  init(_ code: ExpressionCode, outputs: [Int32], inputs: Int) {
    (self.code, self.outputs, self.inputs) = (code, outputs, inputs)
    forward = ExpressionProgram(
      code, outputs: outputs.enumerated().map { ($1, Int32(inputs + $0)) },
      registers: inputs + outputs.count)
  }

  /// All of the shape that the inputs have together.
  func values(_ inputs: [Tensor]) -> [Tensor] {
    let (shape, isTracked) = together(inputs)
    Profiler.begin(.elementwise, "expression")
    defer { Profiler.end() }
    let values = outputs.map { _ in Tensor(uninitialized: shape) }
    compute(inputs, shape) { values[$0].storage.base }
    return isTracked ? recorded(values, from: inputs, shape) : values
  }

  /// That of one expression.
  func value(_ inputs: [Tensor]) -> Tensor {
    let (shape, isTracked) = together(inputs)
    Profiler.begin(.elementwise, "expression")
    defer { Profiler.end() }
    let value = Tensor(uninitialized: shape)
    compute(inputs, shape) { _ in value.storage.base }
    return isTracked ? recorded([value], from: inputs, shape)[0] : value
  }

  private func together(_ inputs: [Tensor]) -> (shape: Shape, isTracked: Bool) {
    precondition(
      inputs.count == self.inputs, "Equation: \(inputs.count) operands for a function of \(self.inputs)")
    var shape = inputs[0].shape, isTracked = inputs[0].isTracked
    for i in inputs.indices.dropFirst() {
      if inputs[i].shape != shape { shape = shape.broadcast(with: inputs[i].shape) }
      isTracked = isTracked || inputs[i].isTracked
    }
    return (shape, isTracked)
  }

  private func compute(
    _ inputs: [Tensor], _ shape: Shape, into values: (Int) -> UnsafeMutablePointer<Float>
  ) {
    guard shape.elements > 0 else { return }
    var parts: [ExpressionPart] = []
    let count = inputs.count + outputs.count
    withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<Float>.self, capacity: count) { bases in
      for i in inputs.indices {
        bases.initializeElement(at: i, to: UnsafeMutablePointer(mutating: inputs[i].base))
        if let pattern = inputs[i].shape.pattern(in: shape) {
          parts.append(ExpressionPart(register: i, pattern: pattern))
        }
      }
      for i in outputs.indices { bases.initializeElement(at: inputs.count + i, to: values(i)) }
      withExtendedLifetime(inputs) {
        forward.run(ExpressionTiles(count: shape.elements, parts), bases, parts)
      }
    }
  }

  private func recorded(_ values: [Tensor], from inputs: [Tensor], _ shape: Shape) -> [Tensor] {
    var key = ExpressionGradient.Key()
    for (i, input) in inputs.enumerated() where input.isTracked {
      key.tracked |= 1 << UInt64(i)
      guard let pattern = input.shape.pattern(in: shape) else { continue }
      key.parts |= 1 << UInt64(i)
      if pattern.period != nil { key.summed |= 1 << UInt64(i) }
    }
    for i in outputs.indices { key.outputs |= 1 << UInt64(i) }
    let reads = gradient(key).program
    let shapes = inputs.map(\.shape)
    let kept = inputs.enumerated().map { reads.reads(register: $0) ? $1.detached : nil }
    return record(values, from: inputs, operation: "expression") { [key, self] seeds in
      var key = key
      for i in seeds.indices where seeds[i] == nil { key.outputs &= ~(1 << UInt64(i)) }
      return gradient(key).run(kept, shapes: shapes, whole: shape, seeds: seeds.compactMap { $0 })
    }
  }

  private func gradient(_ key: ExpressionGradient.Key) -> ExpressionGradient {
    backward.withLock { known in
      if let gradient = known[key] { return gradient }
      let gradient = ExpressionGradient(code, of: outputs, inputs: inputs, key)
      known[key] = gradient
      return gradient
    }
  }
}

/// The gradients of all tracked inputs in one pass, which computes again what it needs of the values on the way.
private struct ExpressionGradient: Sendable {
  /// What is asked for, a bit for each input or output.
  struct Key: Hashable {
    /// The inputs that have a gradient, of these the ones smaller than the whole, and of these the ones whose gradient is a sum
    /// over all rows.
    var tracked: UInt64 = 0, parts: UInt64 = 0, summed: UInt64 = 0
    /// The outputs on which something depends.
    var outputs: UInt64 = 0
  }

  /// What is done for an input: nothing; the gradient of an output is its own, too; or the program makes it.
  private enum Result {
    case none
    case seed(Int)
    case made
  }

  private let results: [Result]
  let program: ExpressionProgram

  /// Registers are inputs, gradients of outputs, gradients of inputs, scratch.
  init(_ code: ExpressionCode, of outputs: [Int32], inputs: Int, _ key: Key) {
    func isIn(_ set: UInt64, _ i: Int) -> Bool { set >> UInt64(i) & 1 == 1 }
    var code = code
    let outputs = outputs.enumerated().filter { isIn(key.outputs, $0.offset) }.map(\.element)
    let gradients = code.appendGradients(of: outputs, leaves: inputs) { isIn(key.tracked, $0) }
    let first = inputs + outputs.count
    var results: [Result] = [], made: [(value: Int32, register: Int32)] = []
    for (i, gradient) in gradients.enumerated() {
      guard let gradient else {
        results.append(.none)
        continue
      }
      if gradient < 0, ~gradient >= inputs, !isIn(key.parts, i) {
        results.append(.seed(Int(~gradient) - inputs))
        continue
      }
      let register = Int32(first + made.count)
      // A sum over tiles is its own operand.
      made.append(
        (isIn(key.summed, i) ? code.append(RUNNEL_ADD, gradient, ~register) : gradient, register))
      results.append(.made)
    }
    self.results = results
    program = ExpressionProgram(code, outputs: made, registers: first + made.count)
  }

  /// - Parameters: inputs: nil where none is read; seeds: the gradients of the outputs that have one.
  func run(_ inputs: [Tensor?], shapes: [Shape], whole: Shape, seeds: [Tensor]) -> [Tensor?] {
    var made: [Tensor] = [], sums: [(made: Int, pieces: Tensor)] = [], parts: [ExpressionPart] = []
    let first = inputs.count + seeds.count
    var gradients: [Tensor?] = []
    for (i, shape) in shapes.enumerated() {
      let pattern = shape.pattern(in: whole)
      if let pattern, inputs[i] != nil { parts.append(ExpressionPart(register: i, pattern: pattern)) }
      switch results[i] {
      case .none: gradients.append(nil)
      case .seed(let seed): gradients.append(seeds[seed].reshaped(shape))
      case .made:
        if let pattern {
          parts.append(ExpressionPart(register: first + made.count, pattern: pattern, isSum: true))
        }
        made.append(pattern == nil ? Tensor(uninitialized: shape) : Tensor(zeros: shape))
        gradients.append(made.last)
      }
    }
    guard !made.isEmpty, whole.elements > 0 else { return gradients }

    let tiles = ExpressionTiles(count: whole.elements, parts)
    // Pieces that sum over all rows are cut by the shape alone, and their sums added in order.
    let pieces = max(1, min(tiles.rows, 32, tiles.count / program.grain))
    let summed = parts.filter { $0.isSum && $0.pattern.period != nil }.map { $0.register - first }
    if pieces > 1 { sums = summed.map { ($0, Tensor(zeros: [pieces, made[$0].count])) } }
    func withBases(piece: Int, _ body: (ExpressionArrays) -> Void) {
      withUnsafeTemporaryAllocation(
        of: UnsafeMutablePointer<Float>.self, capacity: first + made.count
      ) { bases in
        // An input that is not read has a place, too, of as many numbers as the whole: the last group of all is copied.
        bases.initialize(repeating: UnsafeMutablePointer(mutating: seeds[0].base))
        for case (let i, let input?) in inputs.enumerated() {
          bases[i] = UnsafeMutablePointer(mutating: input.base)
        }
        for (i, seed) in seeds.enumerated() {
          bases[inputs.count + i] = UnsafeMutablePointer(mutating: seed.base)
        }
        for (i, gradient) in made.enumerated() { bases[first + i] = gradient.storage.base }
        for (i, pieces) in sums { bases[first + i] = pieces.storage.base + piece * made[i].count }
        body(bases)
      }
    }
    withExtendedLifetime((inputs, seeds)) {
      if summed.isEmpty {
        withBases(piece: 0) { program.run(tiles, $0, parts) }
      } else {
        WorkerPool.shared.run(pieces) { piece in
          let rows = tiles.rows * piece / pieces..<tiles.rows * (piece + 1) / pieces
          withBases(piece: piece) { program.run(rows, tiles, $0, parts) }
        }
      }
    }
    for (i, sums) in sums {
      sumOfRows(sums.base, rows: pieces, width: made[i].count, into: made[i].storage.base)
    }
    return gradients
  }
}
