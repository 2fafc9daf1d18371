/// A stream that can be put back to any earlier position: what it reads and draws is written down, with snapshots of its
/// state from time to time.
///
///     var journal = try Journal(Session(model, sampler: Sampler(seed: 1)), in: "stream")
///     try journal.feed(prompt)
///     while let token = try journal.next() { … }
///     try journal.rewind(to: 1_000)
///
/// Going back loads the newest snapshot before the position and replays what came after it, in the same pieces and with the
/// same draws: the state has the bits that it had. A position within a piece that was read chunkwise is reached by reading
/// the shorter piece, which agrees to rounding.

import RunnelCheckpoints
import RunnelFiles
import RunnelModels

public struct Journal: ~Copyable {
  /// The stream. Its sampler may be changed through `sampler`.
  public private(set) var session: Session
  /// Tokens between snapshots.
  public let interval: Int
  private let folder: JournalFolder
  private var log: AppendFile
  private var lastSnapshot: Int

  public static func exists(_ path: String) -> Bool { JournalFolder.exists(path) }

  /// Begins a journal of a stream in a folder, or goes on with the one that is there: then the session is that of its end,
  /// and of `session` only the model counts.
  ///
  /// - Parameter note: is told what could not be compared, in one sentence.
  /// - Throws: `FileError` where the journal is another model's, damaged, or written by another process.
  public init(
    _ session: Session, in path: String, interval: Int = 1024, note: (String) -> Void = { _ in }
  ) throws {
    precondition(interval > 0, "Journal: an interval of \(interval) tokens; it must be positive")
    var session = session
    session.identifyModel()
    if !JournalFolder.exists(path) { try Destination.check(path, for: JournalFolder.kind) }
    try ModelFolder.makeFolder(path)
    // Of two that begin at once, the second would write its log over that of the first.
    let lock = try FileLock(path)
    defer { withExtendedLifetime(lock) {} }
    let isThere = JournalFolder.exists(path)
    let folder = isThere ? try JournalFolder(path) : try .create(path, for: session)
    var log = try AppendFile(folder.logPath)
    if isThere {
      let offset: Int
      (session, offset, _) = try folder.session(at: nil, of: session.model, note: note)
      // What a killed process left of its last record.
      try log.truncate(to: offset)
    } else {
      try folder.save(session, offset: log.count)
    }
    lastSnapshot = try folder.snapshots().last?.position ?? 0
    self.interval = interval
    self.session = session
    self.folder = folder
    self.log = log
  }

  /// The sampler from here on.
  public var sampler: Sampler { session.sampler }
  public mutating func setSampler(_ sampler: Sampler) throws {
    guard SamplerSnapshot(sampler) != SamplerSnapshot(session.sampler) else { return }
    try write(.sampler(SamplerSnapshot(sampler)))
    session.sampler = sampler
  }

  /// Reads tokens, as `Session.feed` does; what it refuses is not written down.
  public mutating func feed(_ tokens: some Collection<Int32>) throws {
    let ids = Array(tokens)
    try session.model.requireKnown(ids, from: session.position)
    var rest = ids[...]
    while !rest.isEmpty {
      let piece = rest.prefix(Session.prefillLength)
      rest = rest.dropFirst(piece.count)
      try write(.fed(Array(piece)))
      session.read(piece)
      try saveIfDue()
    }
  }

  /// Draws the next token and reads it; nil before the first token was fed.
  public mutating func next() throws -> Int32? {
    guard let token = try session.next() else { return nil }
    // Before anybody hears of it.
    try write(.drawn(token))
    try saveIfDue()
    return token
  }

  /// Puts the stream back; what came after the position is forgotten.
  ///
  /// - Throws: `FileError` where the position is not the journal's, or a file is damaged.
  public mutating func rewind(to position: Int) throws {
    guard position != session.position else { return }
    let (earlier, offset, piece) = try folder.session(at: position, of: session.model)
    for snapshot in try folder.snapshots() where snapshot.position > position || snapshot.offset > offset {
      folder.remove(snapshot)
    }
    try log.truncate(to: offset)
    session = earlier
    if !piece.isEmpty { try write(.fed(piece)) }
    // A snapshot of this very place stays the one.
    if try folder.snapshots().last.map({ ($0.position, $0.offset) != (position, log.count) }) ?? true {
      try folder.save(session, offset: log.count)
    }
    lastSnapshot = position
  }

