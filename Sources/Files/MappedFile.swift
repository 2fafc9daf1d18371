/// A regular file in the address space: its bytes are read from the disk, or from the system's cache, when they are first
/// looked at, and shared by all processes that map it.
///
/// For files that are replaced as a whole and never cut or changed in place, such as model weights: if one shrinks under the
/// mapping, the process that reads beyond its new end is killed. Everything else is read through `InputFile`.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

package final class MappedFile: Sendable {
  package let path: String
  /// Valid as long as this object lives.
  package nonisolated(unsafe) let bytes: UnsafeRawBufferPointer

  package init(_ path: String) throws(FileError) {
    let input = try InputFile(path)
    let memory =
      input.size == 0
      ? nil : mmap(nil, input.size, PROT_READ, MAP_PRIVATE, input.descriptor, 0)
    guard input.size == 0 || (memory != nil && memory != MAP_FAILED) else {
      throw FileError.system(path, "mapping", expected: "memory to map it", remedy: "free some memory")
    }
    // All of it will be wanted soon, in the order of the file.
    if let memory { madvise(memory, input.size, MADV_WILLNEED) }
    self.path = path
    bytes = UnsafeRawBufferPointer(start: memory, count: input.size)
  }

  deinit {
    if let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
  }
}
