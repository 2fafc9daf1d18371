/// Diagonal recurrences in files.

import RunnelFiles
import RunnelRecurrences
import RunnelTensors

/// Diagonal recurrences in files: the format of `docs/recurrence-format.md`.
///
///     let file = try RecurrenceFile.read("kernel.recurrent.safetensors")
///     var state = file[0].filters.initialState(batch: 1)
///     let y = file[0].filters.run(u, form: .step, state: &state)
public enum RecurrenceFile {
  /// What `format` in the metadata says.
  public static let format = "runnel-recurrence-1"
  package static let kind = FileKind.tensors("a file of recurrences", format: format)

  /// The filters that stand for one kernel.
  public struct Entry: Sendable {
    /// The kernel's name.
    public let name: String
    /// The recurrence, one filter for each channel of the kernel.
    public let filters: DiagonalFilters
    /// Filters under the name that `read` gives back.
    public init(name: String, filters: DiagonalFilters) {
      self.name = name
      self.filters = filters
    }
  }

  /// Writes the entries in one atomic step; their names must differ.
  ///
  /// - Throws: ``FileError`` where the disk or the folder refuses the file.
  public static func write(_ entries: [Entry], to path: String) throws(FileError) {
    var writer = SafetensorsWriter(metadata: ["format": format])
    for entry in entries {
      writer.add(entry.name + ".poles", entry.filters.poles)
      writer.add(entry.name + ".residues", entry.filters.residues)
      writer.add(entry.name + ".direct", entry.filters.direct)
    }
    try writer.write(to: path)
  }

  /// The entries in the order of the file.
  ///
  /// - Throws: ``FileError`` where the file is of another format, or a tensor is absent, of the wrong shape or not
  ///   finite.
  public static func read(_ path: String) throws(FileError) -> [Entry] {
    let source = try SafetensorsFile(path)
    guard source.metadata["format"] == format else {
      throw FileError(
        path, at: "metadata \"format\"", expected: quoted(format),
        found: source.metadata["format"].map { quoted($0) } ?? "none",
        remedy: "make the file with runnel convert KERNEL RESULT --to recurrent")
    }
    var entries: [Entry] = []
    for name in source.names where name.hasSuffix(".poles") {
      entries.append(try entry(String(name.dropLast(".poles".count)), in: source))
    }
    return entries
  }

  private static func entry(_ name: String, in source: SafetensorsFile) throws(FileError) -> Entry {
    let poles = try source.tensor(name + ".poles", requireFinite: true)
    let residues = try source.tensor(name + ".residues", requireFinite: true)
    let direct = try source.tensor(name + ".direct", requireFinite: true)
    func wrong(_ part: String, expected: String, found: String) -> FileError {
      FileError(
        source.path, at: "tensor \(quoted(name + part))", expected: expected, found: found,
        remedy: FileError.damaged)
    }
    let shape = poles.shape
    guard shape.rank == 3, shape[1] > 0, shape[2] == 2 else {
      throw wrong(".poles", expected: "shape [channels n 2]", found: "\(shape)")
    }
    guard residues.shape == shape else {
      throw wrong(".residues", expected: "the shape of the poles, \(shape)", found: "\(residues.shape)")
    }
    guard direct.shape == [shape[0]] else {
      throw wrong(".direct", expected: "shape [\(shape[0])]", found: "\(direct.shape)")
    }
    for i in 0..<poles.count / 2 {
      let (re, im) = (Double(poles[2 * i]), Double(poles[2 * i + 1]))
      guard re * re + im * im <= 1 else {
        throw wrong(
          ".poles, channel \(i / shape[1]), pole \(i % shape[1])", expected: "a pole inside the unit circle",
          found: "\(re) + \(im) i, with which a stream grows without bound")
      }
    }
    return Entry(name: name, filters: DiagonalFilters(poles: poles, residues: residues, direct: direct))
  }
}
