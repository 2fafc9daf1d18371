/// Softmax attention over the last W tokens, whose memory is a ring of their keys and values.
///
///     y_t = Σ_s softmax_s(scale · q_t · k_s) v_s        over s in (t − W, t] of the same document
///
/// The token at position p of its document lies in slot p mod W of the ring.

import RunnelTensors

/// Softmax attention over the last W tokens, whose memory is a ring.
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
    precondition(
      q.shape.rank == 4 && k.shape.rank == 4 && v.shape.rank == 4 && keys.shape.rank == 4,
      "Window: q \(q.shape), k \(k.shape), v \(v.shape), keys \(keys.shape); all must have four axes")
    let (B, T, H, K) = (q.shape[0], q.shape[1], q.shape[2], q.shape[3])
    let (G, V, W) = (k.shape[2], v.shape[3], keys.shape[1])
    precondition(
      G > 0 && H % G == 0 && W > 0, "Window: \(G) heads of keys do not divide \(H) of queries, or no window")
    precondition(
      k.shape == [B, T, G, K] && v.shape == [B, T, G, V],
      "Window: q \(q.shape), k \(k.shape), v \(v.shape); expected [B T H K], [B T G K], [B T G V]")
    precondition(
      keys.shape == [B, W, G, K] && values.shape == [B, W, G, V] && counts.count == B,
      "Window: rings \(keys.shape), \(values.shape), \(counts.count) counts; k \(k.shape), v \(v.shape)"
    )
    let segment = Segment(batch: B, length: T, resets: resets, counts: counts)
    var rings = [keys, values]
    (keys, values) = (.absent, .absent)
    let y = WindowScan(segment: segment, operands: [q, k, v], scale: scale, H: H, G: G, K: K, V: V, W: W)
      .run(form, states: &rings)
    (keys, values) = (rings[0], rings[1])
    return y
  }
}
