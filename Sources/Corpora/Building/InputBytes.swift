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
    let descriptor = path == "-" ? STDIN_FILENO : try openForReading(path)
    defer { if path != "-" { close(descriptor) } }
    let hash = BackgroundHash()
    defer { hash.stop() }
    var size = 0
    var isCompressed = isCompressed
    var stream = try ZstdStream()
    while true {
      let piece = try Self.piece(of: descriptor, path)
      guard !piece.isEmpty else { break }
      try hash.update(piece)
      // A pipe gives a first piece of at least four bytes unless the whole is shorter.
      let isZstd =
        isCompressed ?? (piece.count >= 4 && piece.integer(at: 0, as: UInt32.self) == SeekTable.frameMagic)
      isCompressed = isZstd
      try piece.withUnsafeBytes { bytes in
        guard isZstd else { return try body(bytes) }
        do {
          try stream.decode(bytes, body)
        } catch let failure as ZstdFailure {
          throw CorpusError(path, "is not sound zstd data: \(failure.message)", offset: size)
        }
      }
      size += piece.count
      count.add(piece.count, ordering: .relaxed)
    }
    guard stream.isComplete else {
      throw CorpusError(path, "ends inside a zstd frame: it was cut short", offset: size)
    }
    return CorpusHeader.Source(name: name, bytes: size, sha256: try hash.digest())
  }

  /// Up to 256 KiB; none at the end.
  private static func piece(of descriptor: Int32, _ path: String) throws -> [UInt8] {
    var failure: Int32 = 0
    let piece = [UInt8](unsafeUninitializedCapacity: 256 << 10) { buffer, filled in
      // A pipe's writer may bring single bytes; wait for the few that tell a compressed stream.
      while filled < 4 {
        let n = Foundation.read(
          descriptor, buffer.baseAddress.map { $0 + filled }, buffer.count - filled)
        if n < 0 && errno == EINTR { continue }
        if n < 0 { failure = errno }
        guard n > 0 else { return }
        filled += n
      }
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
