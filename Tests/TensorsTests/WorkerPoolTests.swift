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
}
