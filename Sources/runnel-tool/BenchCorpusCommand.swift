import ArgumentParser
import Foundation
import Runnel

extension BenchCommand {
  struct Corpus: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Time the reading of a corpus beside bare decompression of the same frames.",
      discussion: "Example: runnel bench corpus book.tokens.zst --seconds 10")
    @Argument(help: ArgumentHelp("The corpus.", valueName: "corpus")) var path: String
    @Option(help: "Seconds to measure for.") var seconds = 5.0
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var output: OutputOptions

    private struct Result: Encodable {
      let benchmark = "corpus"
      let tokens, frames, peak_rss_bytes: Int
      let decompression_bytes_per_second, bytes_per_second, share_of_peak: Double
      let verify_bytes_per_second, seconds_per_access: Double
      let frames_per_access: Int
    }

    func validate() throws {
      guard seconds > 0, seconds <= 3600 else {
        throw ValidationError("--seconds is \(seconds); it must be more than 0 and at most 3600")
      }
    }

    func run() throws {
      compute.apply()
      let corpus = try Runnel.Corpus(path: path)
      let bench = try corpus.bench(seconds: seconds)
      if output.json {
        return try Output.json(
          Result(
            tokens: corpus.count, frames: corpus.info.frames, peak_rss_bytes: Machine.peakResidentBytes,
            decompression_bytes_per_second: bench.decompression, bytes_per_second: bench.reading,
            share_of_peak: bench.share, verify_bytes_per_second: bench.verification,
            seconds_per_access: bench.access, frames_per_access: bench.framesPerAccess))
      }
      Output.line(
        String(
          format: "%@: %@ in %@; read at %.0f MB/s, %.1f %% of bare decompression (%.0f MB/s)",
          path, counted(corpus.count, "token"), counted(corpus.info.frames, "frame"), bench.reading / 1e6,
          bench.share * 100,
          bench.decompression / 1e6))
      Output.line(
        String(
          format: "verified at %.0f MB/s; 512 tokens at a random place: %.0f µs, at most %@",
          bench.verification / 1e6, bench.access * 1e6, counted(bench.framesPerAccess, "frame")))
    }
  }
}
