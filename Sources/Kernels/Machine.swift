/// What this machine can do, measured: the peaks that shares are shares of.

import CKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

public enum Machine {
  /// The most memory that this process ever had, in bytes.
  public static var peakResidentBytes: Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    #if canImport(Darwin)
      return usage.ru_maxrss
    #else
      return usage.ru_maxrss * 1024
    #endif
  }

  /// Bytes of memory in the machine.
  public static var physicalMemory: Int {
    max(1 << 30, sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)))
  }

  /// Seconds of the fastest of several runs.
  public static func fastest(of runs: Int, _ body: () -> Void) -> Double {
    let clock = ContinuousClock()
    var best = Double.infinity
    for _ in 0..<runs {
      let start = clock.now
      body()
      best = min(best, (clock.now - start) / .seconds(1))
    }
    return best
  }

  /// The speed of single-precision matrix products on all threads of the pool, in GFLOP/s.
  public static func peakGFLOPs() -> Double {
    let n = 1024
    let memory = UnsafeMutablePointer<Float>.allocate(capacity: 3 * n * n)
    defer { memory.deallocate() }
    for i in 0..<3 * n * n { memory[i] = Float(i % 7) - 3 }
    let seconds = fastest(of: 8) {
      Gemm.parallel(
        m: n, n: n, k: n, MatrixView(memory, rowStride: n), MatrixView(memory + n * n, rowStride: n),
        into: memory + 2 * n * n, rowStride: n)
    }
    return 2e-9 * Double(n * n * n) / seconds
  }

  /// The speed at which all threads of the pool read memory that no cache holds, in GB/s.
  public static func peakGigabytesPerSecond() -> Double {
    let count = 1 << 26, pieces = 64
    let memory = UnsafeMutablePointer<Float>.allocate(capacity: count)
    defer { memory.deallocate() }
    for i in 0..<count { memory[i] = 1 }
    let seconds = fastest(of: 5) {
      WorkerPool.shared.run(pieces) { piece in
        let size = count / pieces
        // Squares are summed only so that nothing can be left out.
        if runnel_dot(size, memory + piece * size, memory + piece * size) < 0 { memory[piece] = 0 }
      }
    }
    return 4e-9 * Double(count) / seconds
  }
}
