/// `runnel bench data`: what share of training is waiting for data.

import ArgumentParser
import Runnel

extension BenchCommand {
  struct Data: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "The share of training steps that waits for data, made ahead and made when it is asked for.",
      discussion: "Example: runnel bench data stories.tokens.zst --mixer mamba --batch 8 --segment 512")
    @Argument(help: ArgumentHelp("A corpus, or several as in a:0.7,b:0.3.", valueName: "corpus")) var corpus:
      String
    @Option(help: "The architecture.") var mixer: MixerName
    @Option(help: "D, the width.") var width = 128
    @Option(help: "The number of layers.") var layers = 5
    @Option(help: "Lanes side by side.") var batch = 8
    @Option(help: "Tokens per lane.") var segment = 512
    @Option(help: "What a lane reads: lanes, segments or documents.") var sample = SamplingStrategy.lanes
    @Option(help: "Steps to measure, each way.") var steps = 100
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var output: OutputOptions

    private struct Result: Encodable {
      let benchmark = "data"
      let mixer, sample: String
      let threads, batch, segment, steps: Int
      /// Seconds a step, and the shares of them that it waited.
      let seconds_per_step, wait_share, wait_share_without_prefetch: Double
      let longest_wait_seconds: Double
    }

    func validate() throws {
      for (name, value) in [
        ("width", width), ("layers", layers), ("batch", batch), ("segment", segment), ("steps", steps),
      ] where !(1...1 << 24).contains(value) {
        throw ValidationError("--\(name) is \(value); it must lie between 1 and \(1 << 24)")
      }
    }

    func run() throws {
      compute.apply()
      let corpora = try CorpusMixture(named: corpus)
      let model = try LanguageModel(
        ModelConfiguration(
          mixer.pattern, vocabularySize: corpora.parts[0].corpus.header.vocabularySize, width: width,
          layers: layers), seed: 1)
      var settings = TrainingSettings()
      (settings.batch, settings.segment, settings.sampling) = (batch, segment, sample)
      settings.budget = .steps(2 * steps)
      func sampler(_ corpora: CorpusMixture) throws -> SegmentSampler {
        try SegmentSampler(corpora, strategy: sample, lanes: batch, length: segment, seed: 1)
      }
      var ahead = try Timed(Trainer(model, settings: settings, sampler: sampler(corpora)))
      // Opened anew: the frames that one has decoded must not serve the other.
      var plain = try Timed(
        Trainer(
          model, settings: settings, sampler: sampler(CorpusMixture(named: corpus)), prefetches: false))
      // Turn about, so that both meet the same moods of the machine.
      for _ in 0..<steps {
        try ahead.step()
        try plain.step()
      }
      let result = Result(
        mixer: model.mixerName, sample: sample.rawValue, threads: WorkerPool.shared.threads, batch: batch,
        segment: segment, steps: steps, seconds_per_step: ahead.seconds / Double(steps),
        wait_share: ahead.waited / ahead.seconds, wait_share_without_prefetch: plain.waited / plain.seconds,
        longest_wait_seconds: ahead.longest)
      if output.json { return try Output.json(result) }
      Output.line(
        "\(result.mixer), \(sample.rawValue) of \(batch) × \(segment): a step takes "
          + "\(milliseconds(result.seconds_per_step)) and waits \(percent(result.wait_share)) of it for data "
          + "(at most \(milliseconds(ahead.longest))); \(percent(result.wait_share_without_prefetch)) without prefetching"
      )
    }

    private func percent(_ share: Double) -> String { "\((share * 1e5).rounded() / 1e3) %" }
    private func milliseconds(_ seconds: Double) -> String { "\((seconds * 1e5).rounded() / 100) ms" }
  }

  /// A trainer and the time of its steps, after two that warm it up.
  private struct Timed {
    private var trainer: Trainer
    private(set) var seconds = 0.0
    private(set) var waited = 0.0
    private(set) var longest = 0.0

    init(_ trainer: Trainer) throws {
      self.trainer = trainer
      for _ in 0..<2 { _ = try self.trainer.step() }
    }

    mutating func step() throws {
      let start = ContinuousClock.now
      let report = try trainer.step()
      seconds += (ContinuousClock.now - start) / .seconds(1)
      waited += report.secondsWaited
      longest = max(longest, report.secondsWaited)
    }
  }
}
