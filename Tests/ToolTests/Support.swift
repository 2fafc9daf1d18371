/// Runs the `runnel` binary as a user would, in a folder of its own that vanishes afterwards.

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

/// Everything the tool is tested for; one after the other, as each test keeps the cores busy.
@Suite("The tool", .serialized) struct ToolTests {}

/// How a process ended and what it left.
struct Outcome {
  var output: [UInt8]
  var errors: String
  var code: Int32
  /// Whether a signal ended it: a crash, or a kill.
  var isSignalled: Bool

  var text: String { String(decoding: output, as: UTF8.self) }
  var errorLines: [Substring] { errors.split(separator: "\n") }

  /// The one JSON object on stdout.
  func json(_ at: SourceLocation = #_sourceLocation) throws -> [String: Any] {
    let value = try? JSONSerialization.jsonObject(with: Data(output))
    return try #require(value as? [String: Any], "no JSON object: \(text) \(errors)", sourceLocation: at)
  }

  /// Done, without a complaint.
  @discardableResult
  func succeeded(_ at: SourceLocation = #_sourceLocation) throws -> Outcome {
    try #require(code == 0 && !isSignalled, "exit \(code): \(errors)", sourceLocation: at)
    return self
  }

  /// Failed with one clear line that holds `words`; usage errors add the lines that explain the option.
  ///
  /// - Parameter logs: whether the work had begun, so that its log stands before the error.
  func failed(
    _ expected: Int32 = 1, _ words: String..., logs: Bool = false, at: SourceLocation = #_sourceLocation
  ) {
    #expect(code == expected && !isSignalled, "exit \(code): \(errors)", sourceLocation: at)
    let marked = errorLines.filter { $0.hasPrefix("Error: ") }
    #expect(marked.count == 1, "\(errors)", sourceLocation: at)
    if expected == 1 && !logs { #expect(errorLines.count == 1, "\(errors)", sourceLocation: at) }
    if expected == 64 {
      #expect(errorLines.contains { $0.hasPrefix("Usage: runnel") }, "\(errors)", sourceLocation: at)
    }
    for word in words { #expect(errors.contains(word), "no \"\(word)\" in: \(errors)", sourceLocation: at) }
    #expect(output.isEmpty, "\(text)", sourceLocation: at)
  }
}

/// A folder with the tool in it, removed with what it holds when the last reference goes.
final class Workplace {
  let path: String
  private var runs = 0

  init() throws {
    path = NSTemporaryDirectory() + "runnel-tool-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  func callAsFunction(_ name: String) -> String { path + "/" + name }

  func write(_ bytes: some Sequence<UInt8>, to name: String) throws {
    try Data(Array(bytes)).write(to: URL(fileURLWithPath: self(name)))
  }
  func bytes(of name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: self(name))))
  }
  /// The text of a configuration without its checksum, as it must be to be edited.
  func unsealedText(_ name: String) throws -> String {
    String(decoding: try bytes(of: name), as: UTF8.self).replacing(/,\s*"xxh64" : "[^"]*"/, with: "")
  }
  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: self(name)) }
  func copy(_ source: String, to name: String) throws {
    try? FileManager.default.removeItem(atPath: self(name))
    try FileManager.default.copyItem(atPath: self(source), toPath: self(name))
  }

  /// Starts the tool; stdin, stdout and stderr are files, so that nothing waits for a full pipe, unless pipes are given.
  func start(
    _ arguments: [String], input: [UInt8] = [], folderAsInput: Bool = false, source: Pipe? = nil,
    output: Pipe? = nil, shell: Bool = false
  ) throws -> Running {
    runs += 1
    let name = "stream-\(runs)"
    try write(input, to: name + ".in")
    for kind in ["out", "err"] { try write([], to: "\(name).\(kind)") }
    let process = Process()
    let runnel = URL(fileURLWithPath: try tool.get())
    process.executableURL = shell ? URL(fileURLWithPath: "/bin/sh") : runnel
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: path)
    // A crash is to be told by its exit, not to print a backtrace for a second.
    process.environment = ProcessInfo.processInfo.environment.merging([
      "SWIFT_BACKTRACE": "enable=no", "PATH": runnel.deletingLastPathComponent().path + ":/usr/bin:/bin",
    ]) { $1 }
    if let source {
      process.standardInput = source
    } else {
      let file = folderAsInput ? path : self(name + ".in")
      process.standardInput = FileHandle(fileDescriptor: open(file, O_RDONLY), closeOnDealloc: true)
    }
    if let output {
      process.standardOutput = output
    } else {
      process.standardOutput = FileHandle(forWritingAtPath: self(name + ".out"))
    }
    process.standardError = FileHandle(forWritingAtPath: self(name + ".err"))
    try process.run()
    return Running(process: process, workplace: self, name: name)
  }

  /// Runs a line of shell in which `runnel` is the tool.
  func shell(_ command: String) throws -> Outcome { try start(["-c", command], shell: true).wait() }

  /// Runs the tool to its end.
  func run(_ arguments: String..., input: [UInt8] = []) throws -> Outcome {
    try start(arguments, input: input).wait()
  }
  func run(_ arguments: [String], input: [UInt8] = []) throws -> Outcome {
    try start(arguments, input: input).wait()
  }
}

/// A process under way.
struct Running {
  let process: Process
  let workplace: Workplace
  let name: String

