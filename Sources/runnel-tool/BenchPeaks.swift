/// What `runnel bench` compares speed with, measured in turn with it.

import Runnel

/// Runs all of them in turn for about `seconds`, after each has run once: the seconds of each in every turn. Other work on
/// the machine disturbs a turn, and so all of them, alike.
func inTurn(_ seconds: Double, _ bodies: [() throws -> Void]) throws -> [[Double]] {
  let clock = ContinuousClock()
  var times = bodies.map { _ in [Double]() }
  for body in bodies { try body() }
  let begin = clock.now
  repeat {
    for (i, body) in bodies.enumerated() { times[i].append(try secondsOf(body)) }
  } while (clock.now - begin) / .seconds(1) < seconds || times[0].count < 3
  return times
}

private func secondsOf(_ body: () throws -> Void) rethrows -> Double {
  let clock = ContinuousClock(), start = clock.now
  try body()
  return (clock.now - start) / .seconds(1)
}

func fastest(_ times: [Double]) -> Double { times.min() ?? 0 }
private func median(_ times: [Double]) -> Double { times.sorted()[times.count / 2] }

/// Of the turns' ratios of a peak's time to that of what is compared with it.
func medianRatio(_ peaks: [Double], _ times: [Double]) -> Double { median(zip(peaks, times).map { $0 / $1 }) }

/// The limits of products, of the fastest turn.
struct ProductPeaks: Encodable {
  /// The FMA peak: the most multiplications and additions in single precision, in registers alone, by all threads.
  var peak_gflops: Double
  /// The same of one thread alone.
  var peak_gflops_per_thread: Double
  /// Of OpenBLAS, for matrices of 1,024 × 1,024.
  var sgemm_gflops: Double
  /// With the instructions for bf16 and for int8, in 10⁹ operations a second, where this machine has them.
  var bf16_peak_gflops, int8_peak_gops: Double?
}

/// The time of some products, and how near they come to the limits: the median of the turns.
struct ProductTimes {
  var fastest, median: Double
  var peaks: ProductPeaks
  var shareOfPeak, shareOfSgemm: Double

  var sentence: String {
    func number(_ x: Double) -> String { Output.decimals(x, 1) }
    return
      "\(number(100 * shareOfPeak)) % of the FMA peak of \(number(peaks.peak_gflops)) GFLOP/s "
      + "(\(number(peaks.peak_gflops_per_thread)) of one thread), \(number(100 * shareOfSgemm)) % of sgemm's "
      + "\(number(peaks.sgemm_gflops)), measured in turn"
      + (peaks.bf16_peak_gflops.map { "; bf16 peak \(number($0)) GFLOP/s" } ?? "")
      + (peaks.int8_peak_gops.map { "; int8 peak \(number($0)) GOP/s" } ?? "")
  }
}

/// Runs `body`, which takes so many operations, in turn with the peaks of products for about `seconds`.
func productsInTurn(
  _ seconds: Double, operations: Int, _ body: () throws -> Void
) throws -> ProductTimes {
  let probe = RegisterProbe.f32, squares = SquareProbe()
  let peaks: [() throws -> Void] = [{ probe.run() }, { squares.multiply() }]
  // A turn is for the most part of what is measured.
  for peak in peaks { try peak() }
  try body()
  let ofPeaks = try peaks.reduce(0) { try $0 + secondsOf($1) }
  let count = try max(1, Int((4 * ofPeaks / secondsOf(body)).rounded(.up)))
  let turns = try withoutActuallyEscaping(body) { body in
    try inTurn(seconds, peaks + [{ for _ in 0..<count { try body() } }])
  }
  func share(_ peak: Int, of peakOperations: Int) -> Double {
    medianRatio(turns[peak], turns[2]) * Double(count * operations) / Double(peakOperations)
  }
  return ProductTimes(
    fastest: fastest(turns[2]) / Double(count), median: median(turns[2]) / Double(count),
    peaks: ProductPeaks(
      peak_gflops: 1e-9 * Double(probe.operations) / fastest(turns[0]),
      peak_gflops_per_thread: probe.speedOfThread(),
      sgemm_gflops: 1e-9 * Double(SquareProbe.operations) / fastest(turns[1]),
      bf16_peak_gflops: RegisterProbe.bf16?.speed(), int8_peak_gops: RegisterProbe.int8?.speed()),
    shareOfPeak: share(0, of: probe.operations), shareOfSgemm: share(1, of: SquareProbe.operations))
}

/// The keys of both in one object.
struct Joined<First: Encodable, Second: Encodable>: Encodable {
  var first: First
  var second: Second

  func encode(to encoder: any Encoder) throws {
    try first.encode(to: encoder)
    try second.encode(to: encoder)
  }
}
