import ArgumentParser
import Foundation
import Runnel

struct HippoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hippo", abstract: "Remember a signal in a few numbers, and play it back.",
    discussion: """
      Example: seq 1 1000 | runnel hippo --size 16 --reconstruct 5
      Reads one number per line from stdin, sample by sample in constant memory, and prints the coefficients of its
      projection onto orthogonal functions: at the end, or every so many samples. With --reconstruct it prints the
      remembered signal instead, each line a time in samples and a value.
      """)

  @Option(help: "What is remembered, and how: legs, legt, lagt or fourier.") var measure = HiPPO.Measure.legs
  @Option(help: ArgumentHelp("The number of coefficients.", valueName: "n")) var size = 64
  @Option(
    help: "forward-euler, backward-euler, bilinear, zoh, or a number from 0 to 1: generalised bilinear.")
  var discretization = HiPPO.Discretization.bilinear
  @Option(
    help: ArgumentHelp(
      "The length of the memory in samples; legs without one remembers the whole past.", valueName: "samples")
  )
  var window: Double?
  @Option(help: ArgumentHelp("The same as a time step: 1 / window.", valueName: "dt")) var step: Double?
  @Option(help: ArgumentHelp("Also print after every so many samples.", valueName: "samples")) var every: Int?
  @Option(help: ArgumentHelp("Print the remembered signal at this many times.", valueName: "points"))
  var reconstruct: Int?
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard (1...4096).contains(size) else {
      throw ValidationError("--size is \(size); it must lie between 1 and 4096")
    }
    if let every, every < 1 { throw ValidationError("--every is \(every); it must be at least 1") }
    if let reconstruct, !(1...1_000_000).contains(reconstruct) {
      throw ValidationError("--reconstruct is \(reconstruct); it must lie between 1 and 1000000")
    }
    if window != nil && step != nil { throw ValidationError("give --window or --step, not both") }
    // Windows beyond these are no length of a signal, and make steps that are lost in rounding.
    if let window, !(1e-3...1e12).contains(window) {
      throw ValidationError("--window is \(window); it must lie between 0.001 and 1e12 samples")
    }
    if let step, !(1e-12...1e3).contains(step) {
      throw ValidationError("--step is \(step); it must lie between 1e-12 and 1000")
    }
    if measure != .legs && window == nil && step == nil {
      throw ValidationError("--measure \(measure.rawValue) needs --window or --step")
    }
  }

  func run() throws {
    var memory = HiPPO(
      measure, size: size, discretization: discretization, window: window ?? step.map { 1 / $0 })
    var lines = NumberLines(), printed = 0
    func feed(_ samples: [Double]) throws {
      var rest = samples[...]
      while !rest.isEmpty {
        let count = every.map { min(rest.count, $0 - memory.count % $0) } ?? rest.count
        memory.mix(Array(rest.prefix(count)))
        rest = rest.dropFirst(count)
        if let every, memory.count % every == 0 {
          try show(memory)
          printed = memory.count
        }
      }
    }
    while let bytes = try Input.read() {
      try lines.read(bytes, into: feed)
    }
    try lines.finish(into: feed)
    guard memory.count > 0 else {
      throw ToolError("stdin is empty; expected a signal, one number per line")
    }
    if printed != memory.count { try show(memory) }
  }

  private struct Result: Encodable {
    let samples: Int
    var coefficients, times, reconstruction: [Double]?
  }

  private func show(_ memory: HiPPO) throws {
    guard memory.coefficients.allSatisfy(\.isFinite) else {
      throw ToolError(
        "the coefficients overflowed by sample \(memory.count); choose another --discretization or a longer window"
      )
    }
    if let reconstruct {
      let times = memory.times(points: reconstruct), values = memory.reconstruct(points: reconstruct)
      guard values.allSatisfy(\.isFinite) else {
        throw ToolError("the remembered signal overflows by sample \(memory.count); scale the samples down")
      }
      if output.json {
        return try Output.json(
          Result(samples: memory.count, times: times, reconstruction: values), pretty: false)
      }
      return Output.line(zip(times, values).map { "\($0)\t\($1)" }.joined(separator: "\n"))
    }
    if output.json {
      return try Output.json(
        Result(samples: memory.count, coefficients: memory.coefficients), pretty: false)
    }
    Output.line(memory.coefficients.map { "\($0)" }.joined(separator: "\t"))
  }
}

/// Numbers from bytes that come in pieces, one a line.
private struct NumberLines {
  private var line = 0
  private var rest: [UInt8] = []

  /// Hands on the numbers of the whole lines, those before a bad line included.
  mutating func read(_ bytes: [UInt8], into feed: ([Double]) throws -> Void) throws {
    var samples: [Double] = [], start = bytes.startIndex
    while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
      rest += bytes[start..<end]
      samples.append(try number())
      start = end + 1
    }
    rest += bytes[start...]
    guard rest.count <= 4096 else {
      throw ToolError("stdin, line \(line + 1): longer than 4096 bytes; expected one number per line")
    }
    try feed(samples)
  }

  /// The last line may lack its end.
  mutating func finish(into feed: ([Double]) throws -> Void) throws {
    if !rest.isEmpty { try feed([number()]) }
  }

  private mutating func number() throws -> Double {
    line += 1
    defer { rest.removeAll(keepingCapacity: true) }
    func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 || byte == 13 }
    while let last = rest.last, isBlank(last) { rest.removeLast() }
    let count = rest.count
    rest.append(0)
    let value = rest.withUnsafeBytes { bytes -> Double? in
      guard count > 0, let base = bytes.baseAddress?.assumingMemoryBound(to: CChar.self) else { return nil }
      var end: UnsafeMutablePointer<CChar>?
      let value = strtod(base, &end)
      return end == UnsafeMutablePointer(mutating: base + count) ? value : nil
    }
    guard let value, value.isFinite else {
      let text = String(decoding: rest.prefix(count), as: UTF8.self)
      let shown = text.isEmpty ? "a blank line" : String(text.prefix(40)).debugDescription
      throw ToolError("stdin, line \(line): \(shown); expected one finite number")
    }
    return value
  }
}

extension HiPPO.Measure: ExpressibleByArgument {}

extension HiPPO.Discretization: ExpressibleByArgument {
  public init?(argument: String) {
    switch argument {
    case "forward-euler": self = .forwardEuler
    case "backward-euler": self = .backwardEuler
    case "bilinear": self = .bilinear
    case "zoh": self = .zeroOrderHold
    default:
      guard let alpha = Double(argument), (0...1).contains(alpha) else { return nil }
      self = .generalizedBilinear(alpha)
    }
  }
  public var defaultValueDescription: String { self == .bilinear ? "bilinear" : "\(self)" }
}