  /// Waits for the end; a process that hangs is killed, and the test fails.
  func wait(seconds: Double = 60) throws -> Outcome {
    try poll(seconds) { !process.isRunning }
    // The exit is known a moment before the status is.
    process.waitUntilExit()
    return Outcome(
      output: try workplace.bytes(of: name + ".out"),
      errors: String(decoding: try workplace.bytes(of: name + ".err"), as: UTF8.self),
      code: process.terminationStatus, isSignalled: process.terminationReason == .uncaughtSignal)
  }

  /// Waits until `condition` holds or the process has ended.
  func wait(until condition: () -> Bool) throws {
    try poll(60) { condition() || !process.isRunning }
  }

  func send(_ signal: Int32) { if process.isRunning { kill(process.processIdentifier, signal) } }

  private func poll(_ seconds: Double, _ condition: () -> Bool) throws {
    let end = ContinuousClock.now + .seconds(seconds)
    while !condition() {
      if ContinuousClock.now > end {
        send(SIGKILL)
        process.waitUntilExit()
        throw Hang(arguments: process.arguments ?? [])
      }
      usleep(2000)
    }
  }

  struct Hang: Error { let arguments: [String] }
}

/// A process with both ends of its pipes in our hands.
struct Dialogue {
  let running: Running
  let source = Pipe(), output = Pipe()
  private var text: [UInt8] = []

  init(_ place: Workplace, _ arguments: [String]) throws {
    running = try place.start(arguments, source: source, output: output)
    try output.fileHandleForWriting.close()
  }

  func write(_ text: String) throws { try source.fileHandleForWriting.write(contentsOf: Data(text.utf8)) }

  /// The next line that is printed; fails rather than wait for ever.
  mutating func line() throws -> String {
    let descriptor = output.fileHandleForReading.fileDescriptor
    while !text.contains(0x0A) {
      var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      try #require(poll(&ready, 1, 30_000) == 1, "nothing is printed while the writer waits")
      let piece = output.fileHandleForReading.availableData
      try #require(!piece.isEmpty, "the tool has left")
      text += piece
    }
    let end = try #require(text.firstIndex(of: 0x0A))
    defer { text.removeFirst(end + 1) }
    return String(decoding: text[..<end], as: UTF8.self)
  }

  /// A line that is an object of JSON.
  mutating func entry<Entry: Decodable>(_: Entry.Type) throws -> Entry {
    try JSONDecoder().decode(Entry.self, from: Data(line().utf8))
  }

  func end() throws -> Outcome {
    try source.fileHandleForWriting.close()
    return try running.wait().succeeded()
  }
}

/// The tool is built into the folder that holds the test bundle.
private let tool = Result {
  // On macOS the runner stands elsewhere, and only the bundle is near.
  let running: [String?] = [
    CommandLine.arguments.first, Bundle.main.executablePath, realPath("/proc/self/exe"),
  ]
  let places = running + Bundle.allBundles.map { $0.bundlePath }
  for place in places.compactMap({ $0 }) {
    var folder = URL(fileURLWithPath: place).standardizedFileURL
    while folder.pathComponents.count > 1 {
      folder.deleteLastPathComponent()
      let file = folder.appendingPathComponent("runnel").path
      var isFolder: ObjCBool = false
      let isThere = FileManager.default.fileExists(atPath: file, isDirectory: &isFolder)
      if isThere && !isFolder.boolValue && FileManager.default.isExecutableFile(atPath: file) { return file }
    }
  }
  throw NotBuilt(places: places.compactMap { $0 })
}

private struct NotBuilt: Error { let places: [String] }

private func realPath(_ link: String) -> String? {
  try? FileManager.default.destinationOfSymbolicLink(atPath: link)
}

// MARK: What most tests begin with

extension Workplace {
  /// Some 20 kB of text with words to learn.
  static let story: [UInt8] = Array(
    (0..<400).map { i in
      let who = ["red", "old", "small"][i % 3]
      let place = ["mill", "river", "church", "barn"][i % 4]
      return "The \(who) fox ran past the \(place) on day \(i % 37) and said hello.\n"
    }.joined().utf8)

  /// Builds `story.tokens.zst`.
  func makeCorpus() throws -> String {
    try write(Self.story, to: "story.txt")
    try run("corpus", "build", "story.tokens.zst", "story.txt").succeeded()
    return "story.tokens.zst"
  }

  /// The options of a run that takes a fraction of a second.
  static func training(_ mixer: String, corpus: String, out: String, steps: Int = 30) -> [String] {
    [
      "train", "--corpus", corpus, "--mixer", mixer, "--out", out, "--steps", "\(steps)", "--width", "32",
      "--layers", "2", "--batch", "4", "--segment", "32", "--learning-rate", "0.01", "--threads", "1",
    ]
  }

  /// Trains a small model in `name`.
  @discardableResult
  func makeModel(_ mixer: String = "mamba", _ name: String = "model", steps: Int = 30) throws -> String {
    let corpus = exists("story.tokens.zst") ? "story.tokens.zst" : try makeCorpus()
    try run(Self.training(mixer, corpus: corpus, out: name, steps: steps)).succeeded()
    return name
  }

  /// Lines of a run's metrics that are whole.
  func metrics(_ run: String) -> [[String: Any]] {
    guard let text = try? String(contentsOfFile: self(run + "/metrics.jsonl"), encoding: .utf8) else {
      return []
    }
    return text.split(separator: "\n").compactMap {
      (try? JSONSerialization.jsonObject(with: Data($0.utf8))) as? [String: Any]
    }
  }
}
