/// One process at a time at a file or a folder.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// An exclusive lock on the file or folder of a name, given back when it goes, and by the death of the process.
///
/// Writers replace files by renaming, so the file of a name may have become another between opening and locking. The lock
/// is on the file that has the name when `init` returns: whoever reads it then reads what the writer before left.
package struct FileLock: ~Copyable {
  package let path: String
  /// What is found where another process holds the lock.
  package static let busy = "another process that writes it"
  private let descriptor: Int32

  package init(_ path: String) throws(FileError) {
    self.path = path
    while true {
      let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
      guard descriptor >= 0 else {
        throw FileError.system(path, "locking", expected: "a file or folder", remedy: "check the path")
      }
      var held = stat()
      var named = stat()
      do throws(FileError) {
        try Self.lock(descriptor, of: path)
      } catch {
        close(descriptor)
        throw error
      }
      if fstat(descriptor, &held) == 0, stat(path, &named) == 0, held.st_dev == named.st_dev,
        held.st_ino == named.st_ino
      {
        self.descriptor = descriptor
        return
      }
      Self.release(descriptor)
    }
  }
  deinit { Self.release(descriptor) }

  /// Unlocks and closes. A child that another thread is starting has a copy of the descriptor until it runs its program, and
  /// closing alone would leave the lock with it.
  static func release(_ descriptor: Int32) {
    _ = flock(descriptor, LOCK_UN)
    close(descriptor)
  }

  /// Locks an open file until it is closed.
  static func lock(_ descriptor: Int32, of path: String) throws(FileError) {
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      if errno == EINTR { continue }
      guard errno == EWOULDBLOCK else {
        throw FileError.system(path, "locking", expected: "success", remedy: "choose another disk")
      }
      throw FileError(
        path, at: "opening", expected: "to be its only writer", found: busy,
        remedy: "wait for that process, or choose another place")
    }
  }
}
