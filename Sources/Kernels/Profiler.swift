/// Where the time of a computation goes: what the threads of the pool do for each operation, and how long they wait.

import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Watches one thread compute on a pool.
///
/// Operations say where they begin and end (`begin`, `end`), and of operations within others the innermost has the time. The
/// pool says what its threads do for a job and how long they wait for the others. So every instant of every thread of
/// the pool is in one account. Where nobody watches, each of these calls is one branch.
package final class Profiler: @unchecked Sendable {
  /// What an operation is for.
  package enum Work: String, CaseIterable, Sendable {
    case products
    /// The matrix products within a recurrence's chunks.
    case chunkProducts = "chunk products"
    case recurrence, convolution, elementwise, norms, embedding, loss, optimizer
    /// Whatever is between operations: models, the tape, memory.
    case rest
  }

  /// The thread that is watched, or 0. It alone reads `current`.
  private static let watched = Atomic<UInt>(0)
  private nonisolated(unsafe) static var current: Profiler?

  /// Nanoseconds of `Gemm.serial`, on all threads, since an account was last brought up to date.
  private static let products = Atomic<UInt64>(0)

  private let pool: WorkerPool
  private let start = now
  /// The operations that have begun and not ended, as places in `accounts`.
  private var open = [0]
  private var accounts = [Profile.Account(operation: Profile.Operation(name: "", work: .rest))]
  private var places = [Profile.Operation(name: "", work: .rest): 0]
  /// The same by where the name is, so that one that was met before is not made again.
  private var known: [Mention: Int] = [:]
  /// Up to when all time is in an account.
  private var mark: UInt64
  private var isInJob = false
  private var othersBefore: UInt64 = 0
  private var ownEnd: UInt64 = 0

  private init(_ pool: WorkerPool) {
    self.pool = pool
    mark = start
  }

  /// Where the time goes that `body` takes on this thread and the pool. One at a time: it waits while another one watches.
  package static func profile<E: Error>(
    on pool: WorkerPool = .shared, _ body: () throws(E) -> Void
  ) throws(E) -> Profile {
    try turn.withLock { (_) throws(E) in try watch(pool, body) }
  }
  private static let turn = Mutex(())

  private static func watch<E: Error>(_ pool: WorkerPool, _ body: () throws(E) -> Void) throws(E) -> Profile {
    watched.store(thisThread, ordering: .sequentiallyConsistent)
    let profiler = Profiler(pool)
    current = profiler
    products.store(0, ordering: .relaxed)
    defer {
      current = nil
      watched.store(0, ordering: .sequentiallyConsistent)
    }
    try body()
    profiler.advance(to: now)
    return Profile(
      threads: pool.threads, seconds: 1e-9 * Double(profiler.mark - profiler.start), profiler.accounts)
  }

  static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// Whether some thread is watched.
  static var isActive: Bool { watched.load(ordering: .relaxed) != 0 }

  private static var thisThread: UInt {
    #if canImport(Glibc)
      pthread_self()
    #else
      UInt(bitPattern: pthread_self())
    #endif
  }

  /// The one that watches this thread, unless it works on a part of a job, which has an account already.
  private static var own: Profiler? {
    guard isActive, watched.load(ordering: .relaxed) == thisThread, let current, !current.isInJob else {
      return nil
    }
    return current
  }

  // Operations ---------------------------------------------------------------------------------------------------------

  /// An operation begins, or a part of one.
  ///
  /// - Parameter isBackward: whether it makes gradients; what is within it then does, too.
  package static func begin(
    _ work: Work, _ operation: StaticString = #function, isBackward: Bool = false
  ) {
    guard let own else { return }
    own.advance(to: now)
    own.open.append(
      own.place(
        Mention(
          name: operation.utf8Start, work: work,
          isBackward: isBackward || own.accounts[own.innermost].operation.isBackward), operation))
  }

  /// An operation in one direction, as the place says that it begins at.
  private struct Mention: Hashable {
    let name: UnsafePointer<UInt8>
    let work: Work
    let isBackward: Bool
  }

  private func place(_ mention: Mention, _ name: StaticString) -> Int {
    if let place = known[mention] { return place }
    let place = place(
      Profile.Operation(
        name: String("\(name)".prefix { $0 != "(" }), work: mention.work, isBackward: mention.isBackward))
    known[mention] = place
    return place
  }

  /// What began last ends.
  package static func end() {
    guard let own else { return }
    precondition(own.open.count > 1, "Profiler: an operation ends that has not begun")
    own.advance(to: now)
    own.open.removeLast()
  }

  /// What the innermost operation is for.
  package static var work: Work { own.map { $0.accounts[$0.innermost].operation.work } ?? .rest }

  private var innermost: Int { open[open.count - 1] }

  private func place(_ operation: Profile.Operation) -> Int {
    if let place = places[operation] { return place }
    accounts.append(Profile.Account(operation: operation))
    places[operation] = accounts.count - 1
    return accounts.count - 1
  }

  /// The innermost operation had this thread since the mark, and the others nothing to do.
  private func advance(to time: UInt64) {
    let elapsed = time - mark
    mark = time
    add(Profile.Time(computing: elapsed, idle: UInt64(pool.threads - 1) * elapsed))
  }

  private func add(_ time: Profile.Time) {
    let products = Self.products.exchange(0, ordering: .relaxed), innermost = innermost
    accounts[innermost].time += time
    guard products > 0, accounts[innermost].operation.work == .recurrence else { return }
    let moved = min(products, accounts[innermost].time.computing)
    var operation = accounts[innermost].operation
    operation.work = .chunkProducts
    accounts[innermost].time.computing -= moved
    accounts[place(operation)].time.computing += moved
  }

  // The pool -----------------------------------------------------------------------------------------------------------

  /// The one that is to be told of a job of this thread on `pool`, if any.
  static func watching(_ pool: WorkerPool) -> Profiler? {
    guard let own, own.pool === pool else { return nil }
    return own
  }

  /// A job begins; the other threads have computed for `others` nanoseconds so far.
  func beginJob(others: UInt64) {
    advance(to: Self.now)
    (isInJob, othersBefore) = (true, others)
  }

  /// This thread has done its part of the job.
  func endOwnPart() { ownEnd = Self.now }

  /// The job is done.
  func endJob(others: UInt64) {
    let end = Self.now, elapsed = end - mark
    let computing = min(ownEnd - mark + others - othersBefore, UInt64(pool.threads) * elapsed)
    (mark, isInJob) = (end, false)
    add(Profile.Time(computing: computing, waiting: UInt64(pool.threads) * elapsed - computing))
  }

  /// A product has run on some thread since `start`.
  static func addProduct(since start: UInt64) { products.wrappingAdd(now - start, ordering: .relaxed) }
}
