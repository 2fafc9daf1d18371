/// One call of the matrix memory: its operands, checked, where they lie, and what the driver of time asks.

import CKernels
import RunnelKernels
import RunnelTensors

struct MatrixCall: Recurrence {
  let name: StaticString = "MatrixMemory"
  let segment: Segment
  /// q, k, v, then a and b, the logarithms of decays, and the bonus, as far as there are such.
  var operands: [Tensor]
  let B, T, H, G, K, V: Int
  /// K rounded up to whole vectors.
  let P: Int
  /// How many tokens before itself is the state that q reads.
  let lag: Int
  /// Whether there are a and b.
  let removes: Bool
  /// Whether there are decays; for every token or for all, for every key of a head or for all.
  let hasDecay, decayHasTokens, decayHasKeys, hasBonus: Bool
  private let chunk: Int?

  init(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ decay: MatrixMemory.Decay, _ removal: (a: Tensor, b: Tensor)?,
    _ reads: MatrixMemory.Reads, _ state: Tensor, _ resets: Resets, chunk: Int?
  ) {
    func check(_ holds: Bool, _ message: @autoclosure () -> String) {
      precondition(holds, "MatrixMemory: " + message())
    }
    func check(_ x: Tensor?, _ name: String, is shape: Shape) {
      check(
        x == nil || x?.shape == shape,
        "\(name) of \(x?.shape ?? []) for q \(q.shape) and v \(v.shape); give \(shape)")
    }
    check(q.shape.rank == 4 && q.shape == k.shape, "q \(q.shape) and k \(k.shape); both must be [B T G K]")
    check(
      v.shape.rank == 4 && v.shape[0] == q.shape[0] && v.shape[1] == q.shape[1],
      "q \(q.shape) and v \(v.shape); v must be [B T H V] of the same B and T")
    (B, T, G, K) = (q.shape[0], q.shape[1], q.shape[2], q.shape[3])
    (H, V, P) = (v.shape[2], v.shape[3], (K + 15) / 16 * 16)
    let (heads, groups) = (H, G)
    check(groups > 0 && heads % groups == 0, "\(groups) groups of q do not divide \(heads) heads of v")
    check(removal?.a, "a", is: q.shape)
    check(removal?.b, "b", is: q.shape)
    check(state, "a state", is: [B, H, K, V])
    let (log, hasTokens, hasKeys) = decay.parts
    (hasDecay, decayHasTokens, decayHasKeys) = (log != nil, hasTokens, hasKeys)
    check(
      log, "decays", is: hasTokens ? (hasKeys ? [B, T, H, K] : [B, T, H]) : hasKeys ? [H, K] : [H])
    lag = if case .before = reads { 1 } else { 0 }
    (removes, hasBonus) = (removal != nil, reads.bonus != nil)
    check(reads.bonus, "a bonus", is: [H, K])
    segment = Segment(batch: B, length: T, resets: resets)
    operands = [q, k, v]
    operands.reserveCapacity(7)
    if let (a, b) = removal { operands += [a, b] }
    if let log { operands.append(log) }
    if let bonus = reads.bonus { operands.append(bonus) }
    self.chunk = chunk
  }

  /// How many kinds of rows read the state, q and a, and write to it, k and b; their places in the operands, and how far
  /// each kind of reader lags behind its token.
  var kinds: Int { removes ? 2 : 1 }
  var readers: [Int] { removes ? [0, 3] : [0] }
  var writers: [Int] { removes ? [1, 4] : [1] }
  var lags: [Int] { removes ? [lag, 1] : [lag] }
  var logIndex: Int { removes ? 5 : 3 }
  var log: Tensor? { hasDecay ? operands[logIndex] : nil }
  var bonus: Tensor? { hasBonus ? operands[operands.count - 1] : nil }

  /// Heads that share a query and a key.
  var shared: Int { H / G }
  /// Floats between two tokens of q, k, a and b, and of v and y.
  var keyStride: Int { G * K }
  var valueStride: Int { H * V }
  /// Floats of a head's decay at a token, and from one token's to the next's.
  var logWidth: Int { decayHasKeys ? K : 1 }
  var logStride: Int { decayHasTokens ? H * logWidth : 0 }

  func keyOffset(_ row: Int, _ t: Int, _ h: Int) -> Int { ((row * T + t) * G + h / shared) * K }
  func valueOffset(_ row: Int, _ t: Int, _ h: Int) -> Int { ((row * T + t) * H + h) * V }
  func logOffset(_ row: Int, _ t: Int, _ h: Int) -> Int {
    ((decayHasTokens ? row * T + t : 0) * H + h) * logWidth
  }
}

extension MatrixCall {
  var output: Shape { [B, T, H, V] }
  var units: Int { H }
  var memory: Int { K * V }

  /// The heads of a group in one share form once what they share, scores without their decays. Forwards nothing is summed over
  /// shares, so there are no more than keep the threads busy; backwards each has its own sums of gradients of q and k.
  var shares: Int {
    let threads = WorkerPool.shared.threads, wanted = threads > 1 ? 2 * threads : 1
    return G * (decayHasKeys ? shared : min(shared, max(1, wanted / max(1, B * G))))
  }
  var gradientShares: Int { G * split }
  private var split: Int { decayHasKeys ? shared : min(shared, max(1, 8 / max(1, B * G))) }

