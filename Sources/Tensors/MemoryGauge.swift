/// How much memory the tensors of a computation take, counted as they come and go.

import Synchronization

/// Counts the bytes of every tensor that is made while its body runs on the thread that runs it, until it is let go of.
package final class MemoryGauge: Sendable {
  @TaskLocal private static var current: MemoryGauge?
  /// How many bodies run, so that whoever measures nothing pays nothing.
  private static let running = Atomic(0)

  private let bytes = Atomic(0)
  private let most = Atomic(0)

  package init() {}

  /// The most bytes that there were at once.
  package var peak: Int { most.load(ordering: .relaxed) }

  package func measure<R>(_ body: () throws -> R) rethrows -> R {
    Self.running.wrappingAdd(1, ordering: .relaxed)
    defer { Self.running.wrappingSubtract(1, ordering: .relaxed) }
    return try Self.$current.withValue(self, operation: body)
  }

  /// The gauge that counts on this thread.
  static var active: MemoryGauge? { running.load(ordering: .relaxed) == 0 ? nil : current }

  func add(_ count: Int) {
    let now = bytes.wrappingAdd(count, ordering: .relaxed).newValue
    var seen = most.load(ordering: .relaxed)
    while now > seen {
      let (done, original) = most.compareExchange(expected: seen, desired: now, ordering: .relaxed)
      if done { return }
      seen = original
    }
  }
}
