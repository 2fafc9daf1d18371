/// The one stream of a command, with its journal where there is one.

import Runnel

enum RecordedStream: ~Copyable {
  case plain(Session)
  case recorded(Journal)

  var session: Session {
    switch self {
    case .plain(let session): session
    case .recorded(let journal): journal.session
    }
  }
  var model: StreamingModel { session.model }

  mutating func feed(_ ids: [Int32]) throws {
    switch consume self {
    case .plain(var session):
      let result = Result { try session.feed(ids) }
      self = .plain(session)
      try result.get()
    case .recorded(var journal):
      let result = Result { try journal.feed(ids) }
      self = .recorded(journal)
      try result.get()
    }
  }

  mutating func next() throws -> Int32? {
    switch consume self {
    case .plain(var session):
      let token = Result { try session.next() }
      self = .plain(session)
      return try token.get()
    case .recorded(var journal):
      let result = Result { try journal.next() }
      self = .recorded(journal)
      return try result.get()
    }
  }
}
