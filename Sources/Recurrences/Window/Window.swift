/// Softmax attention over the last W tokens, whose memory is a ring of their keys and values.
///
///     y_t = Σ_s softmax_s(scale · q_t · k_s) v_s        over s in (t − W, t] of the same document
///
/// The token at position p of its document lies in slot p mod W of the ring.

import RunnelTensors

public enum Window {
  /// Runs over T tokens: q [B T H K], k [B T G K], v [B T G V] → y [B T H V]. Each of the G heads of keys and
  /// values serves H/G neighbouring heads of queries. The rings, `keys` [B W G K] and `values` [B W G V], are
  /// taken on to the last token; W is theirs.
  ///
  /// Gradients flow to every operand and through the rings. A reset makes a ring zero. No tokens give an
  /// empty result and leave the rings. Without gradients, `step` changes the rings in place, in time O(W K) a
  /// token.
  ///
  /// - Parameter counts: how many tokens each row's document had before the segment; the caller counts on.
  public static func attend(
    q: Tensor, k: Tensor, v: Tensor, scale: Float, form: Form, resets: Resets = .none, counts: [Int],
    keys: inout Tensor, values: inout Tensor
  ) -> Tensor {
    let sizes = WindowSizes(q, k, v, keys, values, counts)
    guard sizes.T > 0 else { return Tensor(zeros: [sizes.B, 0, sizes.H, sizes.V]) }
    let call = WindowCall(
      n: sizes, scale: scale, q: q.detached, k: k.detached, v: v.detached, counts: counts,
      stretches: (0..<sizes.B).map { resets.stretches(row: $0, length: sizes.T) })
    let inputs = [q, k, v, keys, values]
    let isTracked = inputs.contains(where: \.isTracked)
    // A stream owns its rings, which are then changed in place; a record keeps the old ones.
    let old = isTracked ? (keys: keys.detached, values: values.detached) : nil
    let y = Tensor([sizes.B, sizes.T, sizes.H, sizes.V]) { y in
      keys.mutate { keys in
        values.mutate { values in
          if form == .step {
            call.steps(keys, values, y: y)
          } else {
            call.blocks(keys, values, isWhole: form == .parallel, y: y)
            call.advance(keys, values)
          }
        }
      }
    }
    guard let old else { return y }
    let outputs = record([y, keys, values], from: inputs) { gradients in
      call.gradient(
        keys: old.keys, values: old.values, dy: gradients[0], dkeys: gradients[1], dvalues: gradients[2])
    }
    (keys, values) = (outputs[1], outputs[2])
    return outputs[0]
  }
}

/// The extents of one call, checked.
struct WindowSizes: Sendable {
  let B, T, H, G, K, V, W: Int
  /// Heads of queries that share one of keys and values.
  var shared: Int { H / G }

  init(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ keys: Tensor, _ values: Tensor, _ counts: [Int]) {
    precondition(
      q.shape.rank == 4 && k.shape.rank == 4 && v.shape.rank == 4 && keys.shape.rank == 4,
      "Window: q \(q.shape), k \(k.shape), v \(v.shape), keys \(keys.shape); all must have four axes")
    (B, T, H, K) = (q.shape[0], q.shape[1], q.shape[2], q.shape[3])
    (G, V, W) = (k.shape[2], v.shape[3], keys.shape[1])
    precondition(
      G > 0 && H % G == 0 && W > 0, "Window: \(G) heads of keys do not divide \(H) of queries, or no window")
    precondition(
      k.shape == [B, T, G, K] && v.shape == [B, T, G, V],
      "Window: q \(q.shape), k \(k.shape), v \(v.shape); expected [B T H K], [B T G K], [B T G V]")
    precondition(
      keys.shape == [B, W, G, K] && values.shape == [B, W, G, V] && counts.count == B,
      "Window: rings \(keys.shape), \(values.shape), \(counts.count) counts; k \(k.shape), v \(v.shape)"
    )
  }
}

/// One call: its operands, and where documents lie in it.
struct WindowCall: Sendable {
  let n: WindowSizes
  let scale: Float
  let q, k, v: Tensor
  let counts: [Int]
  let stretches: [[Resets.Stretch]]

  /// How many tokens the document of a stretch had before it.
  func before(_ b: Int, _ stretch: Resets.Stretch) -> Int { stretch.isFresh ? 0 : counts[b] }
  /// How many of them its first token can see.
  func past(_ b: Int, _ stretch: Resets.Stretch) -> Int { min(before(b, stretch), n.W - 1) }

  /// Where token `t` of row `b` or slot `t` of its ring begins, in q or y, keys, values.
  func queryOffset(_ b: Int, _ t: Int, _ h: Int) -> Int { ((b * n.T + t) * n.H + h) * n.K }
  func outputOffset(_ b: Int, _ t: Int, _ h: Int) -> Int { ((b * n.T + t) * n.H + h) * n.V }
  func slot(_ b: Int, _ position: Int, _ g: Int) -> Int { (b * n.W + position % n.W) * n.G + g }
  func token(_ b: Int, _ t: Int, _ g: Int) -> Int { (b * n.T + t) * n.G + g }
}
