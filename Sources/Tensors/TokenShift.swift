/// The input one token earlier, as RWKV mixes it with the current one.

import CKernels
import RunnelKernels

/// x_{t − 1} for `x` [B T D]: zero at the start of a document, `last` [B D] before the segment. `last` becomes the
/// last token of the segment; gradients flow through both.
public func tokenShift(_ x: Tensor, resets: Resets = .none, last: inout Tensor) -> Tensor {
  precondition(
    x.shape.rank == 3 && last.shape == [x.shape[0], x.shape[2]],
    "tokenShift: \(x.shape) after \(last.shape); they must be [B T D] and [B D]")
  let (b, t, d) = (x.shape[0], x.shape[1], x.shape[2])
  guard t > 0 else { return x }
  if t == 1 && resets.isEmpty {
    let y = last.reshaped(x.shape)
    last = x.reshaped(last.shape)
    return y
  }
  Profiler.begin(.convolution)
  defer { Profiler.end() }
  let old = last
  let y = Tensor(x.shape) { y in
    splitRows(b, width: t * d) {
      for row in $0 {
        let own = y + row * t * d
        own.update(from: old.base + row * d, count: d)
        (own + d).update(from: x.base + row * t * d, count: (t - 1) * d)
        for start in resets.starts(row: row) { (own + start * d).update(repeating: 0, count: d) }
      }
    }
  }
  let new = Tensor([b, d]) { new in
    for row in 0..<b { (new + row * d).update(from: x.base + ((row + 1) * t - 1) * d, count: d) }
  }
  guard isTracked(x, last) else {
    last = new
    return y
  }
  let recorded = record([y, new], from: [x, last]) { gradients in
    let dy = gradients[0] ?? Tensor(zeros: [b, t, d])
    let dx = Tensor([b, t, d]) { dx in
      splitRows(b, width: t * d) {
        for row in $0 {
          let own = dx + row * t * d
          own.update(from: dy.base + (row * t + 1) * d, count: (t - 1) * d)
          for start in resets.starts(row: row) where start > 0 {
            (own + (start - 1) * d).update(repeating: 0, count: d)
          }
          let end = own + (t - 1) * d
          if let dnew = gradients[1] {
            end.update(from: dnew.base + row * d, count: d)
          } else {
            end.update(repeating: 0, count: d)
          }
        }
      }
    }
    let dlast = Tensor([b, d]) { dlast in
      for row in 0..<b {
        if resets.startsAfresh(row: row) {
          (dlast + row * d).update(repeating: 0, count: d)
        } else {
          (dlast + row * d).update(from: dy.base + row * t * d, count: d)
        }
      }
    }
    return [dx, dlast]
  }
  last = recorded[1]
  return recorded[0]
}
