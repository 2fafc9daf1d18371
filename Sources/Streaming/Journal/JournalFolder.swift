/// A journal on disk: a folder with the log of all that a stream read and drew, and states of it from time to time.
///
/// `journal.log` is one line of JSON (`format`, `fingerprint`, `mixer`), then records. A snapshot `P-O-N.state` is the stream's
/// state file at position P, where the log had O bytes; N numbers the snapshots. Recent ones are all kept, older ones the
/// more sparsely the older: of n, about 8 log₂ n stay, and going back a tokens replays at most about a / 4 of them.

import Foundation
import RunnelCheckpoints
import RunnelFiles
import RunnelModels

struct JournalFolder {
  static let format = "runnel-journal-1"
  static let logName = "journal.log"
  static let kind = FileKind("a journal") { exists($0) }
  private static let maximumHeader = 1 << 16
  /// Snapshots of the newest kind that are kept, and for each power of two behind them.
  private static let kept = 8

  struct Header: Codable {
    let format, fingerprint, mixer: String
  }

  struct Snapshot: Comparable {
    let position, offset, number: Int
    var name: String { "\(position)-\(offset)-\(number).state" }
    static func < (a: Snapshot, b: Snapshot) -> Bool { a.number < b.number }
  }

  let path: String
  let header: Header
  /// Where the records begin.
  let start: Int
  var logPath: String { path + "/" + Self.logName }

  static func exists(_ path: String) -> Bool { fileExists(path + "/" + logName) }

  init(_ path: String) throws {
    let log = try InputFile(path + "/" + Self.logName)
    let bytes = try log.bytes(at: 0, count: min(log.size, Self.maximumHeader))
    guard let end = bytes.firstIndex(of: 0x0A),
      let header = try? JSONDecoder().decode(Header.self, from: Data(bytes[..<end])),
      header.format == Self.format
    else {
      throw FileError(
        path + "/" + Self.logName, at: "byte 0", expected: "a journal made by --journal",
        found: "something else",
        remedy: "name the folder of a journal")
    }
    try Seal.check(Array(bytes[..<end]), path + "/" + Self.logName)
    (self.path, self.header, start) = (path, header, end + 1)
  }

  /// Makes the log of a stream of this model that has read nothing yet, in a folder that its only writer holds.
  static func create(_ path: String, for session: Session) throws -> JournalFolder {
    let header = Header(
      format: format, fingerprint: session.model.fingerprint, mixer: session.model.mixerName)
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    try AtomicFile.write(Seal.sealed(Array(try encoder.encode(header))) + [0x0A], to: path + "/" + logName)
    return try JournalFolder(path)
  }

  /// The snapshots that belong to the log, oldest first.
  func snapshots() throws -> [Snapshot] {
    let size = try InputFile(logPath).size
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.compactMap { name -> Snapshot? in
      guard name.hasSuffix(".state") else { return nil }
      let numbers = name.dropLast(6).split(separator: "-").map { Int($0) }
      guard numbers.count == 3, let position = numbers[0], let offset = numbers[1], let number = numbers[2],
        position >= 0, number >= 0, (start...max(start, size)).contains(offset)
      else { return nil }
      return Snapshot(position: position, offset: offset, number: number)
    }.sorted()
  }

  /// The newest snapshot at or before a position.
  func snapshot(before position: Int) throws -> Snapshot {
    guard let found = try snapshots().last(where: { $0.position <= position }) else {
      throw FileError(
        path, at: "position \(position)", expected: "a snapshot at or before it", found: "none",
        remedy: "the journal begins later, or its first snapshot was removed: choose a later position")
    }
    return found
  }

  func load(_ snapshot: Snapshot, into model: some LanguageFunction) throws -> Session {
    try StateFile.load(path + "/" + snapshot.name, into: model).session
  }

  /// Keeps the session as a snapshot, and drops older ones that are too many.
  func save(_ session: Session, offset: Int) throws {
    let existing = try snapshots(), number = (existing.last?.number ?? -1) + 1
    let snapshot = Snapshot(position: session.position, offset: offset, number: number)
    try StateFile.save(session, to: path + "/" + snapshot.name)
    for old in existing where old.number > 0 {
      // Of numbers that 2^z divides, those of the last 8 · 2^z stay.
      let reach = Self.kept << min(old.number.trailingZeroBitCount, 40)
      if number - old.number >= reach { remove(old) }
    }
  }

  func remove(_ snapshot: Snapshot) {
    try? FileManager.default.removeItem(atPath: path + "/" + snapshot.name)
  }

  /// Calls `body` with each whole record from `offset` on and the place behind it, until it wants no more; returns the place
  /// behind the last record that was read.
  ///
  /// - Throws: `FileError` where a record is damaged, naming its place.
  @discardableResult
  func forEachRecord(from offset: Int, _ body: (JournalRecord, Int) throws -> Bool) throws -> Int {
    let log = try InputFile(logPath)
    var window: [UInt8] = [], place = offset, used = 0
    while true {
      do {
        while let (record, length) = try JournalRecord.decode(window[used...]) {
          guard try body(record, place + length) else { return place }
          (place, used) = (place + length, used + length)
        }
      } catch is JournalRecord.Damage {
        throw FileError(
          logPath, at: "byte \(place)", expected: "a record", found: "damage",
          remedy: "go back to a position before it with `runnel state fork --at`")
      }
      window.removeFirst(used)
      used = 0
      let next = place + window.count
      let more = min(log.size - next, 1 << 16)
      guard more > 0 else { return place }
      window += try log.bytes(at: next, count: more)
    }
  }
}
