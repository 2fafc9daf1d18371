/// A regular file open for reading at any offset.
///
/// Read with pread rather than mapped: a file that shrinks under a mapping kills the process, a short read is
/// an error with a name.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

package final class InputFile: Sendable {
  package let path: String
  package let size: Int
  let descriptor: Int32

  package init(_ path: String) throws(FileError) {
    // A path cut short at a NUL would be another file.
    guard !path.utf8.contains(0) else {
      throw FileError(
        path, at: "opening", expected: "a path", found: "one with a zero byte", remedy: "check the path")
    }
    // Without O_NONBLOCK, opening a pipe would wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw FileError.system(path, "opening", expected: "a readable file", remedy: "check the path")
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw FileError(
        path, at: "opening", expected: "a regular file", found: "a folder, pipe or device",
        remedy: "check the path")
    }
    self.path = path
    self.size = Int(status.st_size)
    self.descriptor = descriptor
  }
  deinit { close(descriptor) }

  /// Whether this is still the file that its name stands for.
  package var isCurrent: Bool {
    var open = stat()
    var named = stat()
    return fstat(descriptor, &open) == 0 && stat(path, &named) == 0 && open.st_dev == named.st_dev
      && open.st_ino == named.st_ino
  }

  /// Fills the whole buffer from the bytes at `offset`.
  package func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
    var done = 0
    while done < buffer.count {
      let part = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let count = pread(descriptor, part.baseAddress, min(part.count, 1 << 30), off_t(offset + done))
      if count > 0 {
        done += count
      } else if count == 0 {
        throw FileError(
          path, at: "byte \(offset + done)", expected: "\(counted(buffer.count - done, "byte")) more",
          found: "the end of the file", remedy: "the file shrank while it was read: try again")
      } else if errno != EINTR {
        throw FileError.system(
          path, "reading at byte \(offset + done)", expected: counted(part.count, "byte"),
          remedy: "check the disk")
      }
    }
  }

  package func bytes(at offset: Int, count: Int) throws(FileError) -> [UInt8] {
    try elements(at: offset, count: count, zero: UInt8(0))
  }

  /// `count` numbers as they lie in the file, which is little-endian as every machine we build for.
  package func elements<Element: BitwiseCopyable>(
    at offset: Int, count: Int, zero: Element
  ) throws(FileError) -> [Element] {
    var elements = [Element](repeating: zero, count: count)
    try elements.withUnsafeMutableBufferPointer { buffer throws(FileError) in
      try read(at: offset, into: UnsafeMutableRawBufferPointer(buffer))
    }
    return elements
  }
}

/// The last part of a path.
package func fileName(of path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }
package func fileExists(_ path: String) -> Bool { access(path, F_OK) == 0 }
package func isFolder(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

extension FileError {
  /// The error that the last system call left in errno.
  package static func system(
    _ file: String, _ place: String, expected: String, remedy: String, error: Int32 = errno
  ) -> FileError {
    let advice =
      switch error {
      case ENOSPC, EDQUOT, EFBIG: "free some space or choose another disk"
      case EACCES, EPERM, EROFS: "check the permissions"
      case EMFILE, ENFILE: "raise the limit on open files (ulimit -n)"
      case EIO: "check the disk"
      default: remedy
      }
    return FileError(
      file, at: place, expected: expected, found: "\"\(String(cString: strerror(error)))\"", remedy: advice)
  }
}
