import Foundation
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

/// Two rows of two heads with random operands, and documents that begin inside.
private struct Case {
  let B = 2, T: Int, H = 2, K = 3, V = 4
  let resets: [[Int]]
  var operands: [Tensor]

  init(T: Int, logInput: ClosedRange<Float>, logForget: ClosedRange<Float>, resets: [[Int]] = []) {
    (self.T, self.resets) = (T, resets)
    // Keys and queries of one sign, so that q · n is no difference of large numbers.
    let sign = Tensor((0..<B * T).map { $0 % 2 == 0 ? 1 : -1 })
    let q = random([B * T, H * K], seed: 1, 0.2...2)
    operands = [
      scaledRows(q, by: sign).reshaped([B, T, H, K]), random([B, T, H, K], seed: 2, 0.1...1),
      random([B, T, H, V], seed: 3), random([B, T, H], seed: 4, logInput),
      random([B, T, H], seed: 5, logForget),
    ]
  }

  struct State {
    var memory, normalizer, maximum: Tensor
  }
  var start: State {
    State(
      memory: Tensor(zeros: [B, H, K, V]), normalizer: Tensor(zeros: [B, H, K, 1]),
      maximum: Tensor(zeros: [B, H]))
  }

  func run(_ x: [Tensor], _ form: Form, _ state: inout State) -> Tensor {
    ExponentialGating.run(
      q: x[0], k: x[1], v: x[2], logInput: x[3], logForget: x[4], form: form, resets: Resets(rows: resets),
      memory: &state.memory, normalizer: &state.normalizer, maximum: &state.maximum)
  }

  /// h, C and n side by side, and the weights q · n.
  func reference(_ x: [[Double]]) -> (h: [Double], memory: [Double], weights: [Double]) {
    var h = [Double](repeating: 0, count: B * T * H * V)
    var memory: [Double] = [], weights: [Double] = []
    for b in 0..<B {
      for head in 0..<H {
        var cell = ExponentialGatingReference(keyWidth: K, valueWidth: V)
        for t in 0..<T {
          if b < resets.count, resets[b].contains(t) { cell = .init(keyWidth: K, valueWidth: V) }
          let i = (b * T + t) * H + head
          let step = cell.step(
            q: Array(x[0][i * K..<(i + 1) * K]), k: Array(x[1][i * K..<(i + 1) * K]),
            v: Array(x[2][i * V..<(i + 1) * V]), logInput: x[3][i], logForget: x[4][i])
          h.replaceSubrange(i * V..<(i + 1) * V, with: step.h)
          weights.append(step.weight)
        }
        for row in 0..<K { memory += cell.C[row * V..<(row + 1) * V] + [cell.n[row]] }
      }
    }
    return (h, memory, weights)
  }
}

@Suite("exponential gating with a running maximum is the recurrence without one")
struct ExponentialGatingTests {
  @Test(
    "over 4,096 tokens, with gates of every size",
    arguments: [-1...1, -8...8, 60...100, -100 ... -60] as [ClosedRange<Float>],
    [-0.05...0, -3...0] as [ClosedRange<Float>])
  func value(logInput: ClosedRange<Float>, logForget: ClosedRange<Float>) {
    let sample = Case(
      T: 4096, logInput: logInput, logForget: logForget, resets: [[0, 700, 3000], [1]])
    let expected = sample.reference(sample.operands.map(\.doubles))
    for form in Form.allCases {
      var state = sample.start
      let h = sample.run(sample.operands, form, &state)
      let error = relativeError(h, expected.h)
      #expect(error <= 1e-5, "\(form): h \(error)")
      let scales = state.maximum.doubles, own = sample.K * (sample.V + 1)
      let unscaled = concatenated([state.memory, state.normalizer]).doubles.enumerated().map {
        $1 * exp(scales[$0 / own])
      }
      let stateError = relativeError(unscaled, expected.memory)
      #expect(stateError <= 1e-5, "\(form): state \(stateError)")
    }
  }

  @Test("no tokens and no rows leave the state, and give it its own gradient", arguments: Form.allCases)
  func nothing(form: Form) {
    for (B, T) in [(2, 0), (0, 3)] {
      let none = [[B, T, 2, 3], [B, T, 2, 3], [B, T, 2, 4], [B, T, 2], [B, T, 2]] as [Shape]
      let leaves = none.map { Tensor(zeros: $0).tracked() }
      let before = random([B, 2, 3, 4], seed: 1).tracked(), ones = random([B, 2, 3, 1], seed: 2).tracked()
      var memory = before, normalizer = ones, maximum = random([B, 2], seed: 3)
      let scale = maximum.scalars
      let h = ExponentialGating.run(
        q: leaves[0], k: leaves[1], v: leaves[2], logInput: leaves[3], logForget: leaves[4], form: form,
        memory: &memory, normalizer: &normalizer, maximum: &maximum)
      #expect(h.shape == none[2] && memory.scalars == before.scalars && normalizer.scalars == ones.scalars)
      #expect(maximum.scalars == scale)
      let seed = random(memory.shape, seed: 4)
      let found = RunnelTensors.gradients(of: [(h, h.detached), (memory, seed)], for: leaves + [before])
      #expect(found[5].scalars == seed.scalars && found[..<5].allSatisfy { $0.count == 0 })
    }
  }

  @Test("gradients, on both sides of the denominator's bound")
  func gradients() {
    let sample = Case(T: 40, logInput: -5...0, logForget: -2...0, resets: [[25], []])
    let x = sample.operands.map(\.doubles)
    let weights = sample.reference(x).weights
    #expect(weights.count { abs($0) > 1.1 } > 20 && weights.count { abs($0) < 0.9 } > 20)
    let seed = random([sample.B, sample.T, sample.H, sample.V], seed: 9)
    let expected = x.indices.map { i in
      centralDifferences(at: x[i]) { value in
        var moved = x
        moved[i] = value
        return dot(sample.reference(moved).h, seed.doubles)
      }
    }
    for form in Form.allCases {
      let leaves = sample.operands.map { $0.tracked() }
      var state = sample.start
      let h = sample.run(leaves, form, &state)
      let found = RunnelTensors.gradients(of: [(h, seed)], for: leaves)
      for i in found.indices {
        let error = relativeError(found[i], expected[i])
        #expect(error <= 1e-4, "\(form): operand \(i), \(error)")
      }
    }
  }
}
