/// What this machine can do, measured: the peaks that shares are shares of.

import CKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The memory of this process and of its machine, in bytes; the peak speed, in GFLOP/s, is the package's own.
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

  /// The memory that this process has now, in bytes; nil where the system does not tell it as Linux does.
  public static var residentBytes: Int? {
    guard let words = firstLine(of: "/proc/self/statm")?.split(separator: " ") else { return nil }
    return words.count > 1 ? Int(words[1]).map { $0 * sysconf(Int32(_SC_PAGESIZE)) } : nil
  }

  /// Bytes of memory in the machine.
  public static var physicalMemory: Int {
    max(1 << 30, sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)))
  }

  /// Bytes of memory that this process may use: the machine's, or less where a container or a limit says so.
  public static var usableMemory: Int {
    var least = physicalMemory
    for path in ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"] {
      if let text = firstLine(of: path), let limit = Int(text), limit > 0 { least = min(least, limit) }
    }
    var limit = rlimit()
    for kind in [RLIMIT_AS, RLIMIT_DATA] {
      #if canImport(Glibc)
        let isKnown = getrlimit(__rlimit_resource_t(kind.rawValue), &limit) == 0
      #else
        let isKnown = getrlimit(kind, &limit) == 0
      #endif
      if isKnown, limit.rlim_cur < rlim_t(least) { least = Int(limit.rlim_cur) }
    }
    return least
  }

  private static func firstLine(of path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, Int32(line.count), file) != nil else { return nil }
    return String(decoding: line.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Seconds of the fastest of several runs.
  package static func fastest(of runs: Int, _ body: () -> Void) -> Double {
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
  package static func peakGFLOPs() -> Double {
    let squares = SquareProbe()
    return 1e-9 * Double(SquareProbe.operations) / fastest(of: 8) { squares.multiply() }
  }
}

/// Memory to be read as fast as it can be: what the time of other reading is compared with, in turn with it.
package final class ReadProbe: Sendable {
  package let byteCount: Int
  private nonisolated(unsafe) let memory: UnsafeMutablePointer<Float>
  private let owner: LargePages
  private static let pieces = 64

  /// About `bytes` bytes, in the pages that weights are in.
  package init(byteCount bytes: Int) {
    let count = max(1, bytes / 4 / Self.pieces / 16) * Self.pieces * 16
    byteCount = 4 * count
    let (memory, owner) = LargePages.allocate(byteCount: byteCount)
    self.memory = memory.bindMemory(to: Float.self, capacity: count)
    self.owner = owner
    self.memory.initialize(repeating: 1, count: count)
  }

  /// Reads all of it on the pool.
  package func read() {
    let size = byteCount / 4 / Self.pieces
    WorkerPool.shared.run(Self.pieces) { piece in
      let start = memory + piece * size
      // Squares are summed only so that nothing can be left out.
      if runnel_dot(size, start, start) < 0 { start[0] = 0 }
    }
  }
}

/// A large product in single precision: what the time of other products is compared with, in turn with it.
package final class SquareProbe: Sendable {
  private static let n = 1024
  /// Multiplications and additions of the product.
  package static var operations: Int { 2 * n * n * n }
  private nonisolated(unsafe) let memory: UnsafeMutablePointer<Float>

  package init() {
    let count = 3 * Self.n * Self.n
    memory = .allocate(capacity: count)
    for i in 0..<count { memory[i] = Float(i % 7) - 3 }
  }
  deinit { memory.deallocate() }

  package func multiply() {
    let n = Self.n
    Gemm.parallel(
      m: n, n: n, k: n, MatrixView(memory, rowStride: n), MatrixView(memory + n * n, rowStride: n),
      into: memory + 2 * n * n, rowStride: n)
  }
}
