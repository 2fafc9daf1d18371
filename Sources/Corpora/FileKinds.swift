// The kinds of files that this module writes, known again by how they begin.

import RunnelFiles

extension FileKind {
  package static let corpus = FileKind("a corpus") { path in
    guard case .other(.corpus)? = FirstBytes(beginning(of: path), isAll: true) else { return false }
    return true
  }

  /// The files of a format of token ids: the ids, and Megatron's index. Bare ids look like anything.
  package static func tokens(_ format: TokenFileFormat) -> FileKind {
    switch format {
    case .nanogpt: FileKind("an empty file") { _ in false }
    case .llmc:
      FileKind("a file of llm.c's") { path in
        let head = beginning(of: path)
        return head.count >= 4
          && LLMCHeader.kinds.contains { $0.magic == head.integer(at: 0, as: UInt32.self) }
      }
    case .megatron:
      FileKind("Megatron's pair of files") { path in
        (try? TokenFileReader(path: path, format: .megatron, element: nil, vocabularySize: .max)) != nil
      }
    }
  }

  private static func beginning(of path: String) -> [UInt8] {
    guard let file = try? InputFile(path) else { return [] }
    return (try? file.bytes(at: 0, count: min(file.size, FirstBytes.enough))) ?? []
  }
}
