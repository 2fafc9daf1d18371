// The bytes of an input, read once from start to end: decompressed, counted and named by their hash.

import Foundation
import RunnelFiles
import Synchronization

extension CorpusInput {
  /// Passes the input on in pieces, decompressed.
  ///
  /// - Parameters:
  ///   - count: receives the bytes read so far from all inputs.
  /// - Returns: its name, size and SHA-256, as read.
  /// - Throws: `CorpusError` naming the file.
  func read(
    count: borrowing Atomic<Int>, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> CorpusHeader.Source {
    let descriptor = path == "-" ? STDIN_FILENO : try openForReading(location ?? Array(path.utf8), path)
    defer { if path != "-" { close(descriptor) } }
    let hash = BackgroundHash()
    defer { hash.stop() }
    var size = 0
    func source() throws -> [UInt8]? {
      let piece = try Self.piece(of: descriptor, path)
      try hash.update(piece)
      size += piece.count
      count.add(piece.count, ordering: .relaxed)
      return piece.isEmpty ? nil : piece
    }
    if format == .bytes {
      while let piece = try source() { try piece.withUnsafeBytes(body) }
    } else {
      var text = TextStream(
        path, reader: Self.command(takingLines: format == .jsonLines), mustBeZstd: Self.isNamedZstd(path))
      while let piece = try text.next(source) { try piece.withUnsafeBytes(body) }
    }
    return CorpusHeader.Source(name: name, bytes: size, sha256: try hash.digest())
  }

  /// Up to 256 KiB; none at the end.
  private static func piece(of descriptor: Int32, _ path: String) throws -> [UInt8] {
    var failure: Int32 = 0
    let piece = [UInt8](unsafeUninitializedCapacity: 256 << 10) { buffer, filled in
      repeat {
        filled = Foundation.read(descriptor, buffer.baseAddress, buffer.count)
        failure = filled < 0 ? errno : 0
      } while failure == EINTR
      filled = max(0, filled)
    }
    guard failure == 0 else {
      throw CorpusError(path, "cannot be read: \(String(cString: strerror(failure)))")
    }
    return piece
  }
}

/// SHA-256 on a thread of its own: it takes longer than all else that is done to an input in order.
private final class BackgroundHash: Sendable {
  private let queue = BoundedQueue<[UInt8]>(capacity: 4 << 20)
  private let result = Promise<String>()

  init() {
    let thread = Thread { [queue, result] in
      var hash = SHA256()
      do {
        while let (piece, bytes) = try queue.next({}) {
          piece.withUnsafeBytes { hash.update($0) }
          queue.giveBack(bytes: bytes)
        }
        result.fulfil(.success(hash.digest()))
      } catch {
        result.fulfil(.failure(error))
      }
    }
    thread.start()
  }

  func update(_ piece: [UInt8]) throws { try queue.push(piece, bytes: piece.count) }

  /// Of everything so far; nothing may follow.
  func digest() throws -> String {
    queue.end()
    return try result.value {}
  }

  func stop() { queue.end() }
}
