// Synthetic tasks: documents that a rule writes, and the places in them where the rule decides.

/// A task whose documents ask a model for tokens that it can know.
///
///     let task = InductionHeads()
///     var generator = SplitMix64(seed: 1)
///     let document = task.document(using: &generator)
///     let asked = task.answers(in: document)   // one place: the end
///
/// A document is the question and its answer in one sequence of token ids, as a language model
/// reads it. Which tokens are *asked*, that is scored and by default trained on, follows from the
/// document and the settings alone, so that a corpus stores only the settings. Every asked token
/// is decided by the tokens before it: the best accuracy is 1 and the best loss 0.
public protocol SyntheticTask: Sendable, Equatable {
  /// As on the command line.
  static var name: String { get }
  /// What is asked, in a sentence.
  static var summary: String { get }
  /// The paper, and the place in it.
  static var source: String { get }
  /// Every setting once; they stand by these names in a corpus's header.
  static var settings: [TaskSetting<Self>] { get }

  /// The default settings.
  init()

  /// Throws where the settings, each in its range, do not fit together.
  func validate() throws(TaskError)

  /// Token ids are below it.
  var vocabularySize: Int { get }

  /// The next document of a generator, in O(length) memory.
  func document(using generator: inout some RandomNumberGenerator) -> [Int32]

  /// Whether a document of `count` tokens asks for its token number `index`, at least 1, which is
  /// `token` and follows `previous`. Of constant cost, so that streams of any length are scored.
  func asks(for token: Int32, at index: Int, of count: Int, after previous: Int32) -> Bool

  /// The number of tokens among which an answer lies: guessing is right once in so many times.
  var answerChoices: Int { get }

  /// A token as people read it, without spaces.
  func symbol(for token: Int32) -> String
}

extension SyntheticTask {
  /// The places of the tokens that `document` asks for, ascending.
  public func answers(in document: [Int32]) -> [Int] {
    document.indices.dropFirst().filter {
      asks(for: document[$0], at: $0, of: document.count, after: document[$0 - 1])
    }
  }

  /// The settings as a corpus's header has them.
  public var recordedSettings: [String: Double] {
    Dictionary(
      Self.settings.map { ($0.name, $0.value(of: self)) }, uniquingKeysWith: { first, _ in first })
  }

  /// The task of given settings; those not named keep their defaults.
  ///
  /// - Throws: `TaskError` for a name that the task does not have, a value out of its range, or
  ///   values that do not fit together.
  public init(settings: [String: Double]) throws(TaskError) {
    self.init()
    for (name, value) in settings.sorted(by: { $0.key < $1.key }) {
      guard let setting = Self.settings.first(where: { $0.name == name }) else {
        let own = Self.settings.map(\.name).joined(separator: ", ")
        throw TaskError("\(Self.name) has no setting \(name); it has \(own)")
      }
      try setting.set(&self, to: value)
    }
    try validate()
  }
}

/// Settings that make no task; one sentence.
public struct TaskError: Error, Equatable, CustomStringConvertible {
  public let description: String
  /// An error of this sentence.
  public init(_ description: String) { self.description = description }
}

/// A number that a task can be given.
public struct TaskSetting<Task>: Sendable {
  /// In snake_case.
  public let name: String
  /// What it is, in a few words.
  public let meaning: String
  /// The values that it may have, both ends included.
  public let range: ClosedRange<Double>
  private let isWhole: Bool
  private let get: @Sendable (Task) -> Double
  private let put: @Sendable (inout Task, Double) -> Void

  init(
    _ name: String, _ path: any WritableKeyPath<Task, Int> & Sendable, in range: ClosedRange<Int>,
    _ meaning: String
  ) {
    (self.name, self.meaning, isWhole) = (name, meaning, true)
    self.range = Double(range.lowerBound)...Double(range.upperBound)
    get = { Double($0[keyPath: path]) }
    put = { $0[keyPath: path] = Int($1) }
  }

  init(
    _ name: String, _ path: any WritableKeyPath<Task, Double> & Sendable,
    in range: ClosedRange<Double>, _ meaning: String
  ) {
    (self.name, self.meaning, isWhole, self.range) = (name, meaning, false, range)
    get = { $0[keyPath: path] }
    put = { $0[keyPath: path] = $1 }
  }

  func value(of task: Task) -> Double { get(task) }

  func set(_ task: inout Task, to value: Double) throws(TaskError) {
    guard range.contains(value), !isWhole || value.rounded() == value else {
      let kind = isWhole ? "a whole number" : "a number"
      throw TaskError(
        "\(name) is \(shown(value)); it must be \(kind) in \(shown(range.lowerBound))...\(shown(range.upperBound))"
      )
    }
    put(&task, value)
  }

  private func shown(_ value: Double) -> String {
    Int(exactly: value).map(String.init) ?? "\(value)"
  }
}

/// The longest document that a task writes.
let longestDocument = 1 << 26

extension RandomNumberGenerator {
  /// A number in 0 ..< `bound` (positive); the bias is below bound / 2⁶⁴. Unlike the standard
  /// library's, the same for the same generator in every version.
  mutating func draw(below bound: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// A length in `shortest` ... `longest`, each equally likely; `longest` where `shortest` is 0.
  mutating func drawLength(from shortest: Int, to longest: Int) -> Int {
    shortest == 0 ? longest : shortest + draw(below: longest - shortest + 1)
  }

  /// `count` of 0 ..< `bound`, no two equal, ascending: each set equally likely (Floyd's method).
  mutating func drawSet(of count: Int, below bound: Int) -> [Int] {
    var chosen = Set<Int>(minimumCapacity: count)
    for top in bound - count..<bound where !chosen.insert(draw(below: top + 1)).inserted {
      chosen.insert(top)
    }
    return chosen.sorted()
  }

  /// `count` of 0 ..< `bound`, no two equal, each sequence equally likely.
  mutating func drawSequence(of count: Int, below bound: Int) -> [Int] {
    var drawn = drawSet(of: count, below: bound)
    for i in stride(from: count - 1, to: 0, by: -1) { drawn.swapAt(i, draw(below: i + 1)) }
    return drawn
  }
}
