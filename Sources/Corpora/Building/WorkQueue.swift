// Threads that take jobs from one list, each with its own tools.

import Foundation

/// Runs jobs on a number of threads, in the order in which they come but for urgent ones. Whoever
/// submits them bounds their number.
final class WorkQueue<Tools>: Sendable {
  typealias Job = @Sendable (inout Tools) -> Void

  private struct State {
    var jobs: [Job] = []
    var urgent: [Job] = []
    var isClosed = false
    var threads: Int
  }
  private let state: Monitor<State>

  /// - Parameter tools: makes what a thread keeps from job to job; called on it.
  init(threads: Int, tools: @escaping @Sendable () -> Tools) {
    state = Monitor(State(threads: threads))
    for _ in 0..<threads {
      let thread = Thread { [state] in Self.work(state, tools()) }
      thread.stackSize = 8 << 20
      thread.start()
    }
  }

  func submit(isUrgent: Bool = false, _ job: @escaping Job) {
    state.withLock { state in
      if isUrgent { state.urgent.append(job) } else { state.jobs.append(job) }
    }
  }

  /// Drops the jobs that no thread has begun, and waits for the others.
  func close() {
    state.withLock { state in
      state.isClosed = true
      state.jobs.removeAll()
      state.urgent.removeAll()
    }
    _ = state.wait { $0.threads == 0 ? true : nil }
  }

  private static func work(_ state: Monitor<State>, _ tools: consuming Tools) {
    var tools = tools
    while true {
      let next = state.wait { state -> Job?? in
        if state.isClosed { return .some(nil) }
        if !state.urgent.isEmpty { return state.urgent.removeFirst() }
        return state.jobs.isEmpty ? nil : .some(state.jobs.removeFirst())
      }
      guard case .some(.some(let job)) = next else { break }
      job(&tools)
    }
    state.withLock { $0.threads -= 1 }
  }
}
