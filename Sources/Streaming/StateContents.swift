/// State files without their models.

import Foundation
import RunnelCheckpoints
import RunnelFiles
import RunnelTensors

/// A saved stream without the model that it belongs to: to look at, to copy with another seed, to compare.
public struct StateContents: Sendable {
  /// The mixers and the fingerprint of its model; `unknown` and `none` where the file does not say.
  public let mixer, fingerprint: String
  /// How many tokens the stream has seen.
  public let position: Int
  /// What goes on drawing: settings, generator and recent tokens.
  public private(set) var sampler: Sampler
  /// Bytes of text that the stream has drawn but not printed.
  public let pending: [UInt8]
  /// The state's tensors and, at their end, the logits of the next token.
  public let tensors: [(name: String, value: Tensor)]
  /// The state's whole numbers, such as steps taken.
  public let counters: [(name: String, value: [Int])]
  private let metadata: [String: String]
  private let source: String

  /// Reads the whole file.
  ///
  /// - Throws: `FileError` where it is damaged, or no saved stream.
  public init(_ path: String) throws {
    let file = try SafetensorsFile(path)
    func refuse(_ place: String, _ expected: String, _ found: String) -> FileError {
      FileError(
        path, at: place, expected: expected, found: found, remedy: "name a file made by --save-state")
    }
    guard file.metadata["format"] == StateFile.format else {
      throw refuse("metadata", "a stream saved by --save-state", "another kind of file")
    }
    (position, sampler, pending) = try StateFile.stream(of: file, refuse)
    mixer = file.metadata["mixer"] ?? "unknown"
    fingerprint = file.metadata["fingerprint"] ?? "none"
    (metadata, source) = (file.metadata, path)
    var tensors: [(String, Tensor)] = [], counters: [(String, [Int])] = []
    for name in file.names {
      if name.hasPrefix("state.") { tensors.append((String(name.dropFirst(6)), try file.tensor(name))) }
      if name.hasPrefix("counter.") { counters.append((String(name.dropFirst(8)), try file.integers(name))) }
    }
    if file.contains("logits") { tensors.append(("logits", try file.tensor("logits"))) }
    (self.tensors, self.counters) = (tensors, counters)
  }

  /// Begins the draws of another seed.
  public mutating func reseed(_ seed: UInt64) { sampler.reseed(seed) }

  /// The first tensor that holds what no stream can have. A running maximum may be −∞ before its first token.
  public var firstNonFinite: (name: String, value: Float)? {
    for (name, value) in tensors where !value.isFinite {
      if let bad = value.scalars.first(where: { $0.isNaN || $0 == .infinity }) { return (name, bad) }
    }
    return nil
  }

  /// Writes the same stream to another file, in one step.
  ///
  /// - Throws: `FileError` where a tensor is not finite, or the disk or the folder refuses the file.
  public func write(to path: String) throws {
    if let bad = firstNonFinite {
      throw FileError(
        source, at: "state.\(bad.name)", expected: "finite numbers", found: "\(bad.value)",
        remedy: "nothing goes on from it: go back to an earlier state")
    }
    var writer = SafetensorsWriter(metadata: metadata)
    for (name, value) in tensors where name != "logits" { writer.add("state." + name, value) }
    for (name, value) in counters { writer.add("counter." + name, value) }
    StateFile.add(sampler, pending, to: &writer)
    if let logits = tensors.last, logits.name == "logits" { writer.add("logits", logits.value) }
    try writer.write(to: path)
  }

  /// Bytes of the recurrent state.
  public var byteCount: Int {
    tensors.reduce(0) { $0 + ($1.name == "logits" ? 0 : 4 * $1.value.count) }
      + counters.reduce(0) { $0 + 8 * $1.value.count }
  }
}
