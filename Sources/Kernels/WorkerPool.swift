/// One pool of threads for the whole process, which hands out work in about a microsecond.

import CKernels
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The threads that all computation of this process shares.
///
/// A job is a count and a body. Every thread gets an equal stretch of the indices and takes them from its front; a
/// thread that has finished takes from the ends of the others' stretches. So a thread reads memory in order, and the
/// same part of it each time. Idle workers spin for some tens of microseconds (decoding makes hundreds of small
/// products per token), reading ahead meanwhile, and then sleep. What an index computes never depends on the thread
/// that computes it, so results do not depend on the thread count.
public final class WorkerPool: @unchecked Sendable {
  private static let requested = Atomic<Int>(0)

  /// The pool everything runs on. Its size is fixed at first use.
  public static let shared = WorkerPool(
    threads: requested.load(ordering: .relaxed) > 0
      ? requested.load(ordering: .relaxed) : max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))

  /// Asks for a number of threads; has an effect only before the pool's first use.
  public static func use(threads: Int) {
    precondition(threads > 0, "WorkerPool: the number of threads must be positive, not \(threads)")
    requested.store(threads, ordering: .relaxed)
  }

  /// How many threads work on a job, the caller's own among them.
  public let threads: Int

  /// What a job does with an index. Borrowed, so that no thread counts references to it, in one word that all would write.
  private struct Job: ~Copyable {
    private let body: (Int) -> Void
    init(_ body: @escaping (Int) -> Void) { self.body = body }
    borrowing func run(_ index: Int) { body(index) }
  }

  /// One thread's part of a job, and what it has done of that job. They lie on cache lines of their own: where two threads
  /// share no cache, a line that both use travels between them each time, in a good part of a microsecond.
  private struct Share: ~Copyable {
    /// The stretch that is left. It names its job, so a late thread never claims from another job than it saw.
    let left = Atomic<UInt64>(0)
    /// Its job, and that job's number: written before `left` is published, read only by holders of an index claimed from it.
    var job: UnsafePointer<Job>?
    var number: UInt64 = 0
    private let padding = InlineArray<13, UInt64>(repeating: 0)
    /// Job (44 bits) and how many of its indices (20 bits) this thread ran, written by it alone.
    let done = Atomic<UInt64>(0)
    /// Nanoseconds that it worked on jobs while somebody watched.
    let worked = Atomic<UInt64>(0)
    private let morePadding = InlineArray<14, UInt64>(repeating: 0)
  }

  /// The job's number (its low 24 bits), end (20 bits) and begin (20 bits) of a stretch in one word.
  private struct Stretch {
    var word: UInt64
    static let bits: UInt64 = 20
    static let mask: UInt64 = (1 << bits) - 1
    init(_ word: UInt64) { self.word = word }
    init(_ number: UInt64, _ range: Range<Int>) {
      word = number << (2 * Self.bits) | UInt64(range.upperBound) << Self.bits | UInt64(range.lowerBound)
    }
    var begin: Int { Int(word & Self.mask) }
    var end: Int { Int(word >> Self.bits & Self.mask) }
    var isEmpty: Bool { begin >= end }
    var withoutFirst: Stretch { Stretch(word + 1) }
    var withoutLast: Stretch { Stretch(word - 1 << Self.bits) }
  }

  /// The largest count of one job.
  package static let maximumCount = Int(Stretch.mask)

  private let shares: UnsafeMutablePointer<Share>
  /// Held by the thread whose job runs; while it is held, that one is thread 0, and alone uses the next two.
  private let busy = Atomic<Bool>(false)
  private nonisolated(unsafe) var number: UInt64 = 0
  private nonisolated(unsafe) var ahead: ReadAhead.Reader
  private let sleepers = Atomic<Int>(0)
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let wake = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  package init(threads: Int) {
    self.threads = threads
    ahead = ReadAhead.Reader(thread: 0, of: threads)
    shares = UnsafeMutableRawPointer.allocate(
      byteCount: threads * MemoryLayout<Share>.stride, alignment: 128
    ).bindMemory(to: Share.self, capacity: threads)
    for thread in 0..<threads { (shares + thread).initialize(to: Share()) }
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(wake, nil)
    for thread in 1..<max(1, threads) { startWorker(thread) }
  }

  /// Calls `body` once for every index in `0..<count`, on all threads, and returns when all calls have.
  /// A call from inside a body, or while another thread's job runs, executes on the calling thread alone.
  package func run(_ count: Int, _ body: (Int) -> Void) {
    precondition(count <= Self.maximumCount, "WorkerPool: \(count) indices; at most \(Self.maximumCount)")
    guard count > 1, threads > 1, !busy.exchange(true, ordering: .acquiring) else {
      for index in 0..<count { body(index) }
      return
    }
    let profiler = Profiler.watching(self)
    profiler?.beginJob(others: othersWorked)
    withoutActuallyEscaping(body) { escaping in
      let job = Job(escaping)
      withUnsafePointer(to: job) { job in
        number += 1
        for thread in (0..<threads).reversed() {
          var range = count * thread / threads..<count * (thread + 1) / threads
          // The caller's first index is its own without a claim, which would wait until all have seen their stretches.
          if thread == 0, !range.isEmpty { range = range.lowerBound + 1..<range.upperBound }
          shares[thread].job = job
          shares[thread].number = number
          shares[thread].left.store(Stretch(number, range).word, ordering: .releasing)
        }
        var mine = 0
        if count >= threads {
          // Now, since waking takes long, and again behind the fence, for who fell asleep meanwhile.
          wakeSleepers()
          job.pointee.run(0)
          mine = 1
        }
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        wakeSleepers()
        mine += claimAll(as: 0).count
        profiler?.endOwnPart()
        waitForOthers(count - mine, of: number)
      }
    }
    profiler?.endJob(others: othersWorked)
    busy.store(false, ordering: .releasing)
  }

  /// Nanoseconds that the other threads worked on jobs while somebody watched.
  private var othersWorked: UInt64 {
    (1..<threads).reduce(0) { $0 + shares[$1].worked.load(ordering: .relaxed) }
  }

  private func wakeSleepers() {
    guard sleepers.load(ordering: .relaxed) > 0 else { return }
    pthread_mutex_lock(mutex)
    pthread_cond_broadcast(wake)
    pthread_mutex_unlock(mutex)
  }

  private func waitForOthers(_ count: Int, of number: UInt64) {
    var ahead = ahead
    defer { self.ahead = ahead }
    var spins = 0
    while true {
      var done = 0
      for thread in 1..<threads {
        let word = shares[thread].done.load(ordering: .acquiring)
        if word >> Stretch.bits == number { done += Int(word & Stretch.mask) }
      }
      guard done < count else { return }
      if ahead.advance() { continue }
      spins += 1
      if spins & 0x3FFF == 0 { sched_yield() } else { runnel_pause() }
    }
  }

  /// Runs what is left of a thread's stretch and then of all others'; how many indices that were, and of which job. They
  /// are all of one, since a job does not end before what was claimed of it is done.
  private func claimAll(as thread: Int) -> (count: Int, job: UInt64) {
    var count = 0, job: UInt64 = 0
    for offset in 0..<threads {
      let victim = shares + (thread + offset) % threads
      var seen = Stretch(victim.pointee.left.load(ordering: .acquiring))
      while !seen.isEmpty {
        let rest = offset == 0 ? seen.withoutFirst : seen.withoutLast
        let (claimed, current) = victim.pointee.left.weakCompareExchange(
          expected: seen.word, desired: rest.word, ordering: .acquiringAndReleasing)
        guard claimed else {
          seen = Stretch(current)
          continue
        }
        victim.pointee.job?.pointee.run(offset == 0 ? seen.begin : rest.end)
        (count, job) = (count + 1, victim.pointee.number)
        seen = Stretch(victim.pointee.left.load(ordering: .acquiring))
      }
    }
    return (count, job)
  }

  private func work(as thread: Int) -> Never {
    let own = shares + thread
    var ahead = ReadAhead.Reader(thread: thread, of: threads)
    var hasWork: Bool { !Stretch(own.pointee.left.load(ordering: .sequentiallyConsistent)).isEmpty }
    while true {
      let start = Profiler.isActive ? Profiler.now : nil
      let (count, job) = claimAll(as: thread)
      if count > 0 {
        // Before it is known that the job is done.
        if let start { own.pointee.worked.wrappingAdd(Profiler.now - start, ordering: .relaxed) }
        // A thread that was woken may come to a job twice.
        let before = own.pointee.done.load(ordering: .relaxed)
        let word = (before >> Stretch.bits == job ? before : job << Stretch.bits) + UInt64(count)
        own.pointee.done.store(word, ordering: .releasing)
      }
      var spins = 0
      while !hasWork && spins < 3000 {
        if ahead.advance() { continue }
        spins += 1
        runnel_pause()
      }
      guard !hasWork else { continue }
      pthread_mutex_lock(mutex)
      sleepers.wrappingAdd(1, ordering: .sequentiallyConsistent)
      // Once: waking takes longer than a small job, so this one may be over, and the next is met spinning.
      if !hasWork { pthread_cond_wait(wake, mutex) }
      sleepers.wrappingSubtract(1, ordering: .sequentiallyConsistent)
      pthread_mutex_unlock(mutex)
    }
  }

  private final class Start {
    let pool: WorkerPool, thread: Int
    init(_ pool: WorkerPool, _ thread: Int) { (self.pool, self.thread) = (pool, thread) }
  }

  private func startWorker(_ number: Int) {
    var thread = pthread_t(bitPattern: 0)
    let created = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        start.pool.work(as: start.thread)
      }, Unmanaged.passRetained(Start(self, number)).toOpaque())
    if created != 0 { OutOfMemory.end("thread \(number + 1) of \(threads)") }
  }

}

extension WorkerPool {
  /// Splits `0..<count` into stretches of at least `grain` and runs `body` over them.
  package func split(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    let pieces = min(max(1, count / max(1, grain)), threads * 4)
    guard pieces > 1 else {
      if count > 0 { body(0..<count) }
      return
    }
    run(pieces) { piece in
      let range = count * piece / pieces..<count * (piece + 1) / pieces
      if !range.isEmpty { body(range) }
    }
  }
}
