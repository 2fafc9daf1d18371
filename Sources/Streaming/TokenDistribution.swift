/// The tokens that a temperature and the cuts leave of logits, and a draw from them in microseconds.
///
/// Most of a vocabulary never matters, so that it is not sorted, nor even all looked at twice: one pass finds the largest
/// logit of every block of 64. What the cuts keep lies above a floor, and only blocks that reach it are opened. A draw finds
/// a block by the sums of the blocks, then the token in it. Top-p needs no list of what it keeps: a token is in the set if
/// those above it do not reach p; one that is not is drawn again, from those above it. The other cuts list
/// tokens, and find the first of an order by partition, not by a sort.

import CKernels
import RunnelTensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

package struct TokenDistribution {
  private let scores: Tensor
  private let blocks: Blocks
  private let top: Float
  /// One over the temperature.
  private let scale: Float
  /// Tokens with lower logits are cut.
  private var floor = -Float.infinity
  /// Nil where the floor says it all.
  private var candidates: [Candidate]?
  /// The weights of each block where it does.
  private var sums: [Float] = []
  private var total = 0.0
  /// A token is kept if the weights above it are less than this.
  private var bound = Double.infinity

  /// A token that may be drawn.
  private struct Candidate {
    let token: Int32
    let logit: Float
    /// exp((logit − top) / temperature).
    let weight: Float
    /// What a cut sorts by, the smallest first.
    var key: Float
  }

  /// The largest logits of the blocks.
  private typealias Blocks = [Float]
  private static let width = Int(RUNNEL_SAMPLING_BLOCK)

  /// - Parameter scores: logits [V], with what is added to them.
  init(_ scores: Tensor, _ settings: SamplingSettings) {
    self.scores = scores
    let count = (scores.count + Self.width - 1) / Self.width
    blocks = Blocks(unsafeUninitializedCapacity: count) { largest, used in
      if let base = largest.baseAddress { runnel_block_maxima(scores.count, scores.base, base) }
      used = count
    }
    top = blocks.max() ?? 0
    scale = Float(min(1 / settings.temperature, Double(Float.greatestFiniteMagnitude)))
    guard settings.temperature > 0 else { return }
    cut(settings)
  }

  /// The first of the largest logits.
  var mostLikely: Int32 {
    guard let block = blocks.firstIndex(of: top) else { return 0 }
    return Int32(range(block).first { scores.base[$0] == top } ?? 0)
  }

  /// Draws a token; what is found out on the way stays.
  mutating func draw(using generator: inout SeededGenerator) -> Int32 {
    while true {
      let token = token(at: generator.uniform())
      guard bound < total else { return token }
      let above = scores.base[Int(token)].nextUp
      let higher = blockSums(above: above), sum = sum(higher)
      if sum < bound { return token }
      (floor, sums, total) = (above, higher, sum)
    }
  }

  /// The token at which the probabilities, summed in a fixed order, pass `share` in [0, 1).
  func token(at share: Double) -> Int32 {
    guard total > 0, total.isFinite else { return mostLikely }
    var left = share * total
    // Rounding may leave a crumb: it falls to the token looked at last, or to the most likely.
    var last = mostLikely
    if let candidates {
      for candidate in candidates {
        last = candidate.token
        left -= Double(candidate.weight)
        if left < 0 { break }
      }
      return last
    }
    for (block, sum) in sums.enumerated() where sum > 0 {
      guard left < Double(sum) else {
        left -= Double(sum)
        continue
      }
      for candidate in open(block) {
        last = candidate.token
        left -= Double(candidate.weight)
        if left < 0 { break }
      }
      return last
    }
    return last
  }

  /// Every token that may be drawn, with its probability, by id.
  package var probabilities: [(token: Int32, probability: Double)] {
    var kept = candidates ?? gathered()
    if bound < total {
      for i in kept.indices { kept[i].key = -kept[i].logit }
      Self.keepFirst(of: &kept, reaching: bound) { Double($0.weight) }
    }
    let total = Self.total(kept)
    return kept.sorted { $0.token < $1.token }.map { ($0.token, Double($0.weight) / total) }
  }
}

// MARK: The cuts

