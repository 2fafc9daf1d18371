/// Mixed chunk attention, the memory of FLASH (Hua et al. 2022, §3.2): squared-ReLU attention inside chunks
/// of C tokens, linear attention to the chunks before.
///
///     y_t = Σ_s relu(q_t · k_s / C)² v_s + q'_t M / C       over s ≤ t in the chunk of t;
///     M = Σ_s k'_sᵀ v_s                                      over the tokens of all earlier chunks
///
/// Chunks are counted from the start of the document. The token at position p lies in slot p mod C of the
/// ring, whose linear keys enter M when the chunk is full.

import CKernels
import RunnelKernels
import RunnelTensors

/// FLASH's attention: quadratic inside a chunk, linear to the chunks before.
public enum ChunkAttention {
  /// What the tokens bring: queries and keys [B T S], values [B T E].
  public struct Operands: Sendable {
    /// [B T S] each, the value [B T E].
    public var localQuery, localKey, linearQuery, linearKey, value: Tensor
    /// Operands of one call, of equal B and T.
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
    /// [B C S], [B C S], [B C E] and [B S E].
    public var localKeys, linearKeys, values, sum: Tensor
    /// A memory of B rows.
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
    let keys = x.localQuery.shape, values = x.value.shape, ring = memory.values.shape
    precondition(
      keys.rank == 3 && values.rank == 3 && ring.rank == 3,
      "ChunkAttention: queries \(keys), values \(values), ring \(ring); all must have three axes")
    let (B, T, S, E, C) = (keys[0], keys[1], keys[2], values[2], ring[1])
    precondition(
      x.all.dropLast().allSatisfy { $0.shape == keys } && values == [B, T, E],
      "ChunkAttention: operands \(x.all.map(\.shape)); expected four [B T S] and [B T E]")
    precondition(
      C > 0 && memory.all.map(\.shape) == [[B, C, S], [B, C, S], [B, C, E], [B, S, E]] && counts.count == B,
      "ChunkAttention: memory \(memory.all.map(\.shape)), \(counts.count) counts for \(x.all.map(\.shape))")
    var states = memory.all
    memory = Memory(localKeys: .absent, linearKeys: .absent, values: .absent, sum: .absent)
    let y = Call(
      segment: Segment(batch: B, length: T, resets: resets, counts: counts), operands: x.all, S: S, E: E, C: C
    ).run(form, states: &states)
    memory = Memory(localKeys: states[0], linearKeys: states[1], values: states[2], sum: states[3])
    return y
  }
}

private struct Call: Recurrence {
  let name: StaticString = "ChunkAttention"
  let segment: Segment
  /// Queries and keys of the chunk, queries and keys of the past, values.
  var operands: [Tensor]
  let S, E, C: Int

  var gathering: [Gathering] { Array(repeating: .perToken, count: 5) }
  var output: Shape { [segment.batch, segment.length, E] }
  var units: Int { 1 }
  var shares: Int { 1 }
  /// The rings of local keys, linear keys and values, and M.
  var parts: [Part] {
    [C * S, C * S, C * E, S * E].enumerated().map { Part(tensor: $0, size: $1, total: $1) }
  }
  /// The chunks of a stretch are still there for its gradient, so it needs no memory kept but its first.
  func chunkLength(_ form: Form, keepsMemories: Bool) -> Int { .max }
  func makeScratch(_ share: Share, _ grid: Grid, for pass: Pass) -> Storage {
    // The gradient keeps M before each chunk but the first.
    let sums = (grid.longest + C - 1) / C * S * E
    return Storage(
      capacity: pass == .gradient ? 2 * C * (C + S) + C * E + sums : C * min(C, grid.longest))
  }

  /// Some tokens of a chunk: the first in the segment and its place in the chunk.
  private struct Tokens {
    let row, start, offset, count: Int
    /// How many tokens of the chunk there are behind the last.
    var end: Int { offset + count }
  }
  private func tokens(_ piece: Piece, _ range: Range<Int>) -> Tokens {
    Tokens(
      row: piece.row, start: piece.start + range.lowerBound,
      offset: (piece.chunk.position + range.lowerBound) % C, count: range.count)
  }

  /// The tokens of a piece chunk by chunk.
  private func chunks(_ piece: Piece) -> [Tokens] {
    let end = piece.chunk.position + piece.count
    return stride(from: piece.chunk.position / C * C, to: end, by: C).map {
      let first = max($0, piece.chunk.position)
      return tokens(piece, first - piece.chunk.position..<min($0 + C, end) - piece.chunk.position)
    }
  }

