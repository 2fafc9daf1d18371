/// `runnel bench train`: a training step, in turn with the peaks of the machine, and where its time goes.

import ArgumentParser
import Runnel

extension BenchCommand {
  struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Forward, backward and update on random tokens.",
      discussion: """
        Its share counts two operations per matrix weight and token forwards and four backwards; recurrences are not \
        counted. With --profile, where the time of all threads goes, in percent of it: computing, waiting for the \
        other threads of the same work, and idle beside one that computes alone.
        Example: runnel bench train --mixer mamba --width 256 --layers 4 --batch 8 --segment 512
        """)
    @OptionGroup var options: BenchModelOptions
    @Option(help: "Lanes side by side.") var batch = 8
    @Option(help: "Tokens per lane.") var segment = 512
    @Option(help: "What products with weights are made in.") var precision = TrainingPrecision.f32
    @Flag(help: "Compute activations twice instead of keeping them.") var recompute = false
    @Flag(help: "Then train as long again and tell the time of each operation.") var profile = false

    func validate() throws { try requirePositive(batch: batch, segment: segment) }
    func run() throws { try run(options.open().trainable()) }

    private func run(_ model: LanguageModel) throws {
      var trainer = try TrainerBench(model, batch: batch, precision: precision, recomputes: recompute)
      let ids = model.randomIds(batch * segment + 1)
      let inputs = Array(ids.dropLast()), targets = Array(ids.dropFirst())
      let times = try productsInTurn(
        options.seconds, operations: 6 * model.weightsPerToken * batch * segment
      ) { try trainer.step(inputs, targets: targets) }
      let profile = try profile ? profiled { try trainer.step(inputs, targets: targets) } : nil
      let result = TrainMeasurement(
        mixer: model.mixerName, parameters: model.parameterCount, threads: WorkerPool.shared.threads,
        batch: batch, segment: segment, tokens_per_second: Double(batch * segment) / times.median,
        share_of_peak: times.shareOfPeak, share_of_sgemm: times.shareOfSgemm, profile: profile)
      if options.output.json { return try Output.json(Joined(first: result, second: times.peaks)) }
      Output.line(result.sentence)
      Output.line(times.sentence)
      profile?.print()
    }

    private func profiled(_ step: () throws -> Void) throws -> ProfileReport {
      let clock = ContinuousClock()
      var steps = 0
      let profile = try Profiler.profile {
        let begin = clock.now
        repeat {
          try step()
          steps += 1
        } while (clock.now - begin) / .seconds(1) < options.seconds || steps < 3
      }
      return ProfileReport(profile, steps: steps)
    }
  }
}

private struct TrainMeasurement: Encodable {
  var benchmark = "train"
  var mixer: String
  var parameters, threads, batch, segment: Int
  /// The median over the turns.
  var tokens_per_second: Double
  /// Of the FMA peak, and of OpenBLAS; medians of the turns.
  var share_of_peak, share_of_sgemm: Double
  var profile: ProfileReport?
  var instructions = "\(InstructionSet.current)"

  var sentence: String {
    "\(mixer), \(counted(parameters, "parameter")), \(counted(threads, "thread")), \(instructions), "
      + "\(batch) × \(segment): \(grouped(Int(tokens_per_second))) tokens/s"
  }
}
