// Values shared by threads that wait for each other, and the two things made of them here: a promise and a queue.

import Foundation

/// A value behind a lock, and a way to wait until it has become what one waits for.
///
/// Unchecked: the value is only touched while the lock is held.
final class Monitor<Value>: @unchecked Sendable {
  private let condition = NSCondition()
  private var value: Value

  init(_ value: Value) { self.value = value }

  /// Changes the value; whoever waits looks again.
  func withLock<R>(_ body: (inout Value) throws -> R) rethrows -> R {
    condition.lock()
    defer {
      condition.broadcast()
      condition.unlock()
    }
    return try body(&value)
  }

  /// Waits until `body` gives a result; nil if it has not done so after `seconds`.
  func wait<R>(atMost seconds: Double? = nil, _ body: (inout Value) -> R?) -> R? {
    let end = seconds.map { Date(timeIntervalSinceNow: $0) }
    condition.lock()
    defer {
      condition.broadcast()
      condition.unlock()
    }
    while true {
      if let result = body(&value) { return result }
      if let end {
        if !condition.wait(until: end) { return body(&value) }
      } else {
        condition.wait()
      }
    }
  }
}

/// How long a waiting thread sleeps before it looks after the rest of its work, in seconds.
private let tick = 0.1

/// A result that another thread will bring.
final class Promise<Value: Sendable>: Sendable {
  private let result = Monitor<Result<Value, any Error>?>(nil)

  func fulfil(_ value: Result<Value, any Error>) { result.withLock { $0 = value } }

  var isFulfilled: Bool { result.withLock { $0 != nil } }

  /// Waits for the result, calling `idle` now and then; what it throws ends the waiting.
  func value(_ idle: () throws -> Void) throws -> Value {
    while true {
      if let result = result.wait(atMost: tick, { $0 }) { return try result.get() }
      try idle()
    }
  }
}

/// A queue from one thread to another that holds so many bytes and no more.
final class BoundedQueue<Element: Sendable>: Sendable {
  /// The other side has gone: whoever meets it stops too.
  struct Closed: Error {}

  private struct State {
    var elements: [(element: Element, bytes: Int)] = []
    var bytes = 0
    var isEnded = false
    var isClosed = false
    var failure: (any Error)?
  }
  private let state = Monitor(State())
  private let capacity: Int

  init(capacity: Int) { self.capacity = capacity }

  /// Waits for room and adds an element; one larger than the queue waits until it is alone.
  func push(_ element: Element, bytes: Int) throws {
    let isOpen = state.wait { state -> Bool? in
      if state.isClosed { return false }
      guard state.bytes == 0 || state.bytes + bytes <= self.capacity else { return nil }
      state.elements.append((element, bytes))
      state.bytes += bytes
      return true
    }
    if isOpen != true { throw Closed() }
  }

  /// No element follows; a failure is met after those that are waiting.
  func end(_ failure: (any Error)? = nil) {
    state.withLock { ($0.isEnded, $0.failure) = (true, failure) }
  }

  /// Nobody takes elements any more.
  func close() {
    state.withLock { state in
      state.isClosed = true
      state.elements.removeAll()
    }
  }

  /// The next element, which keeps its bytes occupied until they are given back; nil at the end.
  func next(_ idle: () throws -> Void) throws -> (element: Element, bytes: Int)? {
    while true {
      let step = state.wait(atMost: tick) { state -> (element: Element, bytes: Int)?? in
        if !state.elements.isEmpty { return .some(state.elements.removeFirst()) }
        return state.isEnded ? .some(nil) : nil
      }
      switch step {
      case .some(.some(let next)): return next
      case .some(nil):
        if let failure = state.withLock({ $0.failure }) { throw failure }
        return nil
      case nil: try idle()
      }
    }
  }

  /// Makes room for `bytes` more.
  func giveBack(bytes: Int) { state.withLock { $0.bytes -= bytes } }
}