  private mutating func write(_ record: JournalRecord) throws { try log.append(try record.encoded()) }

  private mutating func saveIfDue() throws {
    guard session.position - lastSnapshot >= interval else { return }
    try log.synchronize()
    try folder.save(session, offset: log.count)
    lastSnapshot = session.position
  }
}

extension Journal {
  /// What a journal says of itself without its model.
  public struct Summary: Sendable {
    public let mixer, fingerprint: String
    /// The earliest position that the stream can be put back to, and its end.
    public let positions: ClosedRange<Int>
    /// Positions of the snapshots, ascending.
    public let snapshots: [Int]
    /// Bytes of the log.
    public let byteCount: Int
  }

  public static func summary(of path: String) throws -> Summary {
    let folder = try JournalFolder(path), snapshots = try folder.snapshots()
    guard let first = snapshots.first, let last = snapshots.last else {
      throw FileError(
        path, at: "snapshots", expected: "at least one", found: "none", remedy: "begin a new journal")
    }
    var end = last.position
    try folder.forEachRecord(from: last.offset) { record, _ in
      end += record.tokens
      return true
    }
    return Summary(
      mixer: folder.header.mixer, fingerprint: folder.header.fingerprint,
      positions: first.position...max(first.position, end), snapshots: snapshots.map(\.position),
      byteCount: try InputFile(folder.logPath).size)
  }

  /// The stream of a journal as it was at a position, or at its end. The journal stays as it is.
  public static func session(
    in path: String, at position: Int?, of model: some LanguageFunction, note: (String) -> Void = { _ in }
  ) throws -> Session {
    var session = Session(model, sampler: Sampler(seed: 0))
    session.identifyModel()
    return try JournalFolder(path).session(at: position, of: session.model, note: note).session
  }
}

extension JournalFolder {
  /// The stream at a position, or at the end; how many bytes of the log led there, and what was read of the piece behind them
  /// where the position lies within one.
  fileprivate func session(
    at position: Int?, of model: some LanguageFunction, note: (String) -> Void = { _ in }
  ) throws -> (session: Session, offset: Int, piece: [Int32]) {
    try model.require(Fingerprint(header.fingerprint), in: logPath, what: "a journal", note: note)
    let snapshot = try snapshot(before: position ?? .max)
    var session = try load(snapshot, into: model)
    var offset = snapshot.offset
    // What lies behind the position is not looked at, so it may be damaged.
    guard session.position != position else { return (session, offset, []) }
    var piece: [Int32] = []
    try forEachRecord(from: offset) { record, end in
      if let position, session.position + record.tokens > position {
        if case .fed(let ids) = record {
          piece = Array(ids.prefix(position - session.position))
          try session.replay(.fed(piece), in: logPath)
        }
        return false
      }
      try session.replay(record, in: logPath)
      offset = end
      return session.position != position
    }
    if let position, session.position < position {
      throw FileError(
        path, at: "position \(position)", expected: "at most \(session.position), where the journal ends",
        found: "\(position)", remedy: "choose an earlier position")
    }
    return (session, offset, piece)
  }
}

extension Session {
  /// Does again what a record says. A draw takes the same numbers from the generator, whatever comes of it, and reads the token
  /// that was drawn then.
  fileprivate mutating func replay(_ record: JournalRecord, in path: String) throws {
    do throws(UnknownToken) {
      switch record {
      case .fed(let ids): try feed(ids)
      case .drawn(let token):
        if let logits { _ = sampler.sample(logits) }
        try feed(CollectionOfOne(token))
      case .sampler(let snapshot): sampler = snapshot.sampler
      }
    } catch {
      throw FileError(
        path, at: "position \(error.position)", expected: "tokens below \(error.vocabularySize)",
        found: "\(error.token)", remedy: FileError.damaged)
    }
  }

  /// Computes the model's fingerprint once, so that no snapshot has to.
  package mutating func identifyModel() { model = model.identified }
}
