/// Folders, streams and a run as earlier versions wrote them, in `Fixtures`; `EarlierVersionWriter` says what they are.

import Foundation
import RunnelCheckpoints
import RunnelCorpora
import RunnelModels
import RunnelReference
import RunnelStreaming
import RunnelTensors
import RunnelTraining
import Testing

/// Where the files of a version lie.
struct EarlierVersion {
  let folder: String
  static let zero = EarlierVersion(folder: "Version0")

  init(folder name: String) {
    folder =
      URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Fixtures/" + name).path
  }

  func model(_ name: String) -> String { folder + "/" + name }
  func state(_ name: String) -> String { folder + "/" + name + ".state" }
  func answers(_ name: String) -> String { folder + "/" + name + Self.answersSuffix }
  var run: String { folder + "/run" }
  var corpus: String { folder + "/run.tokens.zst" }
  var runEnd: String { folder + "/run.end.json" }
  static let answersSuffix = ".answers.safetensors"

  /// The models.
  var names: [String] {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return files.filter { $0.hasSuffix(Self.answersSuffix) }.map {
      String($0.dropLast(Self.answersSuffix.count))
    }.sorted()
  }

  /// What a model of that version said.
  struct Answers {
    let ids, next: [Int32]
    /// The token that the sampler draws first from the saved stream's own scores.
    let drawn: Int32
    /// [T V] of `ids`; [T' V] of `next` behind the saved stream.
    let step, mix, afterState: Tensor
    /// As `mix`, by the numbers that packed weights stand for; only where vectors are quantised.
    let numbers: Tensor?
  }

  /// What a run came to.
  struct RunEnd: Codable {
    let steps: Int
    let loss, validationLoss: Double
  }
}

extension EarlierVersion.Answers {
  init(_ path: String) throws {
    let file = try SafetensorsFile(path)
    func tokens(_ name: String) throws -> [Int32] { try file.integers(name).map(Int32.init) }
    (ids, next) = (try tokens("ids"), try tokens("next"))
    drawn = try #require(try tokens("drawn").first)
    (step, mix) = (try file.tensor("step"), try file.tensor("mix"))
    afterState = try file.tensor("after_state")
    numbers = file.contains("numbers") ? try file.tensor("numbers") : nil
  }
}

/// The logits [T V] that a stream gives token by token.
func steppedLogits(_ session: inout Session, _ ids: [Int32]) throws -> Tensor {
  var rows: [Float] = []
  for id in ids {
    try session.feed(CollectionOfOne(id))
    rows += session.logits?.scalars ?? []
  }
  return Tensor(rows, [ids.count, session.model.vocabularySize])
}

func mixedLogits(_ model: some LanguageFunction, _ ids: [Int32]) -> Tensor {
  var state = model.initialState(batch: 1)
  return model.logits(ids, batch: 1, form: .mix, state: &state).reshaped([ids.count, model.vocabularySize])
}

@Suite("what earlier versions wrote")
struct EarlierVersionTests {
  static let zero = EarlierVersion.zero

  @Test(
    "Folders written by version 0 load and give the same logits and continue the same state",
    arguments: zero.names)
  func folders(name: String) throws {
    let answers = try EarlierVersion.Answers(Self.zero.answers(name))
    let model = try ModelFolder.load(Self.zero.model(name))
    // A product with int8 or int4 quantises its vectors, and the last bit of a number may move one of them to the next
    // integer: not more than quantising all of them has moved the logits.
    let tolerance = answers.numbers.map { relativeError(answers.mix, $0) } ?? 1e-5
    if let numbers = answers.numbers {
      #expect(relativeError(mixedLogits(model.trainable(), answers.ids), numbers) <= 1e-5)
      #expect(tolerance < 0.1)
    }
    #expect(relativeError(mixedLogits(model, answers.ids), answers.mix) <= tolerance)
    var fresh = Session(model, sampler: Sampler(seed: 0))
    #expect(try relativeError(steppedLogits(&fresh, answers.ids), answers.step) <= tolerance)

    var notes: [String] = []
    var (session, pending) = try StateFile.load(Self.zero.state(name), into: model) { notes.append($0) }
    #expect(notes.isEmpty && session.position == answers.ids.count && pending == [0xE2, 0x82])
    #expect(session.sampler.recent == answers.ids)
    var sampler = session.sampler
    #expect(sampler.sample(try #require(session.logits)) == answers.drawn)
    #expect(try relativeError(steppedLogits(&session, answers.next), answers.afterState) <= tolerance)
  }

  @Test(
    "a state of version 0 is refused by a model of which one bit is another, packed or not, as is one of today",
    arguments: zero.names)
  func strangers(name: String) throws {
    let path = Self.zero.state(name)
    let mark = Fingerprint(try #require(try SafetensorsFile(path).metadata["fingerprint"]))
    #expect(mark.weights.count <= 16 && mark.configuration != nil)
    let model = try ModelFolder.load(Self.zero.model(name))
    let last = try #require(model.parameters.last).name
    let stranger = model.trainable().replacingParameters { parameter in
      guard parameter.name == last else { return parameter.value }
      var numbers = parameter.value.scalars
      numbers[0] = numbers[0].nextUp
      return Tensor(numbers, parameter.value.shape)
    }
    try withFolder { folder in
      try StateFile.save(try StateFile.load(path, into: model).session, to: folder + "/stream")
      for path in [path, folder + "/stream"] {
        #expect(sentence { _ = try StateFile.load(path, into: stranger) }.contains(": fingerprint: "))
        #expect(try StateFile.load(path, into: model.trainable()).session.position > 0)
      }
    }
  }

  @Test(
    "of every mixer of version 0 there is a folder",
    arguments: [
      "hippo-legs", "s4", "s4d", "s5", "lru", "rg-lru", "h3", "mamba", "mamba2", "retnet", "linear-attention",
      "gla", "flash", "deltanet", "gated-deltanet", "hgrn2", "mlstm", "mingru", "rwkv4", "rwkv5", "rwkv6",
      "rwkv7", "attention", "mamba-attention",
    ])
  func mixers(name: String) throws {
    #expect(Self.zero.names.contains(name))
    let model = try ModelFolder.load(Self.zero.model(name))
    #expect(model.mixerName == (name == "mamba-attention" ? "mamba,attention" : name))
  }

  @Test("A run of version 0 goes on to the same losses")
  func run() throws {
    try withFolder { folder in
      let run = folder + "/run"
      try FileManager.default.copyItem(atPath: Self.zero.run, toPath: run)
      let expected = try JSONDecoder().decode(
        EarlierVersion.RunEnd.self, from: Data(bytes(of: Self.zero.runEnd)))
      let record = try RunFolder.record(run)
      #expect(record.steps == 3 && record.mixer == "gla")
      let corpora = CorpusMixture(try Corpus(path: Self.zero.corpus))
      var resumed = TrainingRun(try RunFolder.resume(run, corpora: corpora), folder: run)
      let end = try resumed.run(shouldStop: { false }, report: { _ in })
      #expect(end.steps == expected.steps)
      let (loss, validation) = (try #require(end.loss), try #require(end.validationLoss))
      #expect(abs(loss - expected.loss) <= 1e-5 * expected.loss)
      #expect(abs(validation - expected.validationLoss) <= 1e-5 * expected.validationLoss)
      // The lines of the log that were there stay, in front of those that come.
      let lines = try String(contentsOfFile: run + "/metrics.jsonl", encoding: .utf8)
      #expect(lines.hasPrefix(try String(contentsOfFile: Self.zero.run + "/metrics.jsonl", encoding: .utf8)))
    }
  }
}
