/// Models in several files.

import RunnelFiles

/// A model cut into several files, as its `model.safetensors.index.json` or `pytorch_model.bin.index.json` lists them.
package struct TensorIndex: TensorSource {
  package static let fileName = "model.safetensors.index.json"

  package let path: String
  package let names: [String]
  package let metadata: [String: String]
  private let files: [any TensorSource]
  private let fileIndex: [String: Int]

  /// Opens every file of the index and checks that each holds what the index promises.
  ///
  /// - Throws: ``FileError`` where a file is missing or damaged, or the index and the files do not belong together.
  package init(_ path: String) throws(FileError) {
    let input = try InputFile(path)
    guard input.size <= SafetensorsFile.maximumHeader else {
      throw FileError(
        path, at: "size", expected: "at most \(SafetensorsFile.maximumHeader) bytes", found: "\(input.size)",
        remedy: Self.notIndex)
    }
    let parts = try Self.parse(JSONScanner(try input.bytes(at: 0, count: input.size), file: path), path)
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    var files: [any TensorSource] = []
    var known: [String: Int] = [:]
    var fileIndex: [String: Int] = [:]
    for (name, part) in parts {
      if known[part] == nil {
        known[part] = files.count
        files.append(try openTensorFile(folder + part))
      }
      guard let index = known[part], files[index].contains(name) else {
        throw FileError(
          path, at: "weight_map", expected: "tensor \(quoted(name)) in \(quoted(part))", found: "it absent",
          remedy: "the index and the files do not belong together: download the folder again")
      }
      guard fileIndex.updateValue(index, forKey: name) == nil else {
        throw FileError(
          path, at: "weight_map", expected: "each name once", found: "\(quoted(name)) twice",
          remedy: FileError.damaged)
      }
    }
    self.path = path
    self.names = parts.map(\.name)
    self.files = files
    self.fileIndex = fileIndex
    self.metadata = files.reduce(into: [:]) { $0.merge($1.metadata) { first, _ in first } }
  }

  private static func parse(
    _ scanner: consuming JSONScanner, _ path: String
  ) throws(FileError) -> [(name: String, part: String)] {
    var parts: [(name: String, part: String)]?
    try scanner.beginObject()
    while let key = try scanner.nextKey() {
      guard key == "weight_map" else {
        try scanner.skipValue()
        continue
      }
      guard parts == nil else { throw scanner.failure(expected: "one weight_map", found: "two") }
      var read: [(name: String, part: String)] = []
      try scanner.beginObject()
      while let name = try scanner.nextKey() {
        let part = try scanner.string()
        // Only names beside the index: a path could lead anywhere on the disk.
        guard !part.isEmpty, !part.utf8.contains(where: { $0 == 0 || $0 == UInt8(ascii: "/") }) else {
          throw FileError(
            path, at: "weight_map, \(quoted(name))", expected: "the name of a file in the same folder",
            found: quoted(part), remedy: "do not trust this index")
        }
        read.append((name, part))
      }
      parts = read
    }
    try scanner.finish()
    guard let parts else {
      throw FileError(
        path, at: "weight_map", expected: "the field", found: "none",
        remedy: Self.notIndex)
    }
    return parts
  }

  private static let notIndex = "check that this is the index beside a model's files"

  package func contains(_ name: String) -> Bool { fileIndex[name] != nil }

  package func locate(_ name: String) throws(FileError) -> (any TensorFile, TensorEntry) {
    guard let index = fileIndex[name] else {
      throw FileError(
        path, at: "weight_map", expected: "a tensor named \(quoted(name))",
        found: "none among \(names.count)", remedy: "check that the folder holds this kind of model")
    }
    return try files[index].locate(name)
  }
}
