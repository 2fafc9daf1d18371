/// The laws of a recurrence, written once: each suite hands over its operands, its call and its Double reference.

import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

struct RecurrenceLaws {
  /// The operands for a number of steps, the state last. Those with `isOverTime` have shape [B T …].
  let operands: (_ steps: Int) -> [Tensor]
  let isOverTime: [Bool]
  let run: (_ operands: [Tensor], Form, Resets, _ state: inout Tensor) -> Tensor
  let reference: (_ operands: [[Double]], _ steps: Int, Resets) -> (y: [Double], final: [Double])
  var forms: [Form] = Form.allCases

  private func call(_ operands: [Tensor], _ form: Form, _ resets: Resets) -> (y: Tensor, final: Tensor) {
    var state = operands[operands.count - 1]
    let y = run(Array(operands.dropLast()), form, resets, &state)
    return (y, state)
  }

  /// Every form gives the reference's outputs and final state.
  func formsEqualTheReference(steps: Int, resets: Resets) {
    let operands = operands(steps)
    let expected = reference(operands.map(\.doubles), steps, resets)
    for form in forms {
      let (y, final) = call(operands, form, resets)
      #expect(relativeError(y, expected.y) < 1e-5, "\(form), output over \(steps) steps")
      #expect(relativeError(final, expected.final) < 1e-5, "\(form), state after \(steps) steps")
    }
  }

  /// Every form's gradients, with random gradients on outputs and final state, are the central differences.
  func gradientsEqualCentralDifferences(steps: Int, resets: Resets) {
    let operands = operands(steps).map { $0.tracked() }
    let values = operands.map(\.doubles)
    var dy: Tensor?, dfinal: Tensor?
    var expected: [[Double]] = []
    for form in forms {
      let (y, final) = call(operands, form, resets)
      let seeds = (dy ?? random(y.shape, seed: 91), dfinal ?? random(final.shape, seed: 92))
      (dy, dfinal) = seeds
      if expected.isEmpty {
        let (dyValues, dfinalValues) = (seeds.0.doubles, seeds.1.doubles)
        expected = values.indices.map { i in
          centralDifferences(at: values[i]) { value in
            var changed = values
            changed[i] = value
            let (y, final) = reference(changed, steps, resets)
            return dot(y, dyValues) + dot(final, dfinalValues)
          }
        }
      }
      for (i, gradient) in gradients(of: [(y, seeds.0), (final, seeds.1)], for: operands).enumerated() {
        #expect(relativeError(gradient, expected[i]) < 1e-4, "\(form), gradient of operand \(i)")
      }
    }
  }

  /// Gradients of `mix` are those of the step folded over time on the tape.
  func gradientsOfMixEqualThoseOfTheFold(steps: Int) {
    let plain = operands(steps)
    let whole = plain.map { $0.tracked() }
    let (y, final) = call(whole, .mix, .none)
    let seeds = (random(y.shape, seed: 93), random(final.shape, seed: 94))
    let expected = gradients(of: [(y, seeds.0), (final, seeds.1)], for: whole)

    // One leaf per token for operands over time; one leaf in all for the others.
    let constants = zip(plain, isOverTime).map { $1 ? nil : Optional($0.tracked()) }
    var leaves: [[Tensor]] = plain.map { _ in [] }
    guard var state = constants[plain.count - 1] else { return }
    var outputs: [(value: Tensor, seed: Tensor)] = []
    for t in 0..<steps {
      let now = plain.indices.dropLast().map { i in
        constants[i]
          ?? {
            let token = atTime(plain[i], t).tracked()
            leaves[i].append(token)
            return token
          }()
      }
      outputs.append((run(now, .step, .none, &state), atTime(seeds.0, t)))
    }
    outputs.append((state, seeds.1))
    let flat = leaves.flatMap { $0 } + constants.compactMap { $0 }
    let folded = gradients(of: outputs, for: flat)
    var next = 0
    for i in plain.indices where isOverTime[i] {
      let tokens = joined(Array(folded[next..<next + steps]))
      #expect(relativeError(tokens, expected[i]) < 1e-4, "operand \(i)")
      next += steps
    }
    next = leaves.reduce(0) { $0 + $1.count }
    for i in plain.indices where !isOverTime[i] {
      #expect(relativeError(folded[next], expected[i]) < 1e-4, "operand \(i)")
      next += 1
    }
  }

  /// The forms may change at any token, and empty segments change nothing.
  func formsMayChangeAtAnyToken(steps: Int) {
    let operands = operands(steps)
    let expected = call(operands, .mix, .none)
    var state = operands[operands.count - 1]
    var parts: [Tensor] = []
    var start = 0
    for (i, length) in [1, 0, 7, 64, 2, 65, 33].enumerated() where start < steps {
      let range = start..<min(steps, start + length)
      let now = zip(operands, isOverTime).dropLast().map { $1 ? within($0, range) : $0 }
      parts.append(run(now, forms[i % forms.count], .none, &state))
      start = range.upperBound
    }
    let now = zip(operands, isOverTime).dropLast().map { $1 ? within($0, start..<steps) : $0 }
    parts.append(run(now, .mix, .none, &state))
    #expect(relativeError(joined(parts), expected.y) < 1e-5)
    #expect(relativeError(state, expected.final) < 1e-5)
  }

