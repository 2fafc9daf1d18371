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
    for name in ["prose", "input", "link"] {
      try Destination.check(folder(name), for: Self.poem, inputs: [folder("input")], force: true)
    }
  }

  @Test("one process at a time holds the lock of a file; who waits gets the file that has the name then")
  func lock() throws {
    let folder = TemporaryFolder()
    try AtomicFile.write("first", to: folder("a"))
    do {
      let held = try FileLock(folder("a"))
      #expect(
        sentence(in: folder) { _ = try FileLock(folder("a")) }
          == "a: opening: expected to be its only writer, found another process that writes it; "
          + "wait for that process, or choose another place")
      let path = folder("a")
      let waiting = Thread {
        let lock = try? FileLock(path, waits: true)
        let text = readRaw(path)
        if lock != nil, text == Array("second".utf8) { try? AtomicFile.write("third", to: path) }
      }
      waiting.start()
      usleep(50_000)
      try AtomicFile.write("second", to: held.path)
    }
    var rounds = 0
    while readRaw(folder("a")) != Array("third".utf8), rounds < 5_000 {
      usleep(1000)
      rounds += 1
    }
    #expect(readRaw(folder("a")) == Array("third".utf8))
    #expect(throws: FileError.self) { _ = try FileLock(folder("none")) }
    _ = try FileLock(folder.path)
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
