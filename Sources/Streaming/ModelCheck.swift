/// The proof of a model: every form against the fold of its step, with figures.

import Foundation
import RunnelCheckpoints
import RunnelModels
import RunnelRecurrences
import RunnelTensors

/// One law and what was measured.
public struct CheckResult: Codable, Sendable {
  public let law: String
  /// Relative L2 error of logits, or of states.
  public let maxRelativeError: Double
  public let tolerance: Double
  public var passed: Bool { maxRelativeError <= tolerance }

  enum CodingKeys: String, CodingKey {
    case law, tolerance, passed
    case maxRelativeError = "max_relative_error"
  }
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(law, forKey: .law)
    // Null where it is infinite: JSON has no such number.
    try container.encode(maxRelativeError.isFinite ? maxRelativeError : nil, forKey: .maxRelativeError)
    try container.encode(tolerance, forKey: .tolerance)
    try container.encode(passed, forKey: .passed)
  }
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    law = try container.decode(String.self, forKey: .law)
    maxRelativeError = try container.decodeIfPresent(Double.self, forKey: .maxRelativeError) ?? .infinity
    tolerance = try container.decode(Double.self, forKey: .tolerance)
  }
  init(_ law: String, _ error: Double, tolerance: Double = 1e-4) {
    self.law = law
    maxRelativeError = error
    self.tolerance = tolerance
  }
}

public struct ModelCheck: Sendable {
  /// Of a model in int8 or int4, what its weights stand for: its products round what they multiply, which turns
  /// differences of a last bit into steps of 1/127, so its forms agree to that alone (`roundedForms`).
  let model: StreamingModel
  private let packed: StreamingModel?
  let original: LanguageModel
  let ids: [Int32]
  let seed: UInt64

  /// - Parameter tokens: how many random tokens the forms are compared on.
  public init(_ model: some LanguageFunction, tokens: Int, seed: UInt64) {
    precondition(tokens >= 16, "ModelCheck: \(tokens) tokens are too few to change form in; at least 16")
    let given = model.stream(packing: false)
    packed = given.packing?.isQuantised == true ? given.stream() : nil
    original = given.trainable()
    self.model = packed == nil ? given.stream() : original.stream()
    self.seed = seed
    var generator = SeededGenerator(seed: seed)
    let vocabulary = model.vocabularySize
    ids = (0..<tokens).map { _ in Int32(Int(generator.uniform() * Double(vocabulary))) }
  }

  /// How often `run` begins to measure something.
  public static let parts = 16.0

  /// Measures every law, and tells each as soon as it is known.
  ///
  /// - Parameter begin: is told each law before it is measured.
  /// - Throws: `NonFiniteNumbers` where the model's scores are not finite, so that there is nothing to compare.
  public func run(
    begin: (String) -> Void = { _ in }, report: (CheckResult) -> Void = { _ in }
  ) throws -> [CheckResult] {
    var results: [CheckResult] = []
    func add(_ law: String, _ error: @autoclosure () throws -> Double, tolerance: Double = 1e-4) rethrows {
      begin(law)
      let result = CheckResult(law, try error(), tolerance: tolerance)
      results.append(result)
      report(result)
    }
    begin("the fold of step")
    let scan = fold(ids)
    guard scan.logits.isFinite else {
      throw model.nonFinite(
        ids, batch: 1, form: .step, state: model.initialState(batch: 1), seen: scan.logits)
    }
    for form in [Form.mix, .parallel] {
      let (logits, state) = whole(ids, form)
      add("\(form.rawValue) is the fold of step: logits", error(logits, scan.logits))
      add("\(form.rawValue) is the fold of step: final state", error(state, scan.state))
    }
    let mixed = changingForm()
    add("the form may change at any token: logits", error(mixed.logits, scan.logits))
    add("the form may change at any token: final state", error(mixed.state, scan.state))
    add("a stream is the model", trained(scan.logits))
    try add("a saved state goes on bit for bit", try savedState(), tolerance: 0)
    for form in Form.allCases {
      add("a packed document is the document alone, \(form.rawValue)", packed(form))
    }
    for form in [Form.mix, .parallel] {
      add("the document before a reset does not matter, \(form.rawValue)", isolation(form), tolerance: 0)
    }
    add("a row in company is the row alone", company())
    add("a token in company is the token alone, bit for bit", tokenInCompany(), tolerance: 0)
    return results
  }

  /// How far apart a model in int8 or int4 leaves `mix` and `step`: relative L2 of the logits; nil for others.
  public func roundedForms() -> Double? {
    guard let packed else { return nil }
    var states = (packed.initialState(batch: 1), packed.initialState(batch: 1))
    let mixed = packed.logits(ids, batch: 1, form: .mix, state: &states.0)
    let stepped = ids.flatMap { packed.step([$0], state: &states.1).scalars }
    return relativeDifference(mixed.scalars, stepped)
  }

  private func whole(
    _ ids: [Int32], _ form: Form, resets: Resets = .none, batch: Int = 1
  ) -> (logits: Tensor, state: ModelState) {
    var state = model.initialState(batch: batch)
    let logits = model.logits(ids, batch: batch, form: form, resets: resets, state: &state)
    return (logits, state)
  }

  private func fold(_ ids: [Int32]) -> (logits: Tensor, state: ModelState) {
    var state = model.initialState(batch: 1)
    var values: [Float] = []
    for id in ids { values += model.step([id], state: &state).scalars }
    return (Tensor(values, [1, ids.count, model.vocabularySize]), state)
  }

