/// What memory this machine has, and how long work takes on it.

import CKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The memory of this process and of its machine, in bytes.
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
}
