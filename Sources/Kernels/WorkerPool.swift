/// One pool of threads for the whole process, which hands out work in about a microsecond.
///
/// A job is a count and a body; the caller and the workers claim indices from one atomic word until none is left.
/// Idle workers spin for some tens of microseconds (decoding makes hundreds of small products per token) and then
/// sleep. What an index computes never depends on who computes it, so results do not depend on the thread count.

import CKernels
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

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

  public let threads: Int

  /// What is being claimed: generation (24 bits), count (20 bits), next index (20 bits). The count stands in the
  /// same word as the index, so a late worker can never claim beyond the job that it saw.
  private let ticket = Atomic<UInt64>(0)
  private let finished = Atomic<Int>(0)
  private let busy = Atomic<Bool>(false)
  private let sleepers = Atomic<Int>(0)
  /// Written by the caller before the ticket is published, read only by holders of a claimed index.
  private nonisolated(unsafe) var body: UnsafeRawPointer?
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let wake = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  private typealias Body = (Int) -> Void
  private static let indexBits: UInt64 = 20
  private static let mask: UInt64 = (1 << 20) - 1
  /// The largest count of one job.
  package static let maximumCount = Int(mask)

  private init(threads: Int) {
    self.threads = threads
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(wake, nil)
    for _ in 1..<max(1, threads) { startWorker() }
  }

  /// Calls `body` once for every index in `0..<count`, on all threads, and returns when all calls have.
  /// A call from inside a body, or while another thread's job runs, executes on the calling thread alone.
  package func run(_ count: Int, _ body: (Int) -> Void) {
    precondition(count <= Self.maximumCount, "WorkerPool: \(count) indices; at most \(Self.maximumCount)")
    guard count > 1, threads > 1, !busy.exchange(true, ordering: .acquiring) else {
      for index in 0..<count { body(index) }
      return
    }
    withoutActuallyEscaping(body) { escaping in
      withUnsafePointer(to: escaping) { pointer in
        self.body = UnsafeRawPointer(pointer)
        finished.store(0, ordering: .relaxed)
        let generation = (ticket.load(ordering: .relaxed) >> (2 * Self.indexBits)) &+ 1
        ticket.store(
          (generation << (2 * Self.indexBits)) | (UInt64(count) << Self.indexBits),
          ordering: .sequentiallyConsistent)
        if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
          pthread_mutex_lock(mutex)
          pthread_cond_broadcast(wake)
          pthread_mutex_unlock(mutex)
        }
        claimAll()
        var spins = 0
        while finished.load(ordering: .acquiring) < count {
          spins += 1
          if spins & 0x3FFF == 0 { sched_yield() } else { Self.pause() }
        }
      }
    }
    busy.store(false, ordering: .releasing)
  }

  private func claimAll() {
    var seen = ticket.load(ordering: .acquiring)
    while true {
      guard seen & Self.mask < (seen >> Self.indexBits) & Self.mask else { return }
      let (claimed, current) = ticket.weakCompareExchange(
        expected: seen, desired: seen + 1, ordering: .acquiringAndReleasing)
      guard claimed else {
        seen = current
        continue
      }
      if let body { body.assumingMemoryBound(to: Body.self).pointee(Int(seen & Self.mask)) }
      finished.wrappingAdd(1, ordering: .releasing)
      seen = ticket.load(ordering: .acquiring)
    }
  }

  private var hasWork: Bool {
    let seen = ticket.load(ordering: .sequentiallyConsistent)
    return seen & Self.mask < (seen >> Self.indexBits) & Self.mask
  }

  private func work() -> Never {
    while true {
      claimAll()
      var spins = 0
      while !hasWork && spins < 3000 {
        spins += 1
        Self.pause()
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

  private func startWorker() {
    var thread = pthread_t(bitPattern: 0)
    let created = pthread_create(
      &thread, nil,
      { argument in
        if let argument { Unmanaged<WorkerPool>.fromOpaque(argument).takeUnretainedValue().work() }
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    precondition(
      created == 0, "WorkerPool: the system refused a thread (error \(created)); use fewer with --threads")
  }

  @inline(__always) private static func pause() { runnel_pause() }
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

  /// The same for work that memory bounds: every thread first takes a long stretch, then ever shorter ones, so that it reads
  /// in order and yet does not wait long for the last. Each round hands out half of what is left; none is below `grain`.
  package func splitTapering(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    let least = max(1, grain) * threads
    guard threads > 1, count >= 2 * max(1, grain) else {
      if count > 0 { body(0..<count) }
      return
    }
    let rounds = max(0, Int.bitWidth - 1 - max(1, count / least).leadingZeroBitCount)
    run(threads * (rounds + 1)) { piece in
      let (round, place) = piece.quotientAndRemainder(dividingBy: threads)
      let start = count - count >> round, end = round == rounds ? count : count - count >> (round + 1)
      let range = start + (end - start) * place / threads..<start + (end - start) * (place + 1) / threads
      if !range.isEmpty { body(range) }
    }
  }
}
