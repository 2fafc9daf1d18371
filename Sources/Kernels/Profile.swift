/// What a `Profiler` saw: an account of the time of all threads.

package struct Profile: Sendable {
  /// An operation in one direction.
  package struct Operation: Hashable, Sendable {
    /// Of the function; empty for what is in none.
    package var name: String
    package var work: Profiler.Work
    /// Whether it made gradients.
    package var isBackward = false
  }

  /// Nanoseconds of threads.
  package struct Time: Sendable {
    package var computing: UInt64 = 0
    /// For the other threads of a job.
    package var waiting: UInt64 = 0
    /// Beside one thread that computes alone.
    package var idle: UInt64 = 0

    package var all: UInt64 { computing + waiting + idle }

    static func += (a: inout Time, b: Time) {
      a.computing += b.computing
      a.waiting += b.waiting
      a.idle += b.idle
    }
  }

  /// An operation and its time.
  package struct Account: Sendable {
    package var operation: Operation
    package var time = Time()
  }

  /// Threads of the pool.
  package let threads: Int
  /// By the clock.
  package let seconds: Double
  /// Of each operation in each direction; their times sum to `threads` times `seconds`.
  package let accounts: [Account]

  init(threads: Int, seconds: Double, _ accounts: [Account]) {
    self.threads = threads
    self.seconds = seconds
    self.accounts = accounts
  }

  /// The accounts of each kind of work and direction together, without names; the most time first.
  package var byWork: [Account] {
    var sums: [Operation: Time] = [:]
    for account in accounts {
      sums[
        Operation(name: "", work: account.operation.work, isBackward: account.operation.isBackward),
        default: Time()] += account.time
    }
    return Self.sorted(sums.map { Account(operation: $0, time: $1) })
  }

  /// The accounts of named operations; the most time first.
  package var byOperation: [Account] { Self.sorted(accounts.filter { !$0.operation.name.isEmpty }) }

  private static func sorted(_ accounts: [Account]) -> [Account] {
    accounts.filter { $0.time.all > 0 }.sorted { $0.time.all > $1.time.all }
  }
}
