/// Training whose products are made in bf16.

import RunnelCorpora
import RunnelKernels
import RunnelMixers
import RunnelModels
import RunnelRecurrences
import RunnelReference
import RunnelTensors
import Testing

@testable import RunnelTraining

@Suite("training in bf16", .enabled(if: Gemm.hasBF16, "this machine multiplies nothing in bf16"))
struct TrainingPrecisionTests {
  /// Loss and gradients of one segment.
  private func gradient(_ model: LanguageModel, _ precision: ProductPrecision) -> (loss: Float, all: [Double])
  {
    let ids = (0..<3 * 21).map { Int32($0 * 7 % model.vocabularySize) }
    var leaves: [Tensor] = []
    let tracked = model.replacingParameters { parameter in
      leaves.append(parameter.value.tracked())
      return leaves[leaves.count - 1]
    }.multiplying(in: precision)
    var state = model.initialState(batch: 3)
    let loss = tracked.loss(
      ids, targets: ids.map { ($0 + 1) % Int32(model.vocabularySize) }, batch: 3, resets: .none, state: &state
    ).mean
    return (loss.scalar, gradients(of: loss, for: leaves).flatMap(\.doubles))
  }

  @Test("products are rounded to bf16, and nothing else is", arguments: Registry.names)
  func near(name: String) throws {
    let model = try LanguageModel(
      ModelConfiguration(try Registry.pattern(name), vocabularySize: 64, width: 32, layers: 2), seed: 3)
    let single = gradient(model, .f32), half = gradient(model, .bf16)
    #expect(abs(single.loss - half.loss) < 0.01 * abs(single.loss))
    // A rounding is up to 2^-9 of a number, and a norm of a head's first, small outputs magnifies it.
    let cosine =
      dot(half.all, single.all) / (dot(half.all, half.all) * dot(single.all, single.all)).squareRoot()
    #expect(half.all != single.all && cosine > 0.99, "\(cosine)")
  }

  @Test("weights are single precision, learn as in f32, and a resumed run has the bits of the whole one")
  func learns() throws {
    let folder = try TemporaryFolder()
    let corpora = try CorpusMixture([
      (try makeCorpus(chains([3000, 900], vocabulary: 32, seed: 1), vocabulary: 32, in: folder.path), 1)
    ])
    func run(_ precision: TrainingPrecision, _ name: String, cut: Int? = nil) throws -> Double {
      var settings = TrainingSettings()
      (settings.batch, settings.segment, settings.budget) = (3, 24, .steps(150))
      (settings.precision, settings.learningRate) = (precision, 0.02)
      let sampler = try SegmentSampler(
        corpora, strategy: .lanes, lanes: 3, length: 24, seed: settings.seed)
      let model = try LanguageModel(.init(MinGRU.self, vocabularySize: 32, width: 32, layers: 2), seed: 1)
      var run = TrainingRun(
        Trainer(model, settings: settings, sampler: sampler), folder: folder.path + "/" + name)
      nonisolated(unsafe) var steps = 0
      let summary = try run.run(shouldStop: { cut.map { steps >= $0 } ?? false }, report: { _ in steps += 1 })
      return try #require(summary.loss)
    }
    let (single, half) = (try run(.f32, "f32"), try run(.bf16, "bf16"))
    #expect(half < 0.9 * 3.4657 && abs(single - half) < 0.02 * single, "\(single) \(half)")

    _ = try run(.bf16, "cut", cut: 23)
    #expect(try RunFolder.record(folder.path + "/cut").settings.precision == .bf16)
    var resumed = TrainingRun(
      try RunFolder.resume(folder.path + "/cut", corpora: corpora), folder: folder.path + "/cut")
    _ = try resumed.run()
    let whole = try Checkpoint(folder.path + "/bf16").resume(corpora: corpora)
    #expect(resumed.trainer.model.fingerprint == whole.model.fingerprint)
    // Steps far below the distance of two numbers of bf16 are kept.
    let rounded = resumed.trainer.model.parameters.flatMap(\.value.scalars).count {
      $0.bitPattern & 0xffff == 0
    }
    #expect(rounded < resumed.trainer.model.parameterCount / 10)
  }
}
