/// States along the batch: rows taken out, and states joined, so that streams can come and go while others run.

import RunnelTensors

extension ModelState {
  /// How many streams it is the memory of.
  public var batch: Int { tensors.first?.value.shape[0] ?? counters.first?.value.count ?? 0 }

  /// The memories of these streams, in this order; a stream may be named twice. Copies their bytes.
  public func rows(_ rows: [Int]) -> Self {
    let batch = batch
    for row in rows {
      precondition((0..<batch).contains(row), "State.rows: row \(row) of a state of \(batch) streams")
    }
    return replacing(
      tensors: { _, value in
        embedding(
          value.reshaped([batch, value.count / max(1, batch)]), ids: rows.map(Int32.init), shape: [rows.count]
        ).reshaped(Shape([rows.count] + value.shape.dropFirst()))
      }, counters: { _, value in rows.map { value[$0] } })
  }

  /// The streams of several states of one model, one after the other. Copies the bytes of all.
  public init(joining states: [Self]) {
    guard let first = states.first else {
      preconditionFailure("State: no states to join; at least one is needed")
    }
    let all = states.map(\.tensors), counts = states.map(\.counters)
    var tensor = 0, counter = 0
    self = first.replacing(
      tensors: { name, value in
        defer { tensor += 1 }
        let parts = all.map { $0[tensor].value }
        for part in parts {
          precondition(
            part.shape.dropFirst().elementsEqual(value.shape.dropFirst()),
            "State: \(name) is \(value.shape) and \(part.shape); states of one model are joined")
        }
        return stacked(parts)
      },
      counters: { _, _ in
        defer { counter += 1 }
        return counts.flatMap { $0[counter].value }
      })
  }
}
