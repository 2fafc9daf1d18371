import RunnelCorpora
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@testable import RunnelTraining

@Suite("answers: only what a task asks for is learnt and scored")
struct AnswerTests {
  /// A model that looks at nothing but the last token: an opening bracket of kind i is answered by the closing one of
  /// kind `answer(i)`, with a logit of 8 over zeros.
  private func bracketModel(kinds: Int, answer: (Int) -> Int) throws -> LanguageModel {
    let (v, d) = (2 * kinds, 2 * kinds)
    let configuration = ModelConfiguration(
      MinGRU.self, vocabularySize: v, width: d, layers: 1, tiesEmbedding: false)
    return try LanguageModel(configuration, seed: 1).replacingParameters { parameter in
      switch parameter.name {
      case "embedding.weight":
        // One-hot, of norm 1 / √D each, which the last norm makes √D.
        let oneHot = (0..<v).flatMap { i in (0..<d).map { Float($0 == i ? 1 : 0) } }
        return Tensor(oneHot, [v, d])
      case "norm.weight": return parameter.value
      case "head.weight":
        let height = 8 / Float(d).squareRoot()
        let rows = (0..<v).flatMap { row in
          (0..<d).map { $0 < kinds && row == kinds + answer($0) ? height : 0 }
        }
        return Tensor(rows, [v, d])
      default: return Tensor(zeros: parameter.value.shape)
      }
    }
  }

  private func brackets(in folder: String, kinds: Int = 4, length: Int = 40) throws -> Corpus {
    let task = try Dyck(settings: ["length": Double(length), "kinds": Double(kinds), "depth": 1])
    try task.write(to: folder + "/b", documents: 30, seed: 3, validation: .tailOfDocuments(0.5))
    return try Corpus(path: folder + "/b")
  }

  @Test("a model that knows every answer scores 1, in every form", arguments: Form.allCases)
  func oracle(form: Form) throws {
    try withFolder { folder in
      let corpus = try brackets(in: folder)
      let model = try bracketModel(kinds: 4) { $0 }
      let result = try scoreAnswers(of: model, on: corpus, range: 0..<corpus.count, form: form)
      #expect(result.score.tokens == 30 * 20 && result.correct == 600)
      #expect(result.documents == 30 && result.correctDocuments == 30 && result.tokensRead == 1200)
      // Softmax of one 8 among seven zeros.
      #expect(abs(result.score.loss - 0.002346) < 1e-4, "\(result.score.loss)")
    }
  }

  @Test("a model that always closes with one kind is right where that kind is asked for, and no more")
  func partly() throws {
    try withFolder { folder in
      let corpus = try brackets(in: folder, kinds: 2, length: 4)
      let model = try bracketModel(kinds: 2) { _ in 1 }
      let range = corpus.range(of: .validation)
      let result = try scoreAnswers(of: model, on: corpus, range: range)
      let tokens = try corpus.read(range)
      let documents = stride(from: 0, to: tokens.count, by: 4).map { tokens[$0..<$0 + 4].count { $0 == 3 } }
      #expect(result.score.tokens == 2 * documents.count)
      #expect(result.correct == documents.reduce(0, +) && (1..<result.score.tokens).contains(result.correct))
      #expect(result.correctDocuments == documents.count { $0 == 2 } && result.correctDocuments > 0)
    }
  }

  @Test("documents of all lengths side by side score as each alone, long ones in pieces")
  func lengths() throws {
    try withFolder { folder in
      let task = try ModularArithmetic(settings: ["terms": 700])
      try task.write(to: folder + "/m", documents: 14, seed: 3)
      let corpus = try Corpus(path: folder + "/m")
      let model = try smallModel(Mamba.self, vocabulary: 9, width: 16)
      let together = try scoreAnswers(of: model, on: corpus, range: 0..<corpus.count)
      var alone = AnswerScore()
      for i in 0..<14 {
        let ids = try corpus.read(corpus.documentRange(i))
        var state = model.initialState(batch: 1)
        let targets = [Int32](repeating: -1, count: ids.count - 2) + [ids[ids.count - 1]]
        let loss = model.loss(Array(ids.dropLast()), targets: targets, batch: 1, state: &state)
        alone.score.nats += Double(loss.mean.scalar)
        alone.score.tokens += 1
      }
      #expect(together.score.tokens == 14 && together.documents == 14)
      #expect(abs(together.score.loss - alone.score.loss) < 1e-5)
      let few = try scoreAnswers(of: model, on: corpus, range: 0..<corpus.count, limit: 1)
      #expect(few.documents == 1)
      let cut = try scoreAnswers(of: model, on: corpus, range: 1..<corpus.count - 1)
      #expect(cut.documents == 12)
    }
  }

