/// Texts side by side: one step of the model for all of them.

import RunnelModels

/// Continuations that are drawn together, join and leave at any token. What one gives does not depend on the others: see
/// ``SessionBatch``.
public struct TextBatch: Sendable {
  /// One of them.
  public struct Member: Sendable {
    /// What whoever added it calls it.
    public let id: Int
    /// How it stands.
    public fileprivate(set) var continuation: Continuation
    /// Its text so far; of one that has left, all of it.
    public fileprivate(set) var text: [UInt8] = []

    /// A continuation before its first token.
    public init(id: Int, _ continuation: Continuation) { (self.id, self.continuation) = (id, continuation) }
  }

  private var sessions: SessionBatch
  private var running: [Member] = []

  /// No continuations yet.
  public init(_ model: some LanguageFunction) { sessions = SessionBatch(model) }

  /// How many go on.
  public var count: Int { running.count }
  /// Whether none does.
  public var isEmpty: Bool { running.isEmpty }

  /// Takes in continuations, each with a stream of the model that has read a token. Copies all states.
  public mutating func add(_ members: [(member: Member, session: Session)]) {
    sessions.add(members.map(\.session))
    running += members.map(\.member)
  }

  /// Draws one token of every continuation.
  ///
  /// - Parameter shouldStop: is asked once; if so, all of them end with this token.
  /// - Returns: those that ended with it, whole.
  /// - Throws: `SessionBatch.Failure` where the scores of one are not finite; nothing has been drawn then.
  public mutating func next(shouldStop: () -> Bool = { false }) throws -> [Member] {
    for (i, token) in try sessions.next().enumerated() {
      running[i].continuation.add(token)
      running[i].text += running[i].continuation.take()
    }
    let isOver = shouldStop()
    func goesOn(_ member: Member) -> Bool { member.continuation.end == nil && !isOver }
    let rows = running.indices.filter { goesOn(running[$0]) }
    guard rows.count < running.count else { return [] }
    var ended = running.filter { !goesOn($0) }
    for i in ended.indices { ended[i].text += ended[i].continuation.finish() }
    sessions.keep(rows)
    running = rows.map { running[$0] }
    return ended
  }
}
