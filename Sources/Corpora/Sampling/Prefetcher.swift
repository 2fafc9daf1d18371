// The next segment, made while the one before is being used.

import Dispatch
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A sampler that works ahead by one segment in the background.
///
/// It is a value as the sampler is: a copy shares the pending segment, which never changes once it
/// is there, and from then on goes its own way. A failure is thrown by the `next` it belongs to.
public struct Prefetcher: Sendable {
  /// The sampler, where the segments given out so far have left it.
  public private(set) var sampler: SegmentSampler
  /// Seconds that `next` has taken: what training has waited for its data.
  public private(set) var secondsWaited = 0.0
  private let isAhead: Bool
  private var pending: Pending?

  /// - Parameter isAhead: whether to work ahead; the segments are the same either way.
  public init(_ sampler: SegmentSampler, isAhead: Bool = true) {
    self.sampler = sampler
    self.isAhead = isAhead
  }

  /// The sampler's next segment.
  ///
  /// - Throws: what the sampler throws; it then stays where it was, and the next call tries again.
  public mutating func next() throws -> Segment {
    let start = ContinuousClock.now
    defer { secondsWaited += (ContinuousClock.now - start) / .seconds(1) }
    let current = pending ?? Pending(sampler)
    pending = nil
    let (segment, after) = try current.value()
    sampler = after
    if isAhead { pending = Pending(after).started() }
    return segment
  }
}

/// A segment to be: made by whoever comes first, the background or the one who needs it.
private final class Pending: Sendable {
  private typealias Outcome = Result<(Segment, SegmentSampler), any Error>

  private let sampler: SegmentSampler
  private let isClaimed = Atomic(false)
  private let outcome = Mutex<Outcome?>(nil)
  private let isDone = DispatchGroup()

  init(_ sampler: SegmentSampler) {
    self.sampler = sampler
    isDone.enter()
  }

  /// Begins the work on a thread of its own. Where the system gives none, it is done when it is needed: a queue of Dispatch would
  /// wait for a thread for ever.
  func started() -> Pending {
    var thread = pthread_t(bitPattern: 0)
    let own = Unmanaged.passRetained(self)
    let refused = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Pending>.fromOpaque(argument).takeRetainedValue().work()
        return nil
      }, own.toOpaque())
    if refused == 0 { pthread_detach(thread) } else { own.release() }
    return self
  }

  /// The segment, and the sampler after it.
  func value() throws -> (Segment, SegmentSampler) {
    work()
    isDone.wait()
    guard let outcome = outcome.withLock({ $0 }) else {
      preconditionFailure("a segment is done, but not there")
    }
    return try outcome.get()
  }

  private func work() {
    guard !isClaimed.exchange(true, ordering: .relaxed) else { return }
    var sampler = sampler
    let made = Outcome { (try sampler.next(), sampler) }
    outcome.withLock { $0 = made }
    isDone.leave()
  }
}
