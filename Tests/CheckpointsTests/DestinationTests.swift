import Foundation
import RunnelFiles
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

@Suite("what a writer may replace, and who may write")
struct DestinationTests {
  private static let poem = FileKind("a poem") { (readRaw($0) ?? []).starts(with: Array("roses".utf8)) }

  @Test("a new name, an empty file and one of the kind may be written; inputs and other files only by force")
  func rule() throws {
    let folder = TemporaryFolder()
    for (name, text) in [("empty", ""), ("poem", "roses are red"), ("prose", "once"), ("input", "roses too")]
    {
      writeRaw(Array(text.utf8), to: folder(name))
    }
    symlink(folder("input"), folder("link"))
    link(folder("input"), folder("twin"))
    let verdicts = ["new", "empty", "poem", "prose", "input", "link", "twin"].map { name in
      sentence(in: folder) {
        try Destination.check(folder(name), for: Self.poem, inputs: [folder("none"), folder("input")])
      }
    }
    #expect(verdicts[0...2].allSatisfy { $0 == "no error" })
    #expect(
      verdicts[3]
        == "prose: writing: expected a new name, or a poem to replace, found a file of another kind; "
        + "choose another name, or add --force to replace it")
    for verdict in verdicts[4...] { #expect(verdict.contains("found the input"), "\(verdict)") }
    for isForced in [false, true] {
      let verdict = sentence(in: folder) { try Destination.check("-", for: Self.poem, force: isForced) }
      #expect(verdict.contains("expected the name of a file") && verdict.contains("./-"), "\(verdict)")
    }
    for name in ["prose", "input", "link"] {
      try Destination.check(folder(name), for: Self.poem, inputs: [folder("input")], force: true)
    }
  }

  @Test("one process at a time holds the lock of a name, though the file that has it is replaced")
  func lock() throws {
    let folder = TemporaryFolder()
    try AtomicFile.write("first", to: folder("a"))
    do {
      let held = try FileLock(folder("a"))
      let refusal = sentence(in: folder) { _ = try FileLock(folder("a")) }
      #expect(
        refusal == "a: opening: expected to be its only writer, found another process that writes it; "
          + "wait for that process, or choose another place")
      try AtomicFile.write("second", to: held.path)
      // Whoever comes next locks the file that has the name now.
      let next = try FileLock(folder("a"))
      #expect(readRaw(next.path) == Array("second".utf8))
      #expect(throws: FileError.self) { _ = try FileLock(folder("a")) }
    }
    _ = try FileLock(folder("a"))
    _ = try FileLock(folder.path)
    #expect(throws: FileError.self) { _ = try FileLock(folder("none")) }
  }

  /// A child that another thread was starting had such a copy, and a journal that was closed was still another process's.
  @Test("a lock that is given back is free, whoever has a copy of its descriptor")
  func copies() throws {
    let folder = TemporaryFolder(), path = folder("a")
    try AtomicFile.write("x", to: path)
    func copies(_ path: String) -> [Int32] {
      var own = stat()
      #expect(stat(path, &own) == 0)
      return (3..<1024).filter { descriptor in
        var other = stat()
        return fstat(descriptor, &other) == 0 && other.st_ino == own.st_ino && other.st_dev == own.st_dev
      }.map { dup($0) }
    }
    var held: [Int32] = []
    do {
      let lock = try FileLock(path)
      held += copies(path)
      _ = lock.path
    }
    do {
      let file = try AppendFile(path)
      held += copies(path)
      _ = file.path
    }
    try AtomicFile.write(to: path) { _ in
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
      held += names.filter { $0.hasSuffix(".tmp") }.flatMap { copies(folder($0)) }
    }
    #expect(held.count == 4)
    _ = try AppendFile(path)
    _ = try FileLock(path)
    for descriptor in held { close(descriptor) }
  }

  @Test("the next writer removes what a killed one left, and nothing of a living one")
  func abandoned() throws {
    let folder = TemporaryFolder()
    let names = [".runnel-dead.tmp", ".runnel-young.tmp", ".runnel-living.tmp", "my.tmp"]
    for name in names { writeRaw([1], to: folder(name)) }
    let old = [timespec(tv_sec: time(nil) - 60, tv_nsec: 0), timespec(tv_sec: time(nil) - 60, tv_nsec: 0)]
    for name in names where !name.contains("young") { utimensat(AT_FDCWD, folder(name), old, 0) }
    let living = try FileLock(folder(".runnel-living.tmp"))
    try AtomicFile.write("x", to: folder("new"))
    #expect(folder.contents == [".runnel-living.tmp", ".runnel-young.tmp", "my.tmp", "new"])
    _ = living.path
  }
}