  /// A document behind a reset gives, bit for bit, what it gives alone; the one before it does not matter.
  func aPackedDocumentIsTheDocumentAlone(steps: Int, at start: Int) {
    let operands = operands(steps)
    let batch = operands[operands.count - 1].shape[0]
    let resets = Resets(rows: Array(repeating: [start], count: batch))
    for form in forms {
      let (y, final) = call(operands, form, resets)
      let alone = zip(operands, isOverTime).map { $1 ? within($0, start..<steps) : $0 }
      var fresh = Tensor(zeros: operands[operands.count - 1].shape)
      let expected = run(Array(alone.dropLast()), form, .none, &fresh)
      #expect(within(y, start..<steps).scalars == expected.scalars, "\(form)")
      #expect(final.scalars == fresh.scalars, "\(form)")
    }
  }

  /// Without tokens the state is left, in value and in gradient; without rows there is nothing, and gradients of nothing.
  func nothingIsNothing() {
    gradientsEqualCentralDifferences(steps: 0, resets: .none)
    let last = operands(2).count - 1
    for form in forms {
      let leaves = operands(2).enumerated().map { i, x in
        let isOfRows = i == last || isOverTime[i]
        return (isOfRows ? Tensor(zeros: Shape([0] + x.shape.dropFirst())) : x).tracked()
      }
      let (y, final) = call(leaves, form, .none)
      #expect(y.count == 0 && final.shape == leaves[last].shape, "\(form)")
      for (gradient, leaf) in zip(
        gradients(of: [(y, y.detached), (final, final.detached)], for: leaves), leaves)
      {
        #expect(gradient.scalars == [Float](repeating: 0, count: leaf.count), "\(form)")
      }
    }
  }

  /// An operand that may be absent stands for zeros: the same bits, and for the other operands the same gradients.
  func anAbsentOperandIsZeros(_ index: Int, steps: Int, resets: Resets) {
    var zeros = operands(steps)
    zeros[index] = Tensor(zeros: zeros[index].shape)
    var absent = zeros
    absent[index] = .absent
    let others = zeros.indices.filter { $0 != index }
    func outputs(_ operands: [Tensor], _ form: Form) -> [[Float]] {
      let (y, final) = call(operands, form, resets)
      return [y.scalars, final.scalars]
    }
    func gradients(_ operands: [Tensor], _ form: Form) -> [[Float]] {
      var leaves = operands
      for i in others { leaves[i] = leaves[i].tracked() }
      let (y, final) = call(leaves, form, resets)
      let seeds = [(y, random(y.shape, seed: 95)), (final, random(final.shape, seed: 96))]
      return RunnelTensors.gradients(of: seeds, for: others.map { leaves[$0] }).map(\.scalars)
    }
    for form in forms {
      #expect(outputs(absent, form) == outputs(zeros, form), "\(form)")
      #expect(gradients(absent, form) == gradients(zeros, form), "\(form), gradients")
    }
  }

  /// A tape keeps the memory before the segment, and none of its many chunks or documents, whose memories follow from it and
  /// the operands. (The laws take a memory apart and put it together again, with some copies.)
  func aTapeKeepsOneMemory(steps: Int, resets: Resets) {
    let operands = operands(steps).map { $0.tracked() }, gauge = MemoryGauge()
    let (y, final) = gauge.measure { call(operands, .mix, resets) }
    let allowed = 4 * (y.count + 8 * final.count)
    #expect(gauge.peak <= allowed, "\(gauge.peak) bytes for \(4 * final.count) of memory, not \(allowed)")
  }
}

/// How many tokens each row's document has had behind a segment.
func countsAfter(_ steps: Int, _ before: [Int], _ resets: Resets) -> [Int] {
  before.enumerated().map { row, count in resets.starts(row: row).last.map { steps - $0 } ?? count + steps }
}

/// Tokens `range` of [B T …].
func within(_ x: Tensor, _ range: Range<Int>) -> Tensor {
  let (batch, steps) = (x.shape[0], x.shape[1])
  let row = x.count / max(1, batch * steps)
  var shape = x.shape
  shape[1] = range.count
  let values = x.scalars
  var part: [Float] = []
  for b in 0..<batch {
    let first = (b * steps + range.lowerBound) * row
    part += values[first..<first + range.count * row]
  }
  return Tensor(part, shape)
}

func atTime(_ x: Tensor, _ t: Int) -> Tensor { within(x, t..<t + 1) }

func joined(_ parts: [Tensor]) -> Tensor {
  let filled = parts.filter { $0.count > 0 }
  var shape = filled[0].shape
  shape[1] = filled.reduce(0) { $0 + $1.shape[1] }
  var values: [Float] = []
  for b in 0..<shape[0] {
    for part in filled {
      let row = part.count / shape[0]
      values += part.scalars[b * row..<(b + 1) * row]
    }
  }
  return Tensor(values, shape)
}
