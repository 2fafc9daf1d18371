// The texts in folders: which files they are, and what in them is passed over.

import Foundation
import RunnelFiles

extension CorpusInput {
  /// The inputs that arguments stand for: files, `-`, and folders, which stand for the files below them whose
  /// names say what they are, in the order of their paths' bytes. With a format given they stand for all files but those that
  /// are known to be no text. What begins with a dot is passed over.
  ///
  /// - Parameter note: receives a line for each kind of thing in folders that is passed over, and why.
  /// - Throws: `CorpusError` for a name that stands for nothing, or stdin named twice.
  public static func all(
    _ arguments: [String], _ reading: Reading = Reading(), note: (String) -> Void = { _ in }
  ) throws -> [CorpusInput] {
    guard arguments.filter({ $0 == "-" }).count < 2 else {
      throw CorpusError("-", "standard input can be read once; name it once")
    }
    return try arguments.flatMap { argument in
      guard argument != "-", isFolder(argument) else { return [try CorpusInput(argument, reading)] }
      var search = FolderSearch(reading)
      try search.collect(Array(argument.utf8), below: [])
      guard !search.inputs.isEmpty else {
        let none =
          reading.format == nil
          ? "holds no .txt or .jsonl, nor either with .zst; a --format takes all its files" : "holds no files"
        throw CorpusError(argument, ([none] + search.skipped).joined(separator: "; "))
      }
      for reason in search.skipped { note("\(printable(argument)): \(reason)") }
      return search.inputs
    }
  }
}

/// What has been found below a folder. Paths are bytes, as the system has them.
private struct FolderSearch {
  private let reading: CorpusInput.Reading
  private(set) var inputs: [CorpusInput] = []
  /// The paths of what is passed over, by reason.
  private var passed: [String: [String]] = [:]

  init(_ reading: CorpusInput.Reading) { self.reading = reading }

  /// A line for each reason.
  var skipped: [String] {
    passed.sorted { $0.key < $1.key }.map { reason, paths in
      let more = paths.count > 3 ? " and \(paths.count - 3) more" : ""
      return "passed over \(paths.prefix(3).map { printable($0) }.joined(separator: ", "))\(more): \(reason)"
    }
  }

  mutating func collect(_ path: [UInt8], below prefix: [UInt8]) throws {
    let slash: [UInt8] = path.last == 0x2F ? [] : [0x2F]
    // A folder's name sorts as it stands in paths, with the slash behind it.
    let entries = try Self.names(in: path).map { name in
      let kind = Self.kind(of: path + slash + name)
      return (name: name, kind: kind, key: kind == .folder ? name + [0x2F] : name)
    }.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    for (name, kind, _) in entries {
      let place = path + slash + name
      switch kind {
      case .folder: try collect(place, below: prefix + name + [0x2F])
      case .file: add(place, named: prefix + name)
      case .other(let reason): passed[reason, default: []].append(Self.shown(prefix + name))
      }
    }
  }

  private mutating func add(_ place: [UInt8], named name: [UInt8]) {
    let shown = Self.shown(name)
    let format = reading.format ?? CorpusInput.format(ofName: shown)
    let path = String(validating: place, as: UTF8.self)
    guard let format else {
      let reason =
        CorpusInput.otherKind(shown)
        ?? "of another name than .txt or .jsonl, either with .zst; a --format takes all files"
      passed[reason, default: []].append(shown)
      return
    }
    if let given = reading.format, given != .bytes, let what = Self.beginning(of: place) {
      passed["it is \(what), not text", default: []].append(shown)
      return
    }
    inputs.append(
      CorpusInput(
        path ?? Self.shown(place), reading, as: format, name: shown, location: path == nil ? place : nil))
  }

  /// What a file is that is no text.
  private static func beginning(of place: [UInt8]) -> String? {
    guard let descriptor = try? openForReading(place, "") else { return nil }
    defer { close(descriptor) }
    var head = [UInt8](repeating: 0, count: FirstBytes.enough)
    head.removeLast(head.count - max(0, read(descriptor, &head, head.count)))
    guard case .other(let signature) = FirstBytes(head, isAll: true) else { return nil }
    return signature.what
  }

  /// A name with what is not UTF-8 in it written out, as in `caf\\xe9.txt`.
  private static func shown(_ name: [UInt8]) -> String {
    if let name = String(validating: name, as: UTF8.self) { return name }
    return name.map { $0 < 0x80 ? String(Unicode.Scalar($0)) : "\\x" + String($0, radix: 16) }.joined()
  }

  private enum Kind: Equatable {
    case folder, file
    case other(String)
  }

  private static func kind(of path: [UInt8]) -> Kind {
    var status = stat()
    guard path.withPath({ lstat($0, &status) }) == 0 else { return .other("it cannot be looked at") }
    let isLink = status.st_mode & S_IFMT == S_IFLNK
    guard !isLink || path.withPath({ stat($0, &status) }) == 0 else { return .other("a link to nothing") }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: return isLink ? .other("a link to a folder; name the folder itself") : .folder
    case S_IFREG: return .file
    case S_IFIFO: return .other("a pipe")
    case S_IFSOCK: return .other("a socket")
    default: return .other("a device")
    }
  }

  /// The names in a folder that do not begin with a dot.
  private static func names(in path: [UInt8]) throws -> [[UInt8]] {
    guard let listing = path.withPath({ opendir($0) }) else {
      throw CorpusError(shown(path), "cannot be listed: \(systemMessage()); check its permissions")
    }
    defer { closedir(listing) }
    var names: [[UInt8]] = []
    errno = 0
    while let entry = readdir(listing) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      if name.first != 0x2E { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { throw CorpusError(shown(path), "cannot be listed: \(systemMessage())") }
    return names
  }
}

extension [UInt8] {
  /// The bytes as the system takes a path.
  func withPath<R>(_ body: (UnsafePointer<CChar>) throws -> R) rethrows -> R {
    try (map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer { buffer in
      guard let path = buffer.baseAddress else { preconditionFailure("a path without its zero") }
      return try body(path)
    }
  }
}
