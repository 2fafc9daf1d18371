/// The time of a run: that in which it computed.

import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Counts the seconds in which this process computed or was about to: neither a machine's sleep nor a stopped process
/// (SIGSTOP, ctrl-Z, a frozen container) is of the budget.
///
/// Of the time between two laps, at most four times what the process spent on processors counts, and one second more. While it
/// computes it has at least a quarter of a processor, even on a busy machine, so all of that time counts; of a stop, or of a
/// wait for a slow disk, no more than this does.
struct BudgetClock {
  /// Seconds since some moment.
  struct Reading {
    /// On a clock that stands still while the machine sleeps.
    var passed: Double
    /// On the processors, of all threads.
    var computed: Double
  }

  private let read: () -> Reading
  private var last: Reading

  init(_ read: @escaping () -> Reading = Self.system) {
    self.read = read
    last = read()
  }

  /// The seconds to account for since the last lap.
  mutating func lap() -> Double {
    let now = read()
    defer { last = now }
    return max(0, min(now.passed - last.passed, 4 * (now.computed - last.computed) + 1))
  }

  private static func system() -> Reading {
    func seconds(_ clock: clockid_t) -> Double {
      var time = timespec()
      clock_gettime(clock, &time)
      return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
    }
    #if canImport(Darwin)
      return Reading(passed: seconds(CLOCK_UPTIME_RAW), computed: seconds(CLOCK_PROCESS_CPUTIME_ID))
    #else
      return Reading(passed: seconds(CLOCK_MONOTONIC), computed: seconds(CLOCK_PROCESS_CPUTIME_ID))
    #endif
  }
}
