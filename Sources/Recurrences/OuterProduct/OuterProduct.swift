/// The outer-product recurrence with a scalar decay per head: the memory of linear attention, RetNet and
/// Mamba-2.
///
///     S_t = w_t S_{t−1} + k_tᵀ v_t        S [K V] per batch row and head, w_t in (0, 1]
///     y_t = q_t S_t

import RunnelTensors

public enum OuterProduct {
  /// The logarithm of w_t, which must not be positive. Decays below e⁻⁸⁷ count as zero, −∞ included.
  public enum Decay: Sendable {
    case none
    /// One for each head, the same for all tokens: [H].
    case perHead(Tensor)
    /// [B T H].
    case perToken(Tensor)

    var logarithm: Tensor? {
      switch self {
      case .none: nil
      case .perHead(let logarithm), .perToken(let logarithm): logarithm
      }
    }
    var detached: Decay {
      switch self {
      case .none: .none
      case .perHead(let logarithm): .perHead(logarithm.detached)
      case .perToken(let logarithm): .perToken(logarithm.detached)
      }
    }
  }

  /// Runs over T tokens: q, k [B T G K], v [B T H V] → y [B T H V]; the state [B H K V] is taken on to the
  /// last token.
  ///
  /// Each of the G groups of queries and keys serves H/G neighbouring heads. Gradients flow to every operand
  /// and through both states. A reset makes the state zero. No tokens give an empty result and leave the
  /// state.
  ///
  /// Without gradients, `step` at T = 1 changes the state in place and allocates nothing but y. With
  /// gradients every form keeps one state per 64 tokens and recomputes the rest.
  public static func run(
    q: Tensor, k: Tensor, v: Tensor, decay: Decay = .none, form: Form, resets: Resets = .none,
    state: inout Tensor
  ) -> Tensor {
    run(q: q, k: k, v: v, decay: decay, form: form, resets: resets, state: &state, chunk: chunkLength)
  }

  /// Q of the chunkwise form. Training is fastest, within 3 %, with 48 to 64 for K and V from 64 to 128; less
  /// would make the forward up to 10 % faster, and keep more states for the backward.
  package static let chunkLength = 64

  package static func run(
    q: Tensor, k: Tensor, v: Tensor, decay: Decay, form: Form, resets: Resets, state: inout Tensor, chunk: Int
  ) -> Tensor {
    let sizes = OuterSizes(q, k, v, decay, state)
    let isTracked = isTracked(q, k, v, state) || decay.logarithm?.isTracked == true
    guard sizes.T > 0 else { return Tensor(uninitialized: v.shape) }
    if form == .step && !isTracked {
      return Tensor(v.shape) { y in
        state.mutate { outerSteps(sizes, q, k, v, decay, resets: resets, state: $0, y: y) }
      }
    }
    // A chunk that is the whole stretch makes the chunkwise form the masked quadratic form of the papers.
    let plan = OuterPlan(
      batch: sizes.B, length: sizes.T, resets: resets, chunk: form == .parallel ? sizes.T : chunk)
    guard isTracked else {
      let chunks = OuterChunkwise(sizes, q: q, k: k, v: v, decay: decay, plan: plan)
      return Tensor(v.shape) { y in state.mutate { chunks.forward(state: $0, y: y, starts: nil) } }
    }

    let inputs = [q, k, v, state] + (decay.logarithm.map { [$0] } ?? [])
    let needs = OuterNeeds(
      q: q.isTracked, k: k.isTracked, v: v.isTracked, state: state.isTracked,
      decay: decay.logarithm?.isTracked == true)
    let chunks = OuterChunkwise(
      sizes, q: q.detached, k: k.detached, v: v.detached, decay: decay.detached, plan: plan)
    let starts = Tensor(uninitialized: [plan.count, sizes.H, sizes.K, sizes.V])
    let y = Tensor(v.shape) { y in
      state.mutate {
        if form == .step {
          chunks.steps(state: $0, y: y, starts: starts.storage.base)
        } else {
          chunks.forward(state: $0, y: y, starts: starts.storage.base)
        }
      }
    }
    let outputs = record([y, state], from: inputs) { seeds in
      let gradients = OuterGradients(sizes, needs, dy: seeds[0], dstate: seeds[1], parts: chunks.parts)
      if form == .step {
        chunks.stepsBackward(starts: starts, into: gradients)
      } else {
        chunks.backward(starts: starts, into: gradients)
      }
      return gradients.finished(perToken: decay.isPerToken)
    }
    state = outputs[1]
    return outputs[0]
  }
}

extension OuterProduct.Decay {
  fileprivate var isPerToken: Bool {
    if case .perToken = self { true } else { false }
  }
}

/// The extents of one call, checked.
struct OuterSizes: Sendable {
  let B, T, H, G, K, V: Int
  /// Heads that share a query and a key.
  var shared: Int { H / G }
  /// Floats between two tokens of q and k, of v and y, and in the state of one head.
  var keyStride: Int { G * K }
  var valueStride: Int { H * V }
  var stateSize: Int { K * V }

  init(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ decay: OuterProduct.Decay, _ state: Tensor) {
    precondition(
      q.shape.rank == 4 && q.shape == k.shape,
      "OuterProduct: q \(q.shape) and k \(k.shape); both must be [B T G K]")
    precondition(
      v.shape.rank == 4 && v.shape[0] == q.shape[0] && v.shape[1] == q.shape[1],
      "OuterProduct: q \(q.shape) and v \(v.shape); v must be [B T H V] of the same B and T")
    (B, T, G, K) = (q.shape[0], q.shape[1], q.shape[2], q.shape[3])
    (H, V) = (v.shape[2], v.shape[3])
    precondition(
      G > 0 && H % G == 0,
      "OuterProduct: \(G) groups of q \(q.shape) do not divide \(H) heads of v \(v.shape)")
    precondition(
      state.shape == [B, H, K, V],
      "OuterProduct: a state of \(state.shape); q \(q.shape) and v \(v.shape) need \([B, H, K, V] as Shape)")
    switch decay {
    case .none: break
    case .perHead(let log):
      precondition(log.shape == [H], "OuterProduct: decays of \(log.shape) for \(H) heads; give [H]")
    case .perToken(let log):
      precondition(
        log.shape == [B, T, H], "OuterProduct: decays of \(log.shape) for v \(v.shape); give [B T H]")
    }
  }
}

/// A row of the batch cut into chunks, whose grid starts anew at every reset.
struct OuterPlan: Sendable {
  struct Chunk: Sendable {
    let start, count: Int
    /// Whether the state before the chunk is zero, not what the chunk before left.
    let isFresh: Bool
  }
  let rows: [[Chunk]]
  /// The number of each row's first chunk, counted over all rows.
  let first: [Int]
  let count: Int
  /// The most tokens in a chunk.
  let longest: Int

  init(batch: Int, length: Int, resets: Resets, chunk: Int) {
    precondition(chunk > 0, "Recurrence: chunks of \(chunk) tokens; give at least one")
    var first: [Int] = []
    var count = 0
    var longest = 0
    rows = (0..<batch).map { row in
      let chunks = resets.stretches(row: row, length: length).flatMap { stretch in
        stride(from: stretch.range.lowerBound, to: stretch.range.upperBound, by: chunk).map { start in
          Chunk(
            start: start, count: min(chunk, stretch.range.upperBound - start),
            isFresh: stretch.isFresh && start == stretch.range.lowerBound)
        }
      }
      first.append(count)
      count += chunks.count
      longest = chunks.reduce(longest) { max($0, $1.count) }
      return chunks
    }
    (self.first, self.count, self.longest) = (first, count, longest)
  }
}
