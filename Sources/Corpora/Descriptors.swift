// Files by their descriptors, for what is read or written once, from start to end.

import Foundation

/// Opens the file at `location` for reading, or says in one sentence why not; errors call it `path`.
package func openForReading(_ location: [UInt8], _ path: String) throws -> Int32 {
  let descriptor = location.withPath { open($0, O_RDONLY | O_CLOEXEC) }
  guard descriptor >= 0 else { throw CorpusError(path, "cannot be opened: \(systemMessage())") }
  var status = stat()
  if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
    close(descriptor)
    throw CorpusError(path, "is a folder; name the files in it")
  }
  return descriptor
}

/// Whether something stands at `path` that gives its bytes once.
func isPipe(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
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
