/// Recurrences whose rows start from a state that was tuned, where the recurrence alone starts from zero (RWKV's
/// `time_state`).

import RunnelTensors

/// Runs a recurrence over operands [B T …] with the state [B …] of their rows.
///
/// - Parameter initial: what a row starts from after a reset, one row's state; absent for zero. Where there is one,
///   the stretches between resets run one after the other.
func run(
  _ operands: [Tensor], from initial: Tensor, resets: Resets, state: inout Tensor,
  _ body: ([Tensor], Resets, inout Tensor) -> Tensor
) -> Tensor {
  guard !initial.isEmpty, !resets.isEmpty, let shape = operands.first?.shape, shape[1] > 0 else {
    return body(operands, resets, &state)
  }
  let (B, T) = (shape[0], shape[1])
  func flat(_ x: Tensor) -> Tensor { x.reshaped([B * T, x.count / (B * T)]) }
  let rows = operands.map { ($0.shape, flat($0)) }
  var outputs: [Tensor] = [], states: [Tensor] = []
  var tail: [Int] = []
  for b in 0..<B {
    var own = state.rows(b..<b + 1)
    for stretch in resets.stretches(row: b, length: T) {
      if stretch.isFresh { own = initial.reshaped(own.shape) }
      let parts = rows.map { shape, x in
        x.rows(b * T + stretch.range.lowerBound..<b * T + stretch.range.upperBound)
          .reshaped(Shape([1, stretch.range.count] + Array(shape).dropFirst(2)))
      }
      let y = body(parts, .none, &own)
      tail = Array(y.shape.dropFirst(2))
      outputs.append(y.reshaped([stretch.range.count, y.count / stretch.range.count]))
    }
    states.append(own)
  }
  state = stacked(states)
  return stacked(outputs).reshaped(Shape([B, T] + tail))
}
