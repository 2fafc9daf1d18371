/// Streams on disk.

import Foundation
import RunnelCheckpoints
import RunnelFiles
import RunnelModels
import RunnelTensors

/// Saves a stream and restores it: the state, the position, the sampler, bytes held back. It goes on bit for bit.
public enum StateFile {
  static let format = "runnel-state-1"
  package static let kind = FileKind.tensors("a saved stream", format: format)
  /// No stream is this long; counts below it can go on without overflow.
  private static let longest = 1 << 62

  /// Writes the session to a safetensors file, in one step.
  ///
  /// - Parameter pending: bytes of a character or stop string that are not printed yet.
  /// - Throws: where the stream holds what is no number, with the place where that begins.
  public static func save(_ session: Session, pending: [UInt8] = [], to path: String) throws {
    try session.requireFinite()
    let settings = try JSONEncoder().encode(session.sampler.settings)
    var writer = SafetensorsWriter(metadata: [
      "format": format, "fingerprint": session.model.fingerprint, "mixer": session.model.mixerName,
      "position": String(session.position), "sampling": String(decoding: settings, as: UTF8.self),
    ])
    for (name, value) in session.state.tensors { writer.add("state." + name, value) }
    for (name, value) in session.state.counters { writer.add("counter." + name, value) }
    add(session.sampler, pending, to: &writer)
    if let logits = session.logits { writer.add("logits", logits) }
    try writer.write(to: path)
  }

  /// Restores a stream of this model; a state of another model, or of another function of the same weights, is refused.
  ///
  /// - Parameters:
  ///   - isMoving: whether a state of other weights is taken over, as by ``StateMove``; its tensors must have the shapes.
  ///   - note: is told what could not be compared, in one sentence.
  public static func load(
    _ path: String, into model: some LanguageFunction, isMoving: Bool = false,
    note: (String) -> Void = { _ in }
  ) throws -> (session: Session, pending: [UInt8]) {
    let file = try SafetensorsFile(path)
    func refuse(_ place: String, _ expected: String, _ found: String) -> FileError {
      FileError(
        path, at: place, expected: expected, found: found, remedy: "save the stream again with this model")
    }
    guard file.metadata["format"] == format else {
      throw refuse("metadata", "a stream saved by --save-state", "another kind of file")
    }
    var session = Session(model, sampler: Sampler(seed: 0))
    let saved = Fingerprint(file.metadata["fingerprint"] ?? "none")
    if !isMoving { try session.model.require(saved, in: path, what: "a state", note: note) }
    let (position, sampler, pending) = try stream(of: file, refuse)
    session.position = position
    session.state = try session.state.replacing(
      tensors: { name, old in
        let value = try file.tensor("state." + name)
        guard value.shape == old.shape else {
          throw refuse("state.\(name)", "shape \(old.shape)", "\(value.shape)")
        }
        return value
      },
      counters: { name, old in
        let value = try file.integers("counter." + name)
        guard value.count == old.count, value.allSatisfy((0..<longest).contains) else {
          throw refuse(
            "counter.\(name)", "\(old.count) counts of tokens", "\(value.prefix(8))")
        }
        return value
      })
    if let bad = session.state.firstNonFinite(since: session.model.initialState(batch: 1)) {
      throw refuse("state.\(bad.name)", "finite numbers", "\(bad.value)")
    }
    if file.contains("logits") {
      let logits = try file.tensor("logits")
      guard logits.shape == [model.vocabularySize] else {
        throw refuse("logits", "\(model.vocabularySize) numbers", "\(logits.shape)")
      }
      if let index = logits.firstNonFinite {
        throw refuse("logits, element \(index)", "a finite number", "\(logits[index])")
      }
      session.logits = logits
    }
    session.sampler = sampler
    if let stranger = sampler.recent.first(where: { !(0..<model.vocabularySize).contains(Int($0)) }) {
      throw refuse("recent", "tokens below \(model.vocabularySize)", "\(stranger)")
    }
    return (session, pending)
  }

  /// The parts of a file that are no tensors of the model's state.
  static func add(_ sampler: Sampler, _ pending: [UInt8], to writer: inout SafetensorsWriter) {
    writer.add("generator", sampler.generator.words.map { Int(bitPattern: UInt($0)) })
    writer.add("recent", sampler.recent.map(Int.init))
    writer.add("pending", pending.map(Int.init))
  }

  static func stream(
    of file: SafetensorsFile, _ refuse: (_ place: String, _ expected: String, _ found: String) -> FileError
  ) throws -> (position: Int, sampler: Sampler, pending: [UInt8]) {
    guard let position = file.metadata["position"].flatMap(Int.init), (0..<longest).contains(position) else {
      throw refuse("position", "a count of tokens", file.metadata["position"] ?? "none")
    }
    let settings = Data((file.metadata["sampling"] ?? "").utf8)
    guard let sampling = try? JSONDecoder().decode(SamplingSettings.self, from: settings),
      (try? sampling.validate()) != nil
    else { throw refuse("sampling", "the sampler's settings", "something else") }
    let words = try file.integers("generator").map { UInt64(UInt(bitPattern: $0)) }
    guard let generator = SeededGenerator(words: words) else {
      throw refuse("generator", "four words, not all zero", "\(words.count)")
    }
    let recent = try file.integers("recent")
    if let stranger = recent.first(where: { Int32(exactly: $0) == nil || $0 < 0 }) {
      throw refuse("recent", "tokens", "\(stranger)")
    }
    let pending = try file.integers("pending")
    if let stranger = pending.first(where: { UInt8(exactly: $0) == nil }) {
      throw refuse("pending", "bytes", "\(stranger)")
    }
    var sampler = Sampler(sampling, seed: 0)
    (sampler.generator, sampler.recent) = (generator, recent.map(Int32.init))
    return (position, sampler, pending.map { UInt8(truncatingIfNeeded: $0) })
  }
}

extension LanguageFunction {
  /// Refuses what was saved with another model.
  ///
  /// - Parameter what: what was saved, as in "a state".
  func require(
    _ saved: Fingerprint, in path: String, what: String, note: (String) -> Void
  ) throws(FileError) {
    let own = identity(asIn: saved)
    guard own.weights == saved.weights else {
      throw FileError(
        path, at: "fingerprint", expected: "\(what) of this model, \(own)", found: "\(saved)",
        remedy:
          "use the model that it was saved with (`runnel state move` takes a state to another precision)")
    }
    guard saved.configuration == nil || saved.configuration == own.configuration else {
      throw FileError(
        path, at: "fingerprint", expected: "\(what) of this model, \(own)",
        found: "\(saved): the same weights under another configuration",
        remedy: "use the configuration that it was saved with: what its numbers mean depends on it")
    }
    if saved.configuration == nil {
      note(
        "\(path) was written before states knew their model's configuration: only the weights could be compared"
      )
    }
  }
}