  @Test("a loss over few targets is that over all with the rest left out, in value and gradient")
  func fewTargets() throws {
    let model = try smallModel(Mamba2.self)
    let ids = tokens(60, below: 64, seed: 4)
    var targets = [Int32](repeating: -1, count: 60)
    for place in [3, 29, 30, 59] { targets[place] = Int32(place) }
    typealias Loss = (LanguageModel, inout ModelState) -> Tensor
    func run(_ model: LanguageModel, _ loss: Loss) -> (Float, [Tensor]) {
      var leaves: [Tensor] = []
      let tracked = model.replacingParameters {
        let leaf = $0.value.tracked()
        leaves.append(leaf)
        return leaf
      }
      var state = tracked.initialState(batch: 2)
      let mean = loss(tracked, &state)
      return (mean.scalar, gradients(of: mean, for: leaves))
    }
    let few = run(model) { $0.loss(ids, targets: targets, batch: 2, state: &$1).mean }
    let all: Loss = { model, state in
      let hidden = model.hidden(ids, batch: 2, form: .mix, resets: .none, state: &state)
      return crossEntropy(model.logits(ofHidden: hidden), targets: targets).mean
    }
    #expect(abs(few.0 - run(model, all).0) < 1e-5)
    expectGradients(few.1, of: model, "few targets") { run($0, all).1 }
    var state = model.initialState(batch: 2)
    let losses = model.loss(ids, targets: targets, batch: 2, state: &state).perToken.scalars
    #expect(losses.indices.filter { losses[$0] != 0 } == [3, 29, 30, 59])
    let none = run(model) {
      $0.loss(ids, targets: [Int32](repeating: -1, count: 60), batch: 2, state: &$1).mean
    }
    #expect(none.0 == 0 && none.1.allSatisfy { $0.scalars.allSatisfy { $0 == 0 } })
  }

  @Test(
    "a run on answers learns an easy task and reports its accuracy; on all targets it does not ask for it")
  func training() throws {
    try withFolder { folder in
      _ = try brackets(in: folder)
      func run(_ targets: TargetChoice, _ name: String) throws -> TrainingSummary {
        let corpus = try Corpus(path: folder + "/b", targets: targets)
        var settings = TrainingSettings()
        (settings.batch, settings.segment, settings.learningRate) = (4, 40, 1e-2)
        (settings.targets, settings.budget, settings.sampling) = (targets, .steps(150), .documents)
        let model = try LanguageModel(
          .init(MinGRU.self, vocabularySize: 8, width: 32, layers: 1), seed: 3)
        let sampler = try SegmentSampler(corpus, strategy: .documents, lanes: 4, length: 40)
        let trainer = Trainer(model, settings: settings, sampler: sampler)
        var run = TrainingRun(trainer, folder: folder + "/" + name)
        return try run.run(shouldStop: { false }, report: { _ in })
      }
      let answers = try run(.answers, "answers")
      #expect(answers.validationAccuracy == 1 && answers.validationDocumentAccuracy == 1)
      #expect((answers.loss ?? 9) < 1 && (answers.validationLoss ?? 9) < 0.2 && answers.bitsPerByte == nil)
      // Opening brackets cannot be known: log 4 nats at every other place.
      let all = try run(.all, "all")
      #expect(all.validationAccuracy == nil && (all.validationLoss ?? 0) > 0.5)
      #expect(try RunFolder.record(folder + "/all").settings.targets == .all)
    }
  }

  @Test("a corpus of no task is refused") func noTask() throws {
    try withFolder { folder in
      let corpus = try makeCorpus([[1, 2, 3, 4]], vocabulary: 8, in: folder)
      let model = try smallModel(MinGRU.self, vocabulary: 8, width: 16)
      #expect(
        sentence { _ = try scoreAnswers(of: model, on: corpus, range: 0..<4) }.contains("no task"))
    }
  }
}
