/// Files that are on disk whole or not at all.
///
/// The bytes go to a temporary file `.runnel-….tmp` in the same folder, are forced to disk, and take the name
/// in one step. Whoever reads the name sees the old file or the new one, at every instant and after a loss of
/// power. A process killed in between leaves the temporary file and the old file as it was; the next writer in that
/// folder removes such files.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What files are called that have no name of their own yet.
package enum TemporaryName {
  /// - Parameter folder: ends with a slash.
  package static func random(in folder: String) -> String {
    folder + ".runnel-\(String(UInt64.random(in: 0 ... .max), radix: 16)).tmp"
  }
  static func matches(_ name: String) -> Bool { name.hasPrefix(".runnel-") && name.hasSuffix(".tmp") }
}

public enum AtomicFile {
  public static func write(_ bytes: [UInt8], to path: String) throws(FileError) {
    try write(to: path) { output throws(FileError) in
      try bytes.withUnsafeBufferPointer { buffer throws(FileError) in
        try output.write(UnsafeRawBufferPointer(buffer))
      }
    }
  }
  public static func write(_ text: String, to path: String) throws(FileError) {
    try write(Array(text.utf8), to: path)
  }

  /// Replaces the file by what `body` writes; an error in it leaves everything as it was.
  package static func write(
    to path: String, _ body: (inout OutputFile) throws(FileError) -> Void
  ) throws(FileError) {
    var output = try OutputFile(path)
    try body(&output)
    try output.commit()
  }
}

/// The one owner of a file being written. It takes its name with `commit`; dropped before, it leaves nothing
/// behind and what was there stays.
package struct OutputFile: ~Copyable {
  package let path: String
  package private(set) var count = 0
  private let target: String
  private let folder: String
  private let temporary: String
  private let descriptor: Int32
  private var isCommitted = false

  package init(_ path: String) throws(FileError) {
    let target = try Self.resolved(path), folder = Self.folder(of: target)
    let temporary = TemporaryName.random(in: folder)
    var old = stat()
    let replaces = stat(target, &old) == 0
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, replaces ? 0o600 : 0o666)
    guard descriptor >= 0 else {
      throw FileError.system(
        path, "creating a temporary file beside it", expected: "a folder one can write to",
        remedy: "check that the folder exists")
    }
    // The lock tells a file under way from one that a killed process left.
    _ = flock(descriptor, LOCK_EX | LOCK_NB)
    if replaces {
      // Whoever may read the old file may read the new one, and nobody else. Only root gives files to others.
      if fchown(descriptor, old.st_uid, old.st_gid) != 0 { _ = fchown(descriptor, uid_t.max, old.st_gid) }
      _ = fchmod(descriptor, old.st_mode & 0o777)
    }
    self.path = path
    self.target = target
    self.folder = folder
    self.temporary = temporary
    self.descriptor = descriptor
    Self.removeAbandoned(in: folder)
  }
  deinit {
    // The file may have its name by now, and whoever opens it next may want to lock it.
    FileLock.release(descriptor)
    if !isCommitted { unlink(temporary) }
  }

  /// Removes temporary files whose writers are gone: nobody holds their lock. A very young one may belong to a writer that
  /// has not locked it yet.
  private static func removeAbandoned(in folder: String) {
    guard let listing = opendir(folder) else { return }
    defer { closedir(listing) }
    while let entry = readdir(listing) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard TemporaryName.matches(name) else { continue }
      let descriptor = open(folder + name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)
      guard descriptor >= 0 else { continue }
      defer { close(descriptor) }
      var status = stat()
      let isOld = fstat(descriptor, &status) == 0 && time(nil) - modificationTime(status) > 10
      if isOld, flock(descriptor, LOCK_EX | LOCK_NB) == 0 { unlink(folder + name) }
    }
  }

  private static func modificationTime(_ status: stat) -> time_t {
    #if canImport(Darwin)
      status.st_mtimespec.tv_sec
    #else
      status.st_mtim.tv_sec
    #endif
  }

  private static func folder(of path: String) -> String {
    path.lastIndex(of: "/").map { String(path[...$0]) } ?? "./"
  }

  /// The file that a symbolic link stands for. Anything but a regular file is refused: renaming would put a
  /// plain file in the place of a device or pipe.
  private static func resolved(_ path: String) throws(FileError) -> String {
    guard !path.isEmpty, !path.utf8.contains(0), !path.hasSuffix("/") else {
      throw FileError(
        path, at: "writing", expected: "the path of a file", found: quoted(path), remedy: "check the path")
    }
    var status = stat()
    guard stat(path, &status) == 0 else { return path }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw FileError(
        path, at: "writing", expected: "a regular file or a new name", found: "a folder, pipe or device",
        remedy: "choose another path")
    }
    guard let real = realpath(path, nil) else { return path }
    defer { free(real) }
    return String(cString: real)
  }

  private static func synchronizeFolder(_ folder: String, for path: String) throws(FileError) {
    let descriptor = open(folder, O_RDONLY | O_CLOEXEC)
    // A folder that may be written but not read cannot be synchronized; the file itself is complete.
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    // Some file systems answer that folders cannot be synchronized.
    guard fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP else {
      throw FileError.system(
        path, "writing its folder to disk", expected: "success", remedy: "check the disk")
    }
  }

  package mutating func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = UnsafeRawBufferPointer(rebasing: rest)
      #if canImport(Glibc)
        let written = Glibc.write(descriptor, part.baseAddress, min(part.count, 1 << 30))
      #elseif canImport(Musl)
        let written = Musl.write(descriptor, part.baseAddress, min(part.count, 1 << 30))
      #else
        let written = Darwin.write(descriptor, part.baseAddress, min(part.count, 1 << 30))
      #endif
      guard written >= 0 || errno == EINTR else {
        throw FileError.system(
          path, "writing byte \(count)", expected: "room on the disk", remedy: "check the disk")
      }
      rest = rest.dropFirst(max(0, written))
      count += max(0, written)
    }
  }

  /// Puts bytes in the place of as many that were written at `offset`.
  package mutating func overwrite(_ bytes: [UInt8], at offset: Int) throws(FileError) {
    precondition(offset + bytes.count <= count, "OutputFile: only what was written can be overwritten")
    var done = 0
    while done < bytes.count {
      let written = bytes[done...].withUnsafeBytes {
        pwrite(descriptor, $0.baseAddress, $0.count, off_t(offset + done))
      }
      guard written >= 0 || errno == EINTR else {
        throw FileError.system(
          path, "writing byte \(offset + done)", expected: "room on the disk", remedy: "check the disk")
      }
      done += max(0, written)
    }
  }

  /// Forces the bytes to disk and gives them their name in one step.
  package mutating func commit() throws(FileError) {
    guard fsync(descriptor) == 0 else {
      throw FileError.system(
        path, "writing it to disk", expected: "room on the disk", remedy: "check the disk")
    }
    guard rename(temporary, target) == 0 else {
      throw FileError.system(
        path, "naming the finished file", expected: "to replace it", remedy: "check the path")
    }
    isCommitted = true
    try Self.synchronizeFolder(folder, for: path)
  }
}

extension OutputFile {
  package mutating func write(_ bytes: [UInt8]) throws(FileError) {
    try bytes.withUnsafeBufferPointer { bytes throws(FileError) in
      try write(UnsafeRawBufferPointer(bytes))
    }
  }
}