  private func changingForm() -> (logits: Tensor, state: ModelState) {
    var generator = SeededGenerator(seed: seed &+ 1)
    var state = model.initialState(batch: 1)
    var values: [Float] = []
    var rest = ids[...]
    while !rest.isEmpty {
      let length = min(
        rest.count, 1 + Int(generator.uniform() * generator.uniform() * Double(max(2, ids.count / 8))))
      let form = Form.allCases[Int(generator.uniform() * 3)]
      values += model.logits(Array(rest.prefix(length)), batch: 1, form: form, state: &state).scalars
      rest = rest.dropFirst(length)
    }
    return (Tensor(values, [1, ids.count, model.vocabularySize]), state)
  }

  private func trained(_ expected: Tensor) -> Double {
    let count = min(ids.count, 256)
    var state = original.initialState(batch: 1)
    let logits = original.logits(Array(ids.prefix(count)), batch: 1, form: .step, state: &state)
    return error(logits, expected.reshaped([ids.count, model.vocabularySize]).rows(0..<count))
  }

  private func savedState() throws -> Double {
    let path = FileManager.default.temporaryDirectory.path + "/runnel-check-\(UUID().uuidString).state"
    defer { try? FileManager.default.removeItem(atPath: path) }
    var session = Session(model, sampler: Sampler(seed: seed))
    session.read(ids.prefix(ids.count / 2))
    try StateFile.save(session, to: path)
    var (loaded, _) = try StateFile.load(path, into: model)
    var worst = 0.0
    for _ in 0..<8 {
      let (a, b) = (try session.next(), try loaded.next())
      guard a == b, let x = session.logits, let y = loaded.logits else { return .infinity }
      if x.scalars != y.scalars { worst = max(worst, error(x, y), .leastNonzeroMagnitude) }
    }
    return worst
  }

  /// Two documents in one segment against the second alone.
  private func packed(_ form: Form) -> Double {
    let count = min(ids.count, 257), start = count / 3
    let document = Array(ids[start..<count])
    let together = whole(Array(ids.prefix(count)), form, resets: Resets(rows: [[start]]))
    let alone = whole(document, form)
    let part = together.logits.reshaped([count, model.vocabularySize]).rows(start..<count)
    return max(error(part, alone.logits), error(together.state, alone.state))
  }

  /// The same with two different first documents of one length: the second's logits must be the same bits.
  private func isolation(_ form: Form) -> Double {
    let count = min(ids.count, 257), start = count / 3
    let first = Array(ids.prefix(count))
    let other = first.prefix(start).map { ($0 + 1) % Int32(model.vocabularySize) } + first.dropFirst(start)
    let resets = Resets(rows: [[start]])
    let parts = [first, other].map {
      whole($0, form, resets: resets).logits.reshaped([count, model.vocabularySize]).rows(start..<count)
    }
    return parts[0].scalars == parts[1].scalars ? 0 : max(error(parts[0], parts[1]), .leastNonzeroMagnitude)
  }

  private func company() -> Double {
    let count = min(ids.count / 3, 100)
    let rows = (0..<3).map { Array(ids[$0 * count..<($0 + 1) * count]) }
    let together = whole(rows.flatMap { $0 }, .mix, batch: 3).logits
    let middle = together.reshaped([3, count, model.vocabularySize]).rows(1..<2)
    return error(middle, whole(rows[1], .mix).logits)
  }

  /// Three streams a token at a time, side by side and each alone.
  private func tokenInCompany() -> Double {
    let count = min(ids.count / 3, 16)
    let rows = (0..<3).map { Array(ids[$0 * count..<($0 + 1) * count]) }
    var together = model.initialState(batch: 3), alone = rows.map { _ in model.initialState(batch: 1) }
    for t in 0..<count {
      let logits = model.step(rows.map { $0[t] }, state: &together).scalars
      let own = rows.indices.flatMap { model.step([rows[$0][t]], state: &alone[$0]).scalars }
      if logits != own { return max(relativeDifference(logits, own), .leastNonzeroMagnitude) }
    }
    return 0
  }

  private func error(_ a: Tensor, _ b: Tensor) -> Double { relativeDifference(a.scalars, b.scalars) }
  private func error(_ a: ModelState, _ b: ModelState) -> Double {
    relativeDifference(a, b).error
  }
}

/// The largest relative difference among a state's tensors, and which tensor has it; infinite where counters differ.
func relativeDifference(_ a: ModelState, _ b: ModelState) -> (
  error: Double, tensor: String
) {
  for (own, other) in zip(a.counters, b.counters) where own.value != other.value {
    return (.infinity, own.name)
  }
  return zip(a.tensors, b.tensors).map { (relativeDifference($0.value.scalars, $1.value.scalars), $0.name) }
    .max { $0.0 < $1.0 } ?? (0, "")
}

/// ‖a − b‖ / ‖b‖ in Euclidean norm, in Double; infinite where either is not finite.
public func relativeDifference(_ a: [Float], _ b: [Float]) -> Double {
  guard a.count == b.count else { return .infinity }
  var difference = 0.0
  var norm = 0.0
  for (x, y) in zip(a, b) where x != y || !x.isFinite {
    difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
  }
  for y in b { norm += Double(y) * Double(y) }
  guard difference.isFinite, norm.isFinite else { return .infinity }
  return difference == 0 ? 0 : (difference / max(norm, 1e-60)).squareRoot()
}
