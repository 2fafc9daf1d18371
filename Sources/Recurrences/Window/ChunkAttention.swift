/// Mixed chunk attention, the memory of FLASH (Hua et al. 2022, §3.2): squared-ReLU attention inside chunks
/// of C tokens, linear attention to the chunks before.
///
///     y_t = Σ_s relu(q_t · k_s / C)² v_s + q'_t M / C       over s ≤ t in the chunk of t;
///     M = Σ_s k'_sᵀ v_s                                      over the tokens of all earlier chunks
///
/// Chunks are counted from the start of the document. The token at position p lies in slot p mod C of the
/// ring, whose linear keys enter M when the chunk is full.

import RunnelTensors

public enum ChunkAttention {
  /// What the tokens bring: queries and keys [B T S], values [B T E].
  public struct Operands: Sendable {
    public var localQuery, localKey, linearQuery, linearKey, value: Tensor
    public init(localQuery: Tensor, localKey: Tensor, linearQuery: Tensor, linearKey: Tensor, value: Tensor) {
      self.localQuery = localQuery
      self.localKey = localKey
      self.linearQuery = linearQuery
      self.linearKey = linearKey
      self.value = value
    }
    var all: [Tensor] { [localQuery, localKey, linearQuery, linearKey, value] }
  }

  /// The memory before a token: the ring of the last C tokens, [B C S], [B C S] and [B C E], and M, [B S E].
  public struct Memory: Sendable {
    public var localKeys, linearKeys, values, sum: Tensor
    public init(localKeys: Tensor, linearKeys: Tensor, values: Tensor, sum: Tensor) {
      self.localKeys = localKeys
      self.linearKeys = linearKeys
      self.values = values
      self.sum = sum
    }
    /// A fresh memory.
    public init(batch B: Int, chunk C: Int, keyWidth S: Int, valueWidth E: Int) {
      self.init(
        localKeys: Tensor(zeros: [B, C, S]), linearKeys: Tensor(zeros: [B, C, S]),
        values: Tensor(zeros: [B, C, E]), sum: Tensor(zeros: [B, S, E]))
    }
    var all: [Tensor] { [localKeys, linearKeys, values, sum] }
  }

  /// Runs over T tokens and takes the memory on to the last: y [B T E]. Gradients flow to every operand and
  /// through the memory. A reset makes the memory zero. No tokens give an empty result and leave it.
  ///
  /// Without gradients, `step` changes the memory in place, in time O(C (S + E) + S E) a token on average:
  /// the last token of a chunk adds the whole chunk to M.
  ///
  /// - Parameter counts: how many tokens each row's document had before the segment; the caller counts on.
  public static func run(
    _ x: Operands, form: Form, resets: Resets = .none, counts: [Int], memory: inout Memory
  ) -> Tensor {
    let sizes = ChunkSizes(x, memory, counts)
    guard sizes.T > 0 else { return Tensor(zeros: x.value.shape) }
    let call = ChunkCall(
      n: sizes,
      x: Operands(
        localQuery: x.localQuery.detached, localKey: x.localKey.detached, linearQuery: x.linearQuery.detached,
        linearKey: x.linearKey.detached, value: x.value.detached), counts: counts,
      stretches: (0..<sizes.B).map { resets.stretches(row: $0, length: sizes.T) })
    let inputs = x.all + memory.all
    let isTracked = inputs.contains(where: \.isTracked)
    // A stream owns its memory, which is then changed in place; a record keeps the old one.
    let old = isTracked ? memory.all.map(\.detached) : nil
    let y = Tensor(x.value.shape) { y in
      memory.mutate { memory in
        if form == .parallel { call.whole(memory, y: y) }
        call.pieces(memory, isStepwise: form == .step, y: form == .parallel ? nil : y)
      }
    }
    guard let old else { return y }
    let outputs = record([y] + memory.all, from: inputs) { call.gradient(before: old, $0) }
    memory = Memory(
      localKeys: outputs[1], linearKeys: outputs[2], values: outputs[3], sum: outputs[4])
    return outputs[0]
  }
}

extension ChunkAttention.Memory {
  /// The memory of all rows, to be changed in place.
  fileprivate mutating func mutate(_ body: (ChunkPointers) -> Void) {
    localKeys.mutate { localKeys in
      linearKeys.mutate { linearKeys in
        values.mutate { values in
          sum.mutate {
            body(ChunkPointers(localKeys: localKeys, linearKeys: linearKeys, values: values, sum: $0))
          }
        }
      }
    }
  }
}

/// A memory, or its gradient, where it lies.
struct ChunkPointers {
  let localKeys, linearKeys, values, sum: UnsafeMutablePointer<Float>

  func row(_ b: Int, _ n: ChunkSizes) -> ChunkPointers {
    ChunkPointers(
      localKeys: localKeys + b * n.C * n.S, linearKeys: linearKeys + b * n.C * n.S,
      values: values + b * n.C * n.E, sum: sum + b * n.S * n.E)
  }
  func clear(_ n: ChunkSizes) {
    localKeys.update(repeating: 0, count: n.C * n.S)
    linearKeys.update(repeating: 0, count: n.C * n.S)
    values.update(repeating: 0, count: n.C * n.E)
    sum.update(repeating: 0, count: n.S * n.E)
  }
}

/// The extents of one call, checked.
struct ChunkSizes: Sendable {
  let B, T, S, E, C: Int

  init(_ x: ChunkAttention.Operands, _ memory: ChunkAttention.Memory, _ counts: [Int]) {
    precondition(
      x.localQuery.shape.rank == 3 && x.value.shape.rank == 3 && memory.values.shape.rank == 3,
      "ChunkAttention: queries \(x.localQuery.shape), values \(x.value.shape); both must have three axes")
    (B, T, S) = (x.localQuery.shape[0], x.localQuery.shape[1], x.localQuery.shape[2])
    (E, C) = (x.value.shape[2], memory.values.shape[1])
    let keys: Shape = [B, T, S], ring: Shape = [B, C, S]
    precondition(
      x.localKey.shape == keys && x.linearQuery.shape == keys && x.linearKey.shape == keys
        && x.value.shape == [B, T, E],
      "ChunkAttention: operands \(x.all.map(\.shape)); expected four [B T S] and [B T E]")
    precondition(
      C > 0 && memory.localKeys.shape == ring && memory.linearKeys.shape == ring
        && memory.values.shape == [B, C, E] && memory.sum.shape == [B, S, E] && counts.count == B,
      "ChunkAttention: memory \(memory.all.map(\.shape)), \(counts.count) counts for \(x.all.map(\.shape))")
  }
}
