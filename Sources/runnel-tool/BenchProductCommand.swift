import ArgumentParser
import Foundation
import Runnel

extension BenchCommand {
  struct Product: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Products with packed weights, of one token and of a prompt.",
      discussion: """
        All matrices of a Mamba of the given shape, with random weights: what a token reads, against the speed of \
        reading as many bytes; what a prompt multiplies, against single-precision products. Each is measured in turn \
        with its peak.
        Example: runnel bench product --dtype int8
        """)
    @Option(help: "How the weights are stored.") var dtype = PackedElement.bf16
    @Option(help: "D, the width.") var width = 768
    @Option(help: "The number of layers.") var layers = 24
    @Option(help: "V, the vocabulary.") var vocabulary = 50280
    @Option(help: "Tokens of the prompt.") var segment = 512
    @Option(help: "Seconds to measure for.") var seconds = 5.0
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
      guard seconds > 0, seconds <= 3600 else {
        throw ValidationError("--seconds is \(seconds); it must be more than 0 and at most 3600")
      }
      guard vocabulary > 0, width > 0, layers > 0, segment > 0 else {
        throw ValidationError("--width, --layers, --vocabulary and --segment must be positive")
      }
    }

    func run() throws {
      compute.apply()
      let bench = try PackedBench(
        PackedBench.mamba(width: width, layers: layers, vocabulary: vocabulary), as: dtype)
      let probe = ReadProbe(byteCount: bench.byteCount), squares = SquareProbe()
      let prompt = bench.prompt(segment)
      let decode = inTurn(seconds / 2, { probe.read() }, { bench.decode() })
      let prefill = inTurn(seconds / 2, { squares.multiply() }, { bench.prefill(prompt) })
      let operations = Double(bench.operations * segment)
      let result = ProductMeasurement(
        dtype: dtype, threads: WorkerPool.shared.threads, bytes_per_token: bench.byteCount,
        tokens_per_second: 1 / decode.body, peak_gb_per_second: 1e-9 * Double(probe.byteCount) / decode.peak,
        share_of_peak: decode.ratio * Double(bench.byteCount) / Double(probe.byteCount), segment: segment,
        prefill_tokens_per_second: Double(segment) / prefill.body,
        peak_gflops: 1e-9 * Double(SquareProbe.operations) / prefill.peak,
        prefill_share_of_peak: prefill.ratio * operations / Double(SquareProbe.operations))
      try result.print(json: output.json)
    }
  }
}

extension PackedElement: ExpressibleByArgument {}

private struct ProductMeasurement: Encodable {
  var benchmark = "product"
  var dtype: PackedElement
  var threads: Int
  var bytes_per_token: Int
  /// Of the fastest turn, as are the peaks; the shares are medians of the turns.
  var tokens_per_second: Double
  var peak_gb_per_second: Double
  var share_of_peak: Double
  var segment: Int
  var prefill_tokens_per_second: Double
  var peak_gflops: Double
  var prefill_share_of_peak: Double

  func print(json: Bool) throws {
    if json { return try Output.json(self) }
    Output.line(
      String(
        format: "%@, %@: %@ per token, %.1f tokens/s, %.1f %% of the read peak of %.1f GB/s",
        dtype.rawValue, counted(threads, "thread"), counted(bytes_per_token, "byte"), tokens_per_second,
        share_of_peak * 100,
        peak_gb_per_second))
    Output.line(
      String(
        format: "a prompt of %d: %.1f tokens/s, %.1f %% of the matrix peak of %.1f GFLOP/s", segment,
        prefill_tokens_per_second, prefill_share_of_peak * 100, peak_gflops))
  }
}
