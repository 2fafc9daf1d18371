// The text of `corpus synth stories`: generated stories without end.

import RunnelCorpora

/// Seeded short stories in simple English, 60 to 160 words, each ending in a blank line.
///
///     var stories = Stories(seed: 7)
///     print(stories.next())
///
/// One of fourteen plots is told with words that are drawn once per story and recur where they
/// must: what was left under the bench is found under the bench, and two coins and three are five.
/// The stories of a seed are the same on every platform.
public struct Stories: Sendable {
  private var teller: StoryTeller
  /// Bytes told so far.
  public private(set) var bytes = 0
  private static let grammar = storyGrammar()
  private static let plot = grammar.rule("story")
  static let words = 60...160

  /// The stories of a seed, from the first one.
  public init(seed: UInt64) {
    teller = StoryTeller(Self.grammar, seed: seed)
  }

  /// The next story; ASCII, ending in "\n\n".
  public mutating func next() -> String {
    var story: [UInt8] = []
    append(to: &story)
    return String(decoding: story, as: UTF8.self)
  }

  /// Appends the next story to `output`.
  package mutating func append(to output: inout [UInt8]) {
    let start = output.count
    let spent = teller.entropy
    repeat {
      output.removeLast(output.count - start)
      teller.entropy = spent
      teller.tell(Self.plot, into: &output)
    } while !Self.words.contains(output[start...].count { $0 == 0x20 } + 1)
    output.append(contentsOf: "\n\n".utf8)
    bytes += output.count - start
  }

  /// An upper bound on the loss that the best model reaches on the stories so far, in nats per
  /// byte: the logarithm of the number of ways in which all choices of the grammar might have gone,
  /// per byte. It is a bound because different choices may lead to the same text, and because
  /// a telling outside 60 to 160 words is thrown away, which leaves fewer ways to go.
  public var bestLoss: Double { bytes == 0 ? 0 : teller.entropy / Double(bytes) }

  /// Writes a corpus of stories, at least `bytes` bytes long, each story a document.
  ///
  /// - Parameter progress: called now and then with the bytes told so far.
  /// - Returns: the header as written; its task records the seed and `bestLoss`.
  /// - Throws: `CorpusError` when the file cannot be written.
  @discardableResult
  public static func write(
    to path: String, bytes: Int, seed: UInt64, validation: ValidationSplit = .tailOfDocuments(0.1),
    level: Int = 3, progress: (Int) -> Void = { _ in }
  ) throws -> CorpusHeader {
    guard bytes > 0 else { throw CorpusError(path, "\(bytes) bytes of stories are none") }
    var stories = Stories(seed: seed)
    var writer = try CorpusWriter(path: path, level: level)
    var story: [UInt8] = []
    var told = 0
    while stories.bytes < bytes {
      story.removeAll(keepingCapacity: true)
      stories.append(to: &story)
      writer.beginDocument()
      try story.withUnsafeBytes { try writer.append(bytes: $0) }
      told += 1
      if told % 4096 == 0 { progress(stories.bytes) }
    }
    let task = CorpusHeader.Task(
      name: "stories", seed: seed, bestLoss: stories.bestLoss,
      note: "best_loss: nats per byte spent on the grammar's choices, an upper bound on the "
        + "loss of the best model",
      settings: ["bytes": Double(bytes)])
    return try writer.finish(validation: validation, task: task)
  }
}