  private func at(_ x: Tokens, _ width: Int) -> Int { (x.row * segment.length + x.start) * width }

  /// The tokens are put into the rings.
  private func store(_ x: Tokens, _ memory: Memory) {
    for (ring, (operand, width)) in [(1, S), (3, S), (4, E)].enumerated() {
      (memory[0, ring] + x.offset * width).update(
        from: operands[operand].base + at(x, width), count: x.count * width)
    }
  }

  /// The tokens' queries meet the chunk's keys so far: scores [count end].
  private func weigh(_ x: Tokens, _ keys: Floats, _ scores: MutableFloats) {
    let query = operands[0].base + at(x, S)
    if x.count == 1 {
      Gemm.vector(rows: x.end, columns: S, keys, query, into: scores)
    } else {
      Gemm.parallel(
        m: x.count, n: x.end, k: S, MatrixView(query, rowStride: S),
        MatrixView(keys, rowStride: S, .transposed), into: scores, rowStride: x.end)
    }
  }

  private func attend(_ x: Tokens, _ memory: Memory, _ scores: MutableFloats, _ y: MutableFloats) {
    let y = y + at(x, E)
    store(x, memory)
    weigh(x, memory[0, 0], scores)
    runnel_chunk_weights(x.count, x.end, x.end, x.offset, C, scores)
    Gemm.parallel(
      m: x.count, n: E, k: x.end, MatrixView(scores, rowStride: x.end),
      MatrixView(memory[0, 2], rowStride: E), into: y, rowStride: E)
    recall(x, memory, y)
    if x.end == C { remember(memory[0, 1], memory[0, 2], in: memory[0, 3]) }
  }

  /// What the earlier chunks give to y, which is added.
  private func recall(_ x: Tokens, _ memory: Memory, _ y: MutableFloats) {
    Gemm.parallel(
      m: x.count, n: E, k: S, alpha: 1 / Float(C), MatrixView(operands[2].base + at(x, S), rowStride: S),
      MatrixView(memory[0, 3], rowStride: E), beta: 1, into: y, rowStride: E)
  }

  /// A full chunk enters M.
  private func remember(_ linearKeys: Floats, _ values: Floats, in sum: MutableFloats) {
    Gemm.parallel(
      m: S, n: E, k: C, MatrixView(linearKeys, rowStride: S, .transposed), MatrixView(values, rowStride: E),
      beta: 1, into: sum, rowStride: E)
  }

  func step(_ piece: Piece, _ scratch: Storage) {
    for t in 0..<piece.count { attend(tokens(piece, t..<t + 1), piece.memory, scratch.base, piece.y) }
  }
  func chunk(_ piece: Piece, _ scratch: Storage) {
    for x in chunks(piece) { attend(x, piece.memory, scratch.base, piece.y) }
  }

  /// One masked quadratic product over all tokens of a document, those in the ring's running chunk first, and M as it was
  /// before.
  func parallel(_ piece: Piece, _ scratch: Storage) {
    let all = tokens(piece, 0..<piece.count), band = 64, length = all.end
    /// What the ring has of the running chunk, and behind it the tokens.
    func line(_ ring: Int, _ operand: Int, _ width: Int) -> Storage {
      let line = Storage(capacity: length * width)
      line.base.update(from: piece.memory[0, ring], count: all.offset * width)
      (line.base + all.offset * width).update(
        from: operands[operand].base + at(all, width), count: all.count * width)
      return line
    }
    let localKeys = line(0, 1, S), linearKeys = line(1, 3, S), values = line(2, 4, E)
    let local = Storage(capacity: band * length), linear = Storage(capacity: band * length)
    for start in stride(from: 0, to: all.count, by: band) {
      let x = Tokens(
        row: all.row, start: all.start + start, offset: all.offset + start,
        count: min(band, all.count - start))
      for (query, keys, scores) in [(0, localKeys, local), (2, linearKeys, linear)] {
        Gemm.parallel(
          m: x.count, n: length, k: S, MatrixView(operands[query].base + at(x, S), rowStride: S),
          MatrixView(keys.base, rowStride: S, .transposed), into: scores.base, rowStride: length)
      }
      runnel_chunk_mixed_weights(x.count, length, length, x.offset, C, local.base, linear.base)
      Gemm.parallel(
        m: x.count, n: E, k: length, MatrixView(local.base, rowStride: length),
        MatrixView(values.base, rowStride: E), into: piece.y + at(x, E), rowStride: E)
      recall(x, piece.memory, piece.y + at(x, E))
    }
    withExtendedLifetime((localKeys, linearKeys, values, local, linear)) {}
    for x in chunks(piece) {
      store(x, piece.memory)
      if x.end == C { remember(piece.memory[0, 1], piece.memory[0, 2], in: piece.memory[0, 3]) }
    }
  }

