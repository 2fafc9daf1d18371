import ArgumentParser
import Foundation
import Runnel

extension BenchCommand {
  struct Product: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Products with packed weights, of one token and of a prompt.",
      discussion: """
        All matrices of a Mamba of the given shape, with random weights: what a token reads, against the speed of \
        reading as many bytes (share_of_peak); what a prompt multiplies, against the FMA peak and against \
        single-precision products (prefill_share_of_peak, prefill_share_of_sgemm). Each is measured in turn with \
        its peak.
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
      let probe = ReadProbe(byteCount: bench.byteCount)
      let prompt = bench.prompt(segment)
      let decode = try inTurn(seconds / 2, [{ probe.read() }, { bench.decode() }])
      let prefill = try productsInTurn(seconds / 2, operations: bench.operations * segment) {
        bench.prefill(prompt)
      }
      let result = ProductMeasurement(
        dtype: dtype, threads: WorkerPool.shared.threads, bytes_per_token: bench.byteCount,
        tokens_per_second: 1 / fastest(decode[1]),
        peak_gb_per_second: 1e-9 * Double(probe.byteCount) / fastest(decode[0]),
        share_of_peak: medianRatio(decode[0], decode[1]) * Double(bench.byteCount) / Double(probe.byteCount),
        segment: segment, prefill_tokens_per_second: Double(segment) / prefill.fastest,
        prefill_share_of_peak: prefill.shareOfPeak, prefill_share_of_sgemm: prefill.shareOfSgemm)
      if output.json { return try Output.json(Joined(first: result, second: prefill.peaks)) }
      Output.line(result.sentence)
      Output.line(
        "a prompt of \(segment): \(Output.decimals(result.prefill_tokens_per_second, 1)) tokens/s, \(prefill.sentence)"
      )
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
  var prefill_share_of_peak, prefill_share_of_sgemm: Double

  var sentence: String {
    "\(dtype.rawValue), \(counted(threads, "thread")): \(counted(bytes_per_token, "byte")) per token, "
      + "\(Output.decimals(tokens_per_second, 1)) tokens/s, \(Output.decimals(100 * share_of_peak, 1)) % of the read "
      + "peak of \(Output.decimals(peak_gb_per_second, 1)) GB/s"
  }
}
