/// What the suites on files share: a folder that vanishes, raw files, safetensors built by hand.

import RunnelCheckpoints
import RunnelFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A folder of its own for a test, removed with what is in it.
final class TemporaryFolder: Sendable {
  let path: String

  init() {
    var template = Array("/tmp/runnel-tests-XXXXXX".utf8CString)
    path = mkdtemp(&template).map { String(cString: $0) } ?? "/tmp"
  }
  deinit {
    for name in contents { unlink(path + "/" + name) }
    rmdir(path)
  }

  func callAsFunction(_ name: String) -> String { path + "/" + name }

  var contents: [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}

func writeRaw(_ bytes: [UInt8], to path: String) {
  // Truncating a file makes some file systems write it to disk at once; a new one waits.
  unlink(path)
  let file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0o644)
  defer { close(file) }
  precondition(write(file, bytes, bytes.count) == bytes.count, "the test cannot write \(path)")
}

func readRaw(_ path: String) -> [UInt8]? {
  (try? InputFile(path)).flatMap { try? $0.bytes(at: 0, count: $0.size) }
}

/// A safetensors file from its header, so that a test can say exactly what is wrong with it.
func safetensors(_ header: String, data: Int, length: UInt64? = nil) -> [UInt8] {
  let json = Array(header.utf8)
  return withUnsafeBytes(of: (length ?? UInt64(json.count)).littleEndian) { Array($0) } + json
    + (0..<data).map { UInt8(truncatingIfNeeded: $0) }
}

/// The sentence of the error that `body` throws, without the folder's name.
func sentence(in folder: TemporaryFolder, _ body: () throws -> Void) -> String {
  do {
    try body()
    return "no error"
  } catch let error as FileError {
    let text = error.description
    let prefix = folder.path + "/"
    return text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text
  } catch {
    return "another error: \(error)"
  }
}
