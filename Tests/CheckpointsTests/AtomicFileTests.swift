import RunnelCheckpoints
import RunnelFiles
import RunnelTensors
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

@Suite("a file is there whole or not at all")
struct AtomicFileTests {
  @Test("writing replaces the file and leaves nothing beside it")
  func replaces() throws {
    let folder = TemporaryFolder()
    try AtomicFile.write("old", to: folder("a.json"))
    try AtomicFile.write("new ☃", to: folder("a.json"))
    try AtomicFile.write([UInt8](), to: folder("empty"))
    #expect(readRaw(folder("a.json")) == Array("new ☃".utf8))
    #expect(readRaw(folder("empty")) == [])
    #expect(folder.contents == ["a.json", "empty"])
  }

  @Test("an error on the way leaves the old file and no temporary one")
  func failure() throws {
    let folder = TemporaryFolder()
    try AtomicFile.write("old", to: folder("a"))
    let interruption = FileError("a", at: "b", expected: "c", found: "d", remedy: "e")
    #expect(throws: interruption) {
      try AtomicFile.write(to: folder("a")) { output throws(FileError) in
        try output.write(UnsafeRawBufferPointer(start: nil, count: 0))
        #expect(folder.contents.count == 2)
        throw interruption
      }
    }
    #expect(readRaw(folder("a")) == Array("old".utf8))
    #expect(folder.contents == ["a"])
  }

  @Test("a symbolic link stays, and what it points to is replaced")
  func links() throws {
    let folder = TemporaryFolder()
    let elsewhere = TemporaryFolder()
    try AtomicFile.write("old", to: elsewhere("a"))
    symlink(elsewhere("a"), folder("link"))
    try AtomicFile.write("new", to: folder("link"))
    #expect(readRaw(elsewhere("a")) == Array("new".utf8))
    #expect(elsewhere.contents == ["a"] && folder.contents == ["link"])
    var status = stat()
    #expect(lstat(folder("link"), &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
  }

  @Test(
    "who may read a file may read the one that replaces it, and nobody else",
    arguments: [0o600, 0o640, 0o444, 0o666])
  func modes(mode: mode_t) throws {
    let folder = TemporaryFolder()
    func permissions(_ path: String) -> mode_t {
      var status = stat()
      return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }
    writeRaw(Array("old".utf8), to: folder("a"))
    #expect(chmod(folder("a"), mode) == 0)
    try AtomicFile.write(to: folder("a")) { output throws(FileError) in
      try output.write(Array("new".utf8))
      // From its first byte on.
      for name in folder.contents { #expect(permissions(folder(name)) == mode, "\(name)") }
    }
    #expect(permissions(folder("a")) == mode && readRaw(folder("a")) == Array("new".utf8))
    try AtomicFile.write("new", to: folder("b"))
    close(open(folder("c"), O_WRONLY | O_CREAT, 0o666))
    #expect(permissions(folder("b")) == permissions(folder("c")))
  }

  @Test("devices, folders and absent folders are refused in a sentence")
  func refused() {
    let folder = TemporaryFolder()
    #expect(
      sentence(in: folder) { try AtomicFile.write("x", to: "/dev/null") }
        == "/dev/null: writing: expected a regular file or a new name, found a folder, pipe or device; "
        + "choose another path")
    #expect(throws: FileError.self) { try AtomicFile.write("x", to: folder.path) }
    #expect(throws: FileError.self) { try AtomicFile.write("x", to: "") }
    #expect(
      sentence(in: folder) { try AtomicFile.write("x", to: folder("none/a")) }
        == "none/a: creating a temporary file beside it: expected a folder one can write to, "
        + "found \"No such file or directory\"; check that the folder exists")
  }

  @Test("a disk without room: one sentence, the old file, no temporary one")
  func full() async {
    // A limit on the size of files stands for the full disk; it holds for a whole process, hence one of its
    // own.
    await #expect(processExitsWith: .success) {
      let folder = TemporaryFolder()
      try AtomicFile.write("old", to: folder("m"))
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: 4096, rlim_max: 4096)
      setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
      var writer = SafetensorsWriter()
      writer.add("x", Tensor(zeros: [10_000]))
      let found = sentence(in: folder) { try writer.write(to: folder("m")) }
      #expect(
        found == "m: writing byte 4096: expected room on the disk, found \"File too large\"; "
          + "free some space or choose another disk")
      #expect(readRaw(folder("m")) == Array("old".utf8))
      #expect(folder.contents == ["m"])
    }
  }
}
