/// What a writer may replace: the one rule, for every writer.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A kind of file, or of folder, that this library writes and knows again by its content.
package struct FileKind: Sendable {
  /// As it stands in a sentence: "a corpus".
  package let name: String
  private let holds: @Sendable (_ path: String) -> Bool

  /// - Parameter holds: whether a file, or a folder, that is there is of this kind; its name does not count.
  package init(_ name: String, _ holds: @escaping @Sendable (_ path: String) -> Bool) {
    self.name = name
    self.holds = holds
  }

  /// Whether what is at `path` is of this kind.
  package func isHeld(by path: String) -> Bool { holds(path) }
}

package enum Destination {
  /// Throws unless a writer of `kind` may write to `path`: it is a new name, an empty file or folder, or one of the kind,
  /// and none of the inputs. With `force` everything may be replaced.
  ///
  /// For a verb to call before it works; the file is replaced in one step when the work is done.
  package static func check(
    _ path: String, for kind: FileKind, inputs: [String] = [], force: Bool = false
  ) throws(FileError) {
    // What is written there is a file: who reads stdout would take a sentence about it for it.
    guard path != "-" else {
      throw FileError(
        path, at: "writing", expected: "the name of a file", found: "the sign for stdin or stdout",
        remedy: "name a file; ./- is one of that name")
    }
    guard !force, let place = identity(path) else { return }
    for input in inputs
    where identity(input, isInput: true).map({ $0.device == place.device && $0.file == place.file }) ?? false
    {
      throw FileError(
        path, at: "writing", expected: "another file than the inputs", found: "the input " + quoted(input),
        remedy: "name the file to write first, or add --force to replace this one")
    }
    guard !place.isEmpty, !kind.isHeld(by: path) else { return }
    // Another process may be writing a file of this kind there.
    if isFolder(path) { _ = try FileLock(path) }
    throw FileError(
      path, at: "writing", expected: "a new name, or \(kind.name) to replace",
      found: isFolder(path) ? "a folder of other files" : "a file of another kind",
      remedy: "choose another name, or add --force to replace it")
  }

  /// Whether two paths lead to the same file or folder.
  package static func isSame(_ one: String, _ other: String) -> Bool {
    guard let one = identity(one), let other = identity(other) else { return false }
    return one.device == other.device && one.file == other.file
  }

  private struct Identity {
    let device: dev_t, file: ino_t, isEmpty: Bool
  }

  /// Nil where nothing is. As an input, "-" is stdin.
  private static func identity(_ path: String, isInput: Bool = false) -> Identity? {
    var status = stat()
    guard (isInput && path == "-" ? fstat(STDIN_FILENO, &status) : stat(path, &status)) == 0 else {
      return nil
    }
    let isEmpty =
      switch status.st_mode & S_IFMT {
      case S_IFREG: status.st_size == 0
      case S_IFDIR: isEmptyFolder(path)
      // Devices and pipes are refused, or written to, by whoever opens them.
      default: true
      }
    return Identity(device: status.st_dev, file: status.st_ino, isEmpty: isEmpty)
  }

  private static func isEmptyFolder(_ path: String) -> Bool {
    guard let listing = opendir(path) else { return false }
    defer { closedir(listing) }
    var count = 0
    while readdir(listing) != nil { count += 1 }
    return count <= 2  // "." and ".."
  }
}
