/// A file that grows at its end, by one process at a time.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The one owner of a file being appended to; closed when it goes. What has been appended survives the death of the
/// process, and with `synchronize` that of the machine.
package struct AppendFile: ~Copyable {
  package let path: String
  /// Bytes in the file: the place of the next append.
  package private(set) var count: Int
  private let descriptor: Int32

  /// Opens the file, or makes an empty one. It is refused while another process appends to it.
  package init(_ path: String) throws(FileError) {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      throw FileError.system(path, "opening", expected: "a file one can write to", remedy: "check the path")
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw FileError(
        path, at: "opening", expected: "a regular file", found: "a folder, pipe or device",
        remedy: "check the path")
    }
    do throws(FileError) {
      try FileLock.lock(descriptor, of: path)
    } catch {
      close(descriptor)
      throw error
    }
    self.path = path
    count = Int(status.st_size)
    self.descriptor = descriptor
  }
  deinit { FileLock.release(descriptor) }

  /// Appends all bytes, or none: a write that fails half-way is taken back.
  package mutating func append(_ bytes: [UInt8]) throws(FileError) {
    var done = 0
    while done < bytes.count {
      let written = bytes[done...].withUnsafeBytes {
        pwrite(descriptor, $0.baseAddress, $0.count, off_t(count + done))
      }
      guard written >= 0 || errno == EINTR else {
        let error = FileError.system(
          path, "writing byte \(count + done)", expected: "room on the disk", remedy: "check the disk")
        _ = ftruncate(descriptor, off_t(count))
        throw error
      }
      done += max(0, written)
    }
    count += done
  }

  /// Cuts the file off behind its first `count` bytes.
  package mutating func truncate(to count: Int) throws(FileError) {
    guard ftruncate(descriptor, off_t(count)) == 0 else {
      throw FileError.system(
        path, "cutting it to \(count) bytes", expected: "success", remedy: "check the disk")
    }
    self.count = count
  }

  package func synchronize() throws(FileError) {
    guard fsync(descriptor) == 0 else {
      throw FileError.system(
        path, "writing it to disk", expected: "room on the disk", remedy: "check the disk")
    }
  }
}
