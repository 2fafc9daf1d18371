/// Results go to stdout, progress to stderr; bars only on a terminal.

import Foundation
import Runnel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

enum Output {
  static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

  /// Why stdout took no more, other than that its reader has gone: the verb then fails, once it has saved what it saves.
  nonisolated(unsafe) private(set) static var failure: ToolError?

  /// Whether stdout takes no more: a verb that works on then saves and leaves, as at a signal.
  nonisolated(unsafe) private(set) static var isClosed = false

  /// Writes all bytes; false once nothing can be written any more. The end of a pipe's reader is a good end; everything
  /// else is kept as `failure`, for `main` to tell. Only the main thread writes.
  @discardableResult
  static func write(_ bytes: [UInt8], to descriptor: Int32 = STDOUT_FILENO) -> Bool {
    let error: Int32 = bytes.withUnsafeBytes { buffer in
      var done = 0
      while done < buffer.count {
        let count = Foundation.write(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done)
        if count < 0 && errno == EINTR { continue }
        if count <= 0 { return count < 0 ? errno : EIO }
        done += count
      }
      return 0
    }
    guard error != 0, descriptor == STDOUT_FILENO else { return error == 0 }
    isClosed = true
    if error != EPIPE, failure == nil {
      failure = ToolError("stdout cannot be written: \(String(cString: strerror(error)))")
    }
    return false
  }

  static func line(_ text: String) { write(Array((text + "\n").utf8)) }
  static func note(_ text: String) { write(Array((text + "\n").utf8), to: STDERR_FILENO) }

  /// One object, keys sorted.
  static func json(_ value: some Encodable, pretty: Bool = true) throws {
    line(try encoded(value, pretty: pretty))
  }

  /// Bytes as JSON tells them: as text, and where they are none, in hexadecimal too.
  static func textAndBytes(_ bytes: some Collection<UInt8>) -> (text: String, bytes: String?) {
    if let text = String(validating: bytes, as: UTF8.self) { return (text, nil) }
    return (
      String(decoding: bytes, as: UTF8.self), bytes.map { hexadecimal(UInt64($0), digits: 2) }.joined()
    )
  }
  static func encoded(_ value: some Encodable, pretty: Bool = false) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = pretty ? [.prettyPrinted, .sortedKeys] : [.sortedKeys]
    do { return String(decoding: try encoder.encode(value), as: UTF8.self) } catch let error as EncodingError
    {
      guard case .invalidValue(let value, let context) = error else { throw error }
      // JSON has no other numbers, and readers of text in their place go wrong.
      let place = context.codingPath.map(\.stringValue).joined(separator: ".")
      throw ToolError("the result has no number for \(place): it is \(value)")
    }
  }

  /// Rows in aligned columns, the first row being the heading. What a file says may hold line breaks and a terminal's
  /// commands; it is shown as it stands there.
  static func table(_ rows: [[String]]) {
    let rows = rows.map { $0.map { printable($0, limit: .max) } }
    guard let first = rows.first else { return }
    let widths = first.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    for row in rows {
      let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
      var text = cells.joined(separator: "  ")
      while text.last == " " { text.removeLast() }
      line(text)
    }
  }

  static func decimals(_ number: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", number) }

  static func duration(_ seconds: Double) -> String {
    let whole = Int(seconds.isFinite ? max(0, seconds).rounded() : 0)
    return whole < 3600
      ? String(format: "%d:%02d", whole / 60, whole % 60)
      : String(format: "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60)
  }
}

/// A bar on a terminal, a line now and then elsewhere.
struct ProgressLine {
  private var last = ContinuousClock.now
  private var isFirst = true
  private let isTerminal = Output.isTerminal

  /// Shows the share that is done and a text; at most ten times a second, or every ten seconds into a file.
  mutating func show(_ share: Double, _ text: @autoclosure () -> String) {
    let now = ContinuousClock.now
    guard isFirst || now - last >= (isTerminal ? .milliseconds(100) : .seconds(10)) else { return }
    (isFirst, last) = (false, now)
    if isTerminal {
      let width = 24, full = Int((Double(width) * min(1, max(0, share))).rounded(.down))
      let bar = String(repeating: "█", count: full) + String(repeating: "░", count: width - full)
      Output.write(Array("\r\u{1B}[K\(bar) \(text())".utf8), to: STDERR_FILENO)
    } else {
      Output.note(text())
    }
  }

  func finish() {
    if isTerminal && !isFirst { Output.write(Array("\r\u{1B}[K".utf8), to: STDERR_FILENO) }
  }
}

/// Whether to leave: SIGINT, SIGTERM or SIGHUP has arrived, or nobody reads the results any more. The first signal is answered by
/// saving and leaving, a second of the first two ends at once. (A terminal that closes may send more than one SIGHUP.)
enum Interrupt {
  private static func isIgnored(_ action: sigaction) -> Bool {
    #if canImport(Glibc)
      let handler = action.__sigaction_handler.sa_handler
    #elseif canImport(Musl)
      let handler = action.__sa_handler.sa_handler
    #else
      let handler = action.__sigaction_u.__sa_handler
    #endif
    return unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  nonisolated(unsafe) private static var flag: sig_atomic_t = 0
  static var hasArrived: Bool { flag != 0 || Output.isClosed }

  static func watch() {
    for number in [SIGINT, SIGTERM] {
      signal(number) { number in
        Interrupt.flag = 1
        signal(number, SIG_DFL)
      }
    }
    // Who is run by nohup stays deaf to it.
    var before = sigaction()
    sigaction(SIGHUP, nil, &before)
    if !isIgnored(before) { signal(SIGHUP) { _ in Interrupt.flag = 1 } }
  }
}

extension Double {
  /// Nil where JSON has no number for it.
  var ifFinite: Double? { isFinite ? self : nil }
}
