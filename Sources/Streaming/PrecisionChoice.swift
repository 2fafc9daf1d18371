/// Which weights may be stored coarsely: those whose rounding the model's predictions hardly show.
///
/// Rounding every matrix to int4 costs most models little and some a great deal, through a few matrices with outliers. What
/// it costs is measured as the mean Kullback-Leibler divergence of the next token on a text. Where that is too much, every
/// matrix is rounded alone, and those that cost most for their bytes are kept finer, as few as bring the whole below the
/// limit; in bf16 where int8 is not fine enough either.

import RunnelKernels
import RunnelModels
import RunnelRecurrences
import RunnelTensors

public struct PrecisionChoice: Sendable {
  /// What most matrices are stored as.
  public let element: PackedElement
  /// Matrices that are finer than they would be without a choice, by name.
  public fileprivate(set) var finer: [String: PackedElement] = [:]
  /// Of the model with these, in nats per token of the text.
  public fileprivate(set) var divergence = 0.0

  /// - Parameters:
  ///   - element: what matrices are stored as where they may be.
  ///   - limit: the most divergence, as a share of the model's own loss on the text.
  ///   - ids: of the text, two or more; of these a few hundred are looked at.
  ///   - report: is told what is being measured, and its number of how many.
  /// - Throws: `PackingError` where a weight is not finite, `NonFiniteNumbers` where what the model makes is not.
  public init(
    _ element: PackedElement, for model: some LanguageFunction, limit: Double, on ids: [Int32],
    report: @escaping (_ tensor: String, _ number: Int, _ count: Int) -> Void = { _, _, _ in }
  ) throws {
    precondition(ids.count > 1, "PrecisionChoice: a text of \(ids.count) tokens; two or more are needed")
    self.element = element
    var search = try Search(element, model, limit: limit, ids, report)
    (finer, divergence) = try search.settle()
  }
}

/// Measures a model with weights packed in many ways.
private struct Search {
  private let model: StreamingModel
  private let ids: [Int32]
  private let expected: Tensor
  /// In nats.
  private let limit: Double
  private let report: (String, Int, Int) -> Void
  /// From the coarsest.
  private let levels: [PackedElement]
  /// The matrices that there is a choice for, with their elements.
  private var matrices: [(name: String, count: Int)] = []
  private var delicate: Set<String> = []
  /// Packed weights are made once.
  private var made: [String: [PackedElement: Weight]] = [:]

  init(
    _ element: PackedElement, _ model: some LanguageFunction, limit: Double, _ ids: [Int32],
    _ report: @escaping (String, Int, Int) -> Void
  ) throws {
    self.model = model.trainable().stream(packing: false)
    self.report = report
    let V = model.vocabularySize
    // The scores that the others are compared with are kept: at most 64 MB.
    self.ids = Array(ids.prefix(min(256, max(32, (1 << 24) / V))))
    levels = Array([PackedElement.int4, .int8, .bf16].drop { $0 != element })
    var state = self.model.initialState(batch: 1)
    let before = state
    expected = self.model.logits(self.ids, batch: 1, form: .mix, state: &state)
    guard expected.isFinite else {
      throw self.model.nonFinite(self.ids, batch: 1, form: .mix, state: before, seen: expected)
    }
    let loss = crossEntropy(expected, targets: Array(self.ids.dropFirst()) + [-1]).mean.scalar
    self.limit = limit * Double(loss)
    for place in self.model.entries.map(\.place) where place.layout != nil {
      if place.traits.isDelicate {
        delicate.insert(place.name)
      } else {
        matrices.append((place.name, place.shape.elements))
      }
    }
  }

  /// From the finest pair of levels to the coarsest: what must not be as coarse as the next level is taken out first.
  mutating func settle() throws -> (finer: [String: PackedElement], divergence: Double) {
    guard let coarsest = levels.first else { return ([:], 0) }
    var finer: [String: PackedElement] = [:]
    func all(_ element: PackedElement) -> [String: PackedElement] {
      Dictionary(uniqueKeysWithValues: matrices.map { ($0.name, finer[$0.name] ?? element) })
    }
    var divergence = try measure(all(coarsest))
    guard divergence > limit else { return ([:], divergence) }
    for (coarse, fine) in zip(levels, levels.dropFirst()).reversed() {
      divergence = try measure(all(coarse))
      guard divergence > limit else { continue }
      let order = try ranked(matrices.filter { finer[$0.name] == nil }, at: coarse)
      // The fewest of them, in this order, that bring the whole below the limit.
      var (low, high) = (0, order.count)
      func raised(_ count: Int) -> [String: PackedElement] {
        all(coarse).merging(order.prefix(count).map { ($0, fine) }) { $1 }
      }
      while low + 1 < high {
        let middle = (low + high) / 2
        if try measure(raised(middle)) > limit { low = middle } else { high = middle }
      }
      for name in order.prefix(high) { finer[name] = fine }
      divergence = try measure(all(coarse))
    }
    return (finer, divergence)
  }

  /// By what a matrix costs alone for the bytes that it saves, the dearest first.
  private mutating func ranked(
    _ candidates: [(name: String, count: Int)], at element: PackedElement
  ) throws -> [String] {
    var costs: [(name: String, cost: Double)] = []
    for (i, matrix) in candidates.enumerated() {
      report(matrix.name, i + 1, candidates.count)
      costs.append((matrix.name, try measure([matrix.name: element], isWhole: false) / Double(matrix.count)))
    }
    return costs.sorted { ($0.cost, $0.name) > ($1.cost, $1.name) }.map(\.name)
  }

  /// The divergence of the model with these weights packed so.
  ///
  /// - Parameter isWhole: whether those that are delicate are in bf16, as in the result.
  private mutating func measure(
    _ elements: [String: PackedElement], isWhole: Bool = true
  ) throws -> Double {
    var entries = model.entries
    for i in entries.indices {
      let name = entries[i].place.name
      guard case .weight(let weight) = entries[i].stored,
        let element = elements[name] ?? (isWhole && delicate.contains(name) ? .bf16 : nil)
      else { continue }
      let packed = try made[name]?[element] ?? weight.packed(as: element, name: name)
      made[name, default: [:]][element] = packed
      entries[i].stored = .weight(packed)
    }
    let copy = StreamingModel(model.configuration, entries)
    var state = copy.initialState(batch: 1)
    let logits = copy.logits(ids, batch: 1, form: .mix, state: &state)
    guard logits.isFinite else { return .infinity }
    let sum = ids.indices.reduce(0) { $0 + klDivergence(expected, logits, row: $1, of: model.vocabularySize) }
    return sum / Double(ids.count)
  }
}
