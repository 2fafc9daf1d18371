/// The work of one call of `WKV.run`: rows of the batch by blocks of channels, stretches between resets.

import CKernels
import RunnelKernels
import RunnelTensors

struct WKVScan: Sendable {
  private let shape: Shape
  private let stretches: [[Resets.Stretch]]
  private let block = 64
  /// Tokens between the sums that are kept for the gradient.
  private let chunk = 32

  init(shape: Shape, resets: Resets) {
    self.shape = shape
    stretches = (0..<shape[0]).map { resets.stretches(row: $0, length: shape[1]) }
  }

  private var width: Int { shape[2] }
  private var blocks: Int { (width + block - 1) / block }
  private func chunks(_ range: Range<Int>) -> Int { (range.count + chunk - 1) / chunk }
  private var chunksPerRow: Int {
    stretches.map { $0.reduce(0) { $0 + chunks($1.range) } }.max() ?? 0
  }

  /// Room for the sums and their exponent before every chunk.
  func makeStarts() -> Storage {
    Storage(capacity: max(1, shape[0] * blocks * chunksPerRow * 3 * block))
  }

  private func forEachBlock(_ body: (_ row: Int, _ first: Int, _ count: Int, _ item: Int) -> Void) {
    let grain = max(1, (1 << 11) / (shape[1] * min(block, width)))
    WorkerPool.shared.split(shape[0] * blocks, grain: grain) { items in
      for item in items {
        let first = item % blocks * block
        body(item / blocks, first, min(block, width - first), item)
      }
    }
  }

  /// The fold of the step; the state is changed in place.
  func scan(
    _ k: Tensor, _ v: Tensor, _ w: Tensor, _ u: Tensor, _ numerator: inout Tensor,
    _ denominator: inout Tensor, _ exponent: inout Tensor, starts: Storage?
  ) -> Tensor {
    Tensor(shape) { y in
      numerator.mutate { a in
        denominator.mutate { b in
          exponent.mutate { p in
            forEachBlock { row, first, count, item in
              let own = row * width + first
              let (a, b, p) = (a + own, b + own, p + own)
              var kept = starts.map { $0.base + item * chunksPerRow * 3 * block }
              for stretch in stretches[row] {
                if stretch.isFresh {
                  a.update(repeating: 0, count: count)
                  b.update(repeating: 0, count: count)
                  p.update(repeating: WKV.lowestExponent, count: count)
                }
                let length = kept == nil ? stretch.range.count : chunk
                for start in stride(from: stretch.range.lowerBound, to: stretch.range.upperBound, by: length)
                {
                  if let place = kept {
                    for (i, part) in [a, b, p].enumerated() {
                      (place + i * count).update(from: part, count: count)
                    }
                    kept = place + 3 * block
                  }
                  let at = (row * shape[1] + start) * width + first
                  runnel_wkv(
                    min(length, stretch.range.upperBound - start), count, width, k.base + at, v.base + at,
                    w.base + first, u.base + first, a, b, p, y + at)
                }
              }
            }
          }
        }
      }
    }
  }

  /// The gradients of k, v, w, u and the initial sums and exponent, chunk by chunk from the last.
  func gradient(
    _ inputs: [Tensor], starts: Storage, dy: Tensor?, dnumerator: Tensor?, ddenominator: Tensor?
  ) -> [Tensor?] {
    let (k, v, w, u) = (inputs[0], inputs[1], inputs[2], inputs[3])
    let rows: Shape = [shape[0], width]
    let (dk, dv) = (Tensor(uninitialized: shape), Tensor(uninitialized: shape))
    let (dw, du) = (Tensor(zeros: rows), Tensor(zeros: rows))
    let da = dnumerator.map { Tensor($0.scalars, rows) } ?? Tensor(zeros: rows)
    let db = ddenominator.map { Tensor($0.scalars, rows) } ?? Tensor(zeros: rows)
    forEachBlock { row, first, count, item in
      let scratch = Storage(capacity: chunk * 3 * count)
      let own = row * width + first
      let (a, b) = (da.storage.base + own, db.storage.base + own)
      var index = stretches[row].reduce(0) { $0 + chunks($1.range) }
      for stretch in stretches[row].reversed() {
        for piece in (0..<chunks(stretch.range)).reversed() {
          index -= 1
          let start = stretch.range.lowerBound + piece * chunk
          let at = (row * shape[1] + start) * width + first
          runnel_wkv_backward(
            min(chunk, stretch.range.upperBound - start), count, width, k.base + at, v.base + at,
            w.base + first, u.base + first, starts.base + (item * chunksPerRow + index) * 3 * block,
            scratch.base, dy.map { $0.base + at }, a, b, dk.storage.base + at, dv.storage.base + at,
            dw.storage.base + own, du.storage.base + own)
        }
        if stretch.isFresh {
          a.update(repeating: 0, count: count)
          b.update(repeating: 0, count: count)
        }
      }
    }
    // The sums are a e^p and b e^p, so the exponent that came in moves both.
    let dp = inputs[4] * da + inputs[5] * db
    return [dk, dv, sumOfRows(dw).reshaped(w.shape), sumOfRows(du).reshaped(u.shape), da, db, dp]
  }
}
