import Foundation
import Synchronization
import Testing

@testable import RunnelKernels

/// Pools of several sizes, more threads than processors among them.
@Suite struct WorkerPoolTests {
  @Test("every index runs once, whatever the count, however late the workers", arguments: [1, 2, 3, 5])
  func everyIndexOnce(threads: Int) {
    let pool = WorkerPool(threads: threads)
    var generator = SystemRandomNumberGenerator()
    for job in 0..<4000 {
      let count = Int.random(in: 0...40, using: &generator)
      // Some jobs are long enough for a sleeper to wake in the middle, and some come when all have fallen asleep.
      let isLong = job % 50 == 0
      let runs = UnsafeMutablePointer<Int>.allocate(capacity: count)
      runs.initialize(repeating: 0, count: count)
      defer { runs.deallocate() }
      pool.run(count) { index in
        if isLong { usleep(200) }
        runs[index] += 1
      }
      let wrong = (0..<count).filter { runs[$0] != 1 }
      guard wrong.isEmpty else {
        Issue.record("job \(job) of \(count) on \(threads) threads: indices \(wrong.prefix(5)) ran not once")
        return
      }
      if job % 100 == 0 { usleep(2000) }
    }
  }

  @Test("jobs of several threads at once, and jobs inside of jobs, run on the caller alone")
  func concurrentCallers() {
    let pool = WorkerPool(threads: 3), total = Atomic<Int>(0)
    DispatchQueue.concurrentPerform(iterations: 4) { _ in
      for _ in 0..<500 {
        pool.run(7) { _ in pool.run(3) { _ in total.wrappingAdd(1, ordering: .relaxed) } }
      }
    }
    #expect(total.load(ordering: .relaxed) == 4 * 500 * 7 * 3)
  }

  @Test("threads that are taken off their processors anywhere lose no index")
  func crowded() {
    // Far more threads than processors, each pool with its caller.
    let wrong = Counter(), end = ContinuousClock.now + .seconds(2)
    let callers = (0..<6).map { _ in
      Thread {
        let pool = WorkerPool(threads: 4), runs = UnsafeMutablePointer<Int>.allocate(capacity: 12)
        while ContinuousClock.now < end {
          runs.initialize(repeating: 0, count: 12)
          pool.run(12) { runs[$0] += 1 }
          if (0..<12).contains(where: { runs[$0] != 1 }) { wrong.value.wrappingAdd(1, ordering: .relaxed) }
        }
        runs.deallocate()
        finished.signal()
      }
    }
    for caller in callers { caller.start() }
    for _ in callers { finished.wait() }
    #expect(wrong.value.load(ordering: .relaxed) == 0)
  }
}

private let finished = DispatchSemaphore(value: 0)

private final class Counter: Sendable { let value = Atomic<Int>(0) }
