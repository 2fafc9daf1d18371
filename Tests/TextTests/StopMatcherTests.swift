import RunnelText
import Testing

@Suite("a stop string ends the stream wherever the tokens cut it")
struct StopMatcherTests {
  /// The definition: the shortest beginning of the text that ends with a stop string, less the longest such
  /// string.
  static func reference(_ text: [UInt8], _ stops: [[UInt8]]) -> (emit: [UInt8], stopped: Bool) {
    for end in 0...text.count {
      let ending = stops.filter { text[..<end].reversed().starts(with: $0.reversed()) }
      if let longest = ending.map(\.count).max() { return (Array(text[..<(end - longest)]), true) }
    }
    return (text, false)
  }

  /// The longest tail of the text that begins a stop string without being one.
  static func tail(_ text: [UInt8], _ stops: [[UInt8]]) -> Int {
    (0...text.count).last { length in
      stops.contains { $0.count > length && $0.starts(with: text.suffix(length)) }
    } ?? 0
  }

  @Test(
    "random texts of few letters, cut at random: what comes out is the definition, what stays back is needed")
  func random() {
    var generator = Generator(state: 3)
    func word(_ lengths: ClosedRange<Int>) -> [UInt8] {
      (0..<Int.random(in: lengths, using: &generator)).map { _ in
        UInt8.random(in: 0x61...0x63, using: &generator)
      }
    }
    for _ in 0..<20_000 {
      let stops = (0..<Int.random(in: 0...3, using: &generator)).map { _ in word(1...5) }
      let text = word(0...20)
      let expected = Self.reference(text, stops)
      var matcher = StopMatcher(stops)
      var emitted: [UInt8] = []
      var position = 0
      while position < text.count && !matcher.isStopped {
        let end = min(text.count, position + Int.random(in: 0...4, using: &generator))
        let (emit, stopped) = matcher.feed(text[position..<end])
        emitted += emit
        position = end
        if stopped != matcher.isStopped { Issue.record("two answers") }
        if stopped { break }
        if matcher.pending.count != Self.tail(Array(text[..<end]), stops) {
          Issue.record("\(stops) hold back \(matcher.pending) of \(text[..<end])")
        }
        // What is held back restores the matcher.
        var restored = StopMatcher(stops)
        if restored.feed(matcher.pending).emit != [] || restored.pending != matcher.pending {
          Issue.record("\(matcher.pending) is not restored")
        }
        matcher = restored
      }
      if matcher.isStopped != expected.stopped || emitted + matcher.flush() != expected.emit {
        Issue.record("\(stops) on \(text): \(emitted), not \(expected)")
      }
    }
  }

  @Test("a stop over three tokens; nothing passes after it")
  func tokens() {
    var matcher = StopMatcher(["\n\nUser:", "</s>"])
    #expect(matcher.feed(Array("Hello <".utf8)) == (Array("Hello ".utf8), false))
    #expect(matcher.feed(Array("b>\n\nUs".utf8)) == (Array("<b>".utf8), false))
    #expect(matcher.pending == Array("\n\nUs".utf8))
    #expect(matcher.feed(Array("er: x".utf8)) == ([], true))
    #expect(matcher.found == Array("\n\nUser:".utf8) && matcher.pending == [])
    #expect(matcher.feed(Array("more".utf8)) == ([], true))
    #expect(matcher.flush() == [])
  }

  @Test("without stop strings everything passes at once")
  func none() {
    var matcher = StopMatcher([String]())
    #expect(matcher.feed([1, 2, 3]) == ([1, 2, 3], false))
    #expect(matcher.flush() == [])
  }

  @Test("an empty stop string is a mistake of the caller")
  func empty() async {
    await #expect(processExitsWith: .failure) { _ = StopMatcher([""]) }
  }
}

private func == (a: (emit: [UInt8], stopped: Bool), b: ([UInt8], Bool)) -> Bool {
  a.emit == b.0 && a.stopped == b.1
}