extension TokenDistribution {
  private mutating func cut(_ settings: SamplingSettings) {
    let limitsCount = settings.topK > 0 && settings.topK < scores.count
    let lowest = settings.minP > 0 ? top + Float(log(settings.minP)) / scale : -Float.infinity
    guard limitsCount || settings.typicalP < 1 else {
      if settings.topP < 1 { bound = settings.topP * sum(blockSums(above: floor)) }
      floor = lowest
      sums = blockSums(above: floor)
      total = sum(sums)
      return
    }
    if limitsCount {
      floor = floorOfLargest(settings.topK)
    } else if settings.topP == 1 {
      floor = lowest
    }
    var kept = gathered()
    if limitsCount {
      for i in kept.indices { kept[i].key = -kept[i].logit }
      Self.keepFirst(of: &kept, reaching: Double(settings.topK)) { _ in 1 }
    }
    if settings.topP < 1 {
      for i in kept.indices { kept[i].key = -kept[i].logit }
      Self.keepFirst(of: &kept, reaching: settings.topP * Self.total(kept)) { Double($0.weight) }
    }
    if settings.minP > 0 { kept.removeAll { $0.logit < lowest } }
    if settings.typicalP < 1 {
      let whole = Self.total(kept)
      // H = −Σ q log q for q = weight / whole, log weight = (logit − top) scale.
      let entropy = log(whole) - kept.reduce(0) { $0 + Double($1.weight) * power($1) } / whole
      for i in kept.indices { kept[i].key = Float(abs(log(whole) - power(kept[i]) - entropy)) }
      Self.keepFirst(of: &kept, reaching: settings.typicalP * whole) { Double($0.weight) }
    }
    total = Self.total(kept)
    candidates = kept
  }

  private func power(_ candidate: Candidate) -> Double { Double(candidate.logit - top) * Double(scale) }

  /// At least `count` tokens have this logit or more: as many blocks have such a largest one.
  private func floorOfLargest(_ count: Int) -> Float {
    guard count <= blocks.count else { return -.infinity }
    var largest = blocks
    Self.partition(&largest, reaching: Double(count), { _ in 1 }, precedes: >)
    return largest.prefix(count).min() ?? -.infinity
  }

  /// Keeps the first by key whose measures together reach the target, and those that are equal to the last of them.
  private static func keepFirst(
    of candidates: inout [Candidate], reaching target: Double, _ measure: (Candidate) -> Double
  ) {
    let kept = partition(&candidates, reaching: target, measure) {
      ($0.key, $0.token) < ($1.key, $1.token)
    }
    guard let last = candidates.prefix(kept).map(\.key).max() else { return }
    candidates.removeAll { $0.key > last }
  }

  /// Moves the first elements of a strict order, as many as are needed for their measures to reach the target, to the front, and
  /// counts them: Hoare's selection, where the rank that is looked for is a sum.
  @discardableResult
  private static func partition<Element>(
    _ elements: inout [Element], reaching target: Double, _ measure: (Element) -> Double,
    precedes: (Element, Element) -> Bool
  ) -> Int {
    elements.withUnsafeMutableBufferPointer { elements in
      var left = target
      var low = 0, high = elements.count
      while high - low > 1 {
        // The median of three goes to the end, and then where it belongs.
        let middle = low + (high - low) / 2
        if precedes(elements[middle], elements[low]) { elements.swapAt(middle, low) }
        if precedes(elements[high - 1], elements[low]) { elements.swapAt(high - 1, low) }
        if precedes(elements[middle], elements[high - 1]) { elements.swapAt(middle, high - 1) }
        let pivot = elements[high - 1]
        var place = low, before = 0.0
        for i in low..<high - 1 where precedes(elements[i], pivot) {
          before += measure(elements[i])
          elements.swapAt(place, i)
          place += 1
        }
        elements.swapAt(place, high - 1)
        if before >= left {
          high = place
        } else {
          left -= before + measure(pivot)
          low = place + 1
          if left <= 0 { return low }
        }
      }
      return high
    }
  }

  private static func total(_ candidates: [Candidate]) -> Double {
    candidates.reduce(0) { $0 + Double($1.weight) }
  }
}

// MARK: Blocks

extension TokenDistribution {
  private func range(_ block: Int) -> Range<Int> {
    block * Self.width..<min(scores.count, (block + 1) * Self.width)
  }

  private func blockSums(above floor: Float) -> [Float] {
    [Float](unsafeUninitializedCapacity: blocks.count) { sums, used in
      if let base = sums.baseAddress {
        runnel_block_weights(scores.count, scores.base, blocks, top, scale, floor, base)
      }
      used = blocks.count
    }
  }

  private func sum(_ sums: [Float]) -> Double { sums.reduce(0) { $0 + Double($1) } }

  /// The tokens of a block that may be drawn.
  private func open(_ block: Int) -> [Candidate] {
    var candidates: [Candidate] = []
    open(block, into: &candidates)
    return candidates
  }

  private func open(_ block: Int, into candidates: inout [Candidate]) {
    let range = range(block), logits = scores.base
    withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.width) { weights in
      guard let base = weights.baseAddress else { return }
      _ = runnel_sampling_weights(range.count, logits + range.lowerBound, top, scale, floor, base)
      for (i, token) in range.enumerated() where base[i] > 0 {
        candidates.append(Candidate(token: Int32(token), logit: logits[token], weight: base[i], key: 0))
      }
    }
  }

  /// All tokens from the floor on.
  private func gathered() -> [Candidate] {
    var candidates: [Candidate] = []
    for block in blocks.indices where blocks[block] >= floor { open(block, into: &candidates) }
    return candidates
  }
}
