// Files as the corpus needs them: bounded random reads, and writes that appear whole or not at all.

import Foundation

/// A regular file open for random reads from any thread.
final class InputFile: Sendable {
  let path: String
  /// The size when opened, in bytes; every read is bounded by it.
  let size: Int
  private let descriptor: Int32

  init(path: String) throws {
    descriptor = try openForReading(path)
    self.path = path
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw CorpusError(path, "is not a regular file; a corpus is read at random places")
    }
    size = Int(status.st_size)
  }

  deinit { close(descriptor) }

  /// Fills `buffer` with the bytes from `offset` on.
  func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
    var done = 0
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let n = pread(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
      if n < 0 && errno == EINTR { continue }
      guard n > 0 else {
        let why = n < 0 ? systemMessage() : "the file ended early; was it cut while open?"
        throw CorpusError(path, "cannot read: \(why)", offset: offset + done)
      }
      done += n
    }
  }

  /// The bytes `offset ..< offset + count`; an error when the file does not hold them.
  func bytes(at offset: Int, count: Int) throws -> [UInt8] {
    guard offset >= 0, count >= 0, offset <= size, count <= size - offset else {
      throw CorpusError(
        path, "\(count) bytes expected, \(max(0, size - offset)) left in the file", offset: offset)
    }
    return try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      try read(at: offset, into: UnsafeMutableRawBufferPointer(buffer))
      filled = count
    }
  }
}

/// A file that comes into being whole: written beside its place, synced, renamed.
/// Dropped without `commit`, it leaves nothing behind.
final class OutputFile {
  let path: String
  private let temporary: String
  private var descriptor: Int32

  init(path: String) throws {
    self.path = path
    let (folder, name) = parts(of: path)
    let unique = String(UInt32.random(in: 0...UInt32.max), radix: 36)
    temporary = folder + "/.\(name).\(getpid())-\(unique).tmp"
    descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      throw CorpusError(path, "cannot write into its folder: \(systemMessage())")
    }
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    unlink(temporary)
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    try writeAll(bytes, to: descriptor, named: path)
  }

  /// Makes the file appear under its name, replacing what was there.
  func commit() throws {
    guard fsync(descriptor) == 0, rename(temporary, path) == 0 else {
      throw CorpusError(path, "cannot be put in place: \(systemMessage())")
    }
    close(descriptor)
    descriptor = -1
    let folder = parts(of: path).folder
    let directory = open(folder.isEmpty ? "." : folder, O_RDONLY | O_CLOEXEC)
    guard directory >= 0 else { return }
    fsync(directory)
    close(directory)
  }
}

/// Opens `path` for reading, or says in one sentence why not.
func openForReading(_ path: String) throws -> Int32 {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw CorpusError(path, "cannot be opened: \(systemMessage())") }
  var status = stat()
  if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
    close(descriptor)
    throw CorpusError(path, "is a folder; name the files in it")
  }
  return descriptor
}

/// Writes all of `bytes` to a descriptor.
func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, named path: String) throws {
  var rest = bytes[...]
  while !rest.isEmpty {
    let piece = UnsafeRawBufferPointer(rebasing: rest)
    let n = Foundation.write(descriptor, piece.baseAddress, piece.count)
    if n < 0 && errno == EINTR { continue }
    guard n > 0 else { throw CorpusError(path, "cannot be written: \(systemMessage())") }
    rest = rest.dropFirst(n)
  }
}

/// The system's words for the last error.
func systemMessage() -> String { String(cString: strerror(errno)) }

/// The folder of a path, "." for a bare name, and the name in it. (Foundation's own splitting traps on names of one
/// letter in the Swift 6.3 library for Linux.)
func parts(of path: String) -> (folder: String, name: String) {
  guard let slash = path.lastIndex(of: "/") else { return (".", path) }
  return (slash == path.startIndex ? "/" : String(path[..<slash]), String(path[path.index(after: slash)...]))
}
