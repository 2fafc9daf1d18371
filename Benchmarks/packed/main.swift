import RunnelKernels
import RunnelTensors
import CKernels

let arguments = CommandLine.arguments
let threads = arguments.count > 1 ? Int(arguments[1]) ?? 1 : 2
let rounds = arguments.count > 2 ? Int(arguments[2]) ?? 30 : 30
WorkerPool.use(threads: threads)
let pool = WorkerPool.shared
let clock = ContinuousClock()
func nanoseconds() -> Int64 { let d = clock.now.duration(to: start); return -(d.components.seconds * 1_000_000_000 + d.components.attoseconds / 1_000_000_000) }
let start = clock.now
func spin(_ ns: Int64) { let t = nanoseconds() + ns; while nanoseconds() < t {} }
for (count, ns) in [(2, Int64(2000)), (2, 5000), (8, 500), (8, 2000)] {
    var times: [Double] = []
    for _ in 0..<100 {
      times.append(Machine.fastest(of: 1) { for _ in 0..<100 { pool.run(count) { _ in spin(ns) } } } * 1e4)
    }
    times.sort()
    let ideal = Double(ns) * 1e-3 * Double(count) / Double(threads)
    print("run(\(count)) of \(ns) ns: overhead best \(times[0] - ideal) us, median \(times[50] - ideal) us")
}
func seconds(_ body: () -> Void) -> Double { Machine.fastest(of: 1, body) }
for element in PackedElement.allCases {
  let bench = try PackedBench(PackedBench.mamba(), as: element)
  let n = bench.byteCount / 4 / 64 * 64
  let memory = UnsafeMutablePointer<Float>.allocate(capacity: n)
  memory.initialize(repeating: 1, count: n)
  nonisolated(unsafe) let m = memory
  var ratios: [Double] = [], read: [Double] = [], decode: [Double] = []
  for _ in 0..<rounds {
    read.append(seconds { pool.run(64) { if runnel_dot(n / 64, m + n / 64 * $0, m + n / 64 * $0) < 0 { m[0] = 0 } } })
    decode.append(seconds { bench.decode() })
    ratios.append(read.last! / decode.last!)
  }
  ratios.sort()
  let b = Double(bench.byteCount) * 1e-9
  print("\(element): \(b * 1e3) MB; read best \(b / read.min()!) GB/s, decode best \(b / decode.min()!) GB/s = \(1 / decode.min()!) tokens/s; share best/best \(read.min()! / decode.min()!), median of ratios \(ratios[ratios.count / 2])")
  memory.deallocate()
}