  var gathering: [Gathering] {
    let keys: [Gathering] = [split == 1 ? .perToken : .perTokenParts(split)]
    return keys + keys + [.perToken] + (removes ? keys + keys : [])
      + (hasDecay ? [decayHasTokens ? .perToken : .shared] : []) + (hasBonus ? [.shared] : [])
  }

  /// Chunks of the length at which training is fastest, and of more for the quadratic form. Where decays are
  /// per key, scores cost more than products of matrices: as fast with 16 as with 32, which keeps half as many
  /// states. Solving for what is removed costs Q V a token, and all four kinds of scores.
  func chunkLength(_ form: Form, keepsMemories: Bool) -> Int {
    if let chunk { return chunk }
    switch form {
    case .step where !keepsMemories: return .max
    case .parallel: return 256
    default: return removes ? 16 : decayHasKeys ? 32 : 64
    }
  }

  func makeScratch(_ share: Share, _ grid: Grid, for pass: Pass) -> MatrixScratch {
    MatrixScratch(call: self, share: share, longest: grid.longest)
  }

  /// The definition, in plain loops.
  func step(_ x: Piece, _ scratch: MatrixScratch) {
    let (q, k, v, log, bonus) = (operands[0], operands[1], operands[2], log, bonus)
    let removal = removes ? (a: operands[3], b: operands[4]) : nil
    for (h, t) in x.units.flatMap({ h in x.chunk.tokens.map { (h, $0) } }) {
      let key = keyOffset(x.row, t, h), value = valueOffset(x.row, t, h), decay = logOffset(x.row, t, h)
      let S = x.memory[h]
      for j in 0..<V {
        let removed = (0..<K).reduce(0) { $0 + (removal?.a.base[key + $1] ?? 0) * S[$1 * V + j] }
        x.y[value + j] = 0
        for i in 0..<K {
          let log = log?.base[decay + (decayHasKeys ? i : 0)] ?? 0
          let w = log < -87 ? 0 : Float(exponential(Double(log)))
          let before = S[i * V + j], written = k.base[key + i] * v.base[value + j]
          let after = w * before + (removal?.b.base[key + i] ?? 0) * removed + written
          let seen = lag == 0 ? after : before + (bonus?.base[h * K + i] ?? 0) * written
          x.y[value + j] += q.base[key + i] * seen
          S[i * V + j] = after
        }
      }
    }
  }

  /// The same fast, for streams.
  func stream(_ x: Piece, _ scratch: MatrixScratch) {
    let first = x.row * H
    stream(
      heads: first + x.units.lowerBound..<first + x.units.upperBound, x.start, x.count,
      x.memory[0] - first * memory, x.y)
  }

  /// The same without the driver, whose shares and chunks take as long as a token of a small model.
  func stream(_ state: inout Tensor) -> Tensor {
    Tensor(output) { y in
      state.mutate { state in
        // Nor is it worth waking another thread for.
        WorkerPool.shared.split(B * H, grain: max(1, (1 << 15) / max(1, T * memory))) { heads in
          stream(heads: heads, 0, T, state, y)
        }
      }
    }
  }

  private func stream(
    heads: Range<Int>, _ start: Int, _ count: Int, _ state: MutableFloats, _ y: MutableFloats
  ) {
    func base(_ operand: Int) -> Floats { Floats(operands[operand].base) }
    func base(_ operand: Int, if isPresent: Bool) -> Floats? { isPresent ? base(operand) : nil }
    let q = base(0), k = base(1), v = base(2), a = base(3, if: removes), b = base(4, if: removes),
      log = base(logIndex, if: hasDecay)
    let bonus = base(operands.count - 1, if: hasBonus)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: K + V) { room in
      guard let room = room.baseAddress else { return }
      for index in heads {
        let (row, h) = (index / H, index % H), key = keyOffset(row, start, h),
          value = valueOffset(row, start, h)
        runnel_matrix_step(
          count, K, V, keyStride, valueStride, logStride, decayHasKeys ? 1 : 0, Int32(lag), q + key, k + key,
          v + value, a.map { $0 + key }, b.map { $0 + key }, log.map { $0 + logOffset(row, start, h) },
          bonus.map { $0 + h * K }, state + index * memory, y + value, room)
      }
    }
  }

  func chunk(_ x: Piece, _ scratch: MatrixScratch) {
    let work = scratch.chunk
    work.load(x.chunk)
    for h in x.units {
      work.enter(h, state: x.memory[h])
      work.read(into: x.y + valueOffset(x.row, x.start, h), state: x.memory[h])
      work.write(into: x.memory[h])
    }
  }

  func gradient(_ x: Piece, _ gradients: ChunkGradients, _ scratch: MatrixScratch) {
    scratch.backward.run(x, gradients)
  }
}

/// What a share works with, made when it is asked for.
final class MatrixScratch {
  private let call: MatrixCall, share: Share, longest: Int

  init(call: MatrixCall, share: Share, longest: Int) {
    (self.call, self.share, self.longest) = (call, share, longest)
  }

  private(set) lazy var chunk = MatrixChunk(call, share, longest: longest)
  private(set) lazy var backward = MatrixBackward(chunk)
}