  private typealias Lines = (localKeys: Floats, linearKeys: Floats, values: Floats)
  /// The keys and values of a chunk up to its last token: in the rings, if the chunk began before the segment.
  private func lines(_ x: Tokens, _ memory: Memory) -> Lines {
    guard x.offset > 0 else {
      let key = at(x, S)
      return (operands[1].base + key, operands[3].base + key, operands[4].base + at(x, E))
    }
    store(x, memory)
    return (Floats(memory[0, 0]), Floats(memory[0, 1]), Floats(memory[0, 2]))
  }

  func gradient(_ piece: Piece, _ gradients: ChunkGradients, _ scratch: Storage) {
    let chunks = chunks(piece), sums = scratch.base + 2 * C * (C + S) + C * E
    /// M before a chunk.
    func sum(_ i: Int) -> MutableFloats { i == 0 ? piece.memory[0, 3] : sums + (i - 1) * S * E }
    for (i, x) in chunks.dropLast().enumerated() {
      let (_, linearKeys, values) = lines(x, piece.memory)
      sum(i + 1).update(from: sum(i), count: S * E)
      remember(linearKeys, values, in: sum(i + 1))
    }
    for (i, x) in chunks.enumerated().reversed() {
      gradient(x, lines(x, piece.memory), sum: sum(i), gradients, scratch.base)
    }
  }

  private func gradient(
    _ x: Tokens, _ lines: Lines, sum: Floats, _ gradients: ChunkGradients, _ s: MutableFloats
  ) {
    let (m, end, r) = (x.count, x.end, 1 / Float(C)), (localKeys, linearKeys, values) = lines
    let dmemory = gradients.memory, d = gradients.operands, (key, value) = (at(x, S), at(x, E))
    func view(_ p: Floats, _ stride: Int, _ t: Transposition = .none) -> MatrixView {
      MatrixView(p, rowStride: stride, t)
    }
    let dsum = dmemory[0, 3], dy = gradients.dy + value
    // Scores, their gradients, and the gradients of the chunk's keys and values up to its last token.
    let ds = s + C * C, dlocal = ds + C * C, dlinear = dlocal + C * S,
      dvalues = dlinear + C * S
    weigh(x, localKeys, s)
    // The chunk in M, if it was completed.
    let isFull = end == C
    if isFull {
      Gemm.parallel(
        m: C, n: S, k: E, view(values, E), view(dsum, E, .transposed), into: dlinear, rowStride: S)
      Gemm.parallel(m: C, n: E, k: S, view(linearKeys, S), view(dsum, E), into: dvalues, rowStride: E)
    } else {
      dlinear.update(repeating: 0, count: end * S)
    }
    // Attention inside the chunk.
    Gemm.parallel(m: m, n: end, k: E, view(dy, E), view(values, E, .transposed), into: ds, rowStride: end)
    runnel_chunk_weights_backward(m, end, end, x.offset, C, s, ds)
    Gemm.parallel(
      m: end, n: E, k: m, view(s, end, .transposed), view(dy, E), beta: isFull ? 1 : 0, into: dvalues,
      rowStride: E)
    Gemm.parallel(m: m, n: S, k: end, view(ds, end), view(localKeys, S), into: d[0] + key, rowStride: S)
    Gemm.parallel(
      m: end, n: S, k: m, view(ds, end, .transposed), view(operands[0].base + key, S), into: dlocal,
      rowStride: S)
    // The earlier chunks.
    Gemm.parallel(
      m: m, n: S, k: E, alpha: r, view(dy, E), view(sum, E, .transposed), into: d[2] + key, rowStride: S)
    Gemm.parallel(
      m: S, n: E, k: m, alpha: r, view(operands[2].base + key, S, .transposed), view(dy, E), beta: 1,
      into: dsum,
      rowStride: E)
    // The ring: its older tokens were there before; the piece's own have overwritten what was.
    for (ring, (operand, width, dlines)) in [(1, S, dlocal), (3, S, dlinear), (4, E, dvalues)].enumerated() {
      let after = dmemory[0, ring], own = x.offset * width
      runnel_add(own, after, dlines, after)
      runnel_add(m * width, after + own, dlines + own, d[operand] + at(x, width))
      (after + own).update(repeating: 0, count: m * width)
    }
  }
}
