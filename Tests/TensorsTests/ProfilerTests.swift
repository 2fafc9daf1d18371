import Foundation
import RunnelKernels
import RunnelTensors
import Testing

@Suite("a profile has every instant of every thread in one account", .serialized)
struct ProfilerTests {
  @Test(
    "computing, waiting and idle time sum to the threads' time by the clock, to the nanosecond",
    arguments: [1, 2, 3])
  func sums(threads: Int) throws {
    let pool = WorkerPool(threads: threads)
    let profile = Profiler.profile(on: pool) {
      for _ in 0..<20 {
        Profiler.begin(.products, "outer")
        pool.run(7) { usleep(UInt32(100 * $0)) }
        Profiler.begin(.norms, "inner")
        usleep(300)
        Profiler.end()
        Profiler.end()
        usleep(200)
      }
    }
    let all = profile.accounts.reduce(0) { $0 + $1.time.all }
    #expect(all == UInt64(threads) * UInt64((profile.seconds * 1e9).rounded()))
    // 2.1 ms of work in each job, and none of it counts as idle.
    let products = try time(profile, .products), norms = try time(profile, .norms)
    let rest = try time(profile, .rest)
    #expect(products.computing >= 20 * 2_100_000)
    #expect(norms.computing >= 20 * 300_000 && norms.waiting == 0)
    #expect(norms.idle == UInt64(threads - 1) * norms.computing)
    #expect(rest.computing >= 20 * 200_000)
    #expect(threads > 1 || products.waiting == 0)
  }

  @Test("what is within an operation has its own account, and gradients have theirs")
  func directions() {
    let x = Tensor(repeating: 0.5, [64, 64]).tracked(), w = Tensor(repeating: 0.1, [64, 64]).tracked()
    let profile = Profiler.profile {
      Profiler.begin(.loss, "own")
      let y = activate(linear(x, w), .silu)
      Profiler.end()
      _ = gradients(of: sum(y), for: [x, w])
    }
    let found = Set(profile.byOperation.map { "\($0.operation.name) \($0.operation.isBackward)" })
    for name in ["linear", "activate", "reduced"] {
      #expect(found.contains("\(name) false") && found.contains("\(name) true"), "\(name): \(found)")
    }
    #expect(found.contains("own false") && found.contains("gradients true"))
    let works = profile.byWork.map(\.operation)
    #expect(Set(works).count == works.count)
    #expect(works.contains { $0.work == .products && $0.isBackward })
  }

  @Test("places of one name and purpose have one account, others of that name their own")
  func names() {
    func first(_ work: Profiler.Work) {
      Profiler.begin(work, "same")
      Profiler.end()
    }
    func second() {
      Profiler.begin(.norms, "same(_:)")
      Profiler.end()
    }
    let profile = Profiler.profile {
      for _ in 0..<3 {
        first(.norms)
        second()
        first(.loss)
      }
    }
    let found = profile.accounts.map { "\($0.operation.name) \($0.operation.work)" }
    #expect(found == [" rest", "same norms", "same loss"])
  }

  @Test("the products of matrices within a recurrence are taken out of its time, and out of that alone")
  func chunkProducts() throws {
    let n = 96, a = [Float](repeating: 1, count: n * n)
    var c = a
    func multiply() {
      a.withUnsafeBufferPointer { a in
        c.withUnsafeMutableBufferPointer { c in
          guard let a = a.baseAddress, let c = c.baseAddress else { return }
          let view = MatrixView(a, rowStride: n)
          for _ in 0..<50 { Gemm.serial(m: n, n: n, k: n, view, view, into: c, rowStride: n) }
        }
      }
    }
    let profile = Profiler.profile {
      Profiler.begin(.norms)
      multiply()
      Profiler.end()
      Profiler.begin(.recurrence)
      multiply()
      Profiler.end()
    }
    #expect(try time(profile, .chunkProducts).computing > time(profile, .recurrence).computing)
    #expect(try time(profile, .norms).computing > time(profile, .recurrence).computing)
  }

  @Test("operations of other threads, and those that a job is made of, begin no account")
  func others() {
    let pool = WorkerPool(threads: 2)
    let profile = Profiler.profile(on: pool) {
      let thread = Thread {
        Profiler.begin(.embedding)
        Profiler.end()
        finished.signal()
      }
      thread.start()
      finished.wait()
      pool.run(8) { _ in
        Profiler.begin(.embedding)
        Profiler.end()
      }
      Profiler.begin(.norms)
      #expect(Profiler.work == .norms)
      Profiler.end()
    }
    #expect(profile.accounts.map(\.operation.work) == [.rest, .norms])
    #expect(Profiler.work == .rest)
  }

  private func time(_ profile: Profile, _ work: Profiler.Work) throws -> Profile.Time {
    try #require(profile.byWork.first { $0.operation.work == work }).time
  }
}

private let finished = DispatchSemaphore(value: 0)
