/// What often lies where a file should be: the pointer that a clone without Git LFS leaves, an error page of a server,
/// packed data. Known by its first bytes.
package struct Misnamed: Sendable {
  package let what, remedy: String

  /// Nil where `head`, the first bytes of a file, are none of these.
  package init?(_ head: some Sequence<UInt8>) {
    guard let known = Self.known.first(where: { head.starts(with: $0.magic) }) else { return nil }
    (what, remedy) = (known.what, known.remedy)
  }

  private static let known: [(magic: [UInt8], what: String, remedy: String)] = [
    (
      Array("version https://git-lfs".utf8), "a pointer of Git LFS, not the file that it stands for",
      "fetch the file with git lfs pull"
    ),
    (Array("<!DOCTYPE".utf8), "a page of HTML", "download the file itself"),
    (Array("<!doctype".utf8), "a page of HTML", "download the file itself"),
    (Array("<html".utf8), "a page of HTML", "download the file itself"),
    ([0x1F, 0x8B], "a file that gzip packed", "unpack it with gunzip"),
    ([0xFD] + Array("7zXZ".utf8), "a file that xz packed", "unpack it with unxz"),
    ([0x28, 0xB5, 0x2F, 0xFD], "a file that zstd packed", "unpack it with unzstd"),
  ]
}
