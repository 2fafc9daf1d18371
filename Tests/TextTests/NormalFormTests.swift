import RunnelText
import Testing

@Suite("normal forms")
struct NormalFormTests {
  static let compose = NormalForm(composes: true)
  static let decompose = NormalForm(composes: false)

  static let forms: [(text: String, composed: String, decomposed: String)] = [
    ("e\u{301}", "\u{E9}", "e\u{301}"),
    ("\u{212B}", "\u{C5}", "A\u{30A}"),
    ("a\u{301}\u{323}", "\u{1EA1}\u{301}", "a\u{323}\u{301}"),
    ("\u{1112}\u{1161}\u{11AB}x", "\u{D55C}x", "\u{1112}\u{1161}\u{11AB}x"),
    ("\u{D558}\u{11AB}", "\u{D55C}", "\u{1112}\u{1161}\u{11AB}"),
    ("\u{958}", "\u{915}\u{93C}", "\u{915}\u{93C}"),
    ("\u{F73}", "\u{F71}\u{F72}", "\u{F71}\u{F72}"),
    ("\u{1D5}", "\u{1D5}", "U\u{308}\u{304}"),
    ("\u{2F800}", "\u{4E3D}", "\u{4E3D}"),
    // Unicode 13 composes these; the version of the original, 9, knows neither.
    ("\u{11935}\u{11930}", "\u{11935}\u{11930}", "\u{11935}\u{11930}"),
    ("\u{11938}", "\u{11938}", "\u{11938}"),
    ("\n\u{301}", "\n\u{301}", "\n\u{301}"),
  ]

  @Test("known forms", arguments: forms.indices)
  func known(index: Int) {
    let (text, composed, decomposed) = Self.forms[index]
    #expect(Self.compose(Array(text.utf8)) == Array(composed.utf8))
    #expect(Self.decompose(Array(text.utf8)) == Array(decomposed.utf8))
  }

  @Test(
    "forms are equivalent to the text, stay as they are, and follow from each other; any cutting gives the same"
  )
  func laws() {
    var generator = Generator(state: 23)
    let characters =
      "aeoAk \n\u{E9}\u{1EA1}\u{212B}\u{958}\u{D55C}\u{D558}".unicodeScalars.map { String($0) }
      + [
        "\u{300}", "\u{301}", "\u{323}", "\u{327}", "\u{30A}", "\u{345}", "\u{93C}", "\u{1112}", "\u{1161}",
        "\u{11AB}", "\u{FB1D}",
      ]
    for _ in 0..<20_000 {
      var text = ""
      for _ in 0..<Int.random(in: 0...8, using: &generator) {
        text.unicodeScalars += (characters.randomElement(using: &generator) ?? "").unicodeScalars
      }
      var bytes = Array(text.utf8)
      let (composed, decomposed) = (Self.compose(bytes), Self.decompose(bytes))
      // Swift compares by canonical equivalence.
      if String(decoding: composed, as: UTF8.self) != text
        || String(decoding: decomposed, as: UTF8.self) != text
      {
        Issue.record("\(bytes) is not equivalent")
      }
      if Self.compose(decomposed) != composed || Self.decompose(composed) != decomposed
        || Self.compose(composed) != composed || Self.decompose(decomposed) != decomposed
      {
        Issue.record("\(bytes) has several forms")
      }
      if Int.random(in: 0..<3, using: &generator) == 0 {
        bytes.insert(
          .random(in: 0x80...0xFF, using: &generator), at: .random(in: 0...bytes.count, using: &generator))
      }
      for form in [Self.compose, Self.decompose] {
        let whole = form(bytes)
        var held: [UInt8] = []
        var text: [UInt8] = []
        for (index, byte) in bytes.enumerated() {
          held.append(byte)
          let done = held.withUnsafeBufferPointer {
            form.apply($0, isFinal: index == bytes.count - 1, into: &text)
          }
          held.removeFirst(done)
        }
        if text != whole { Issue.record("\(bytes) byte by byte: \(text)") }
      }
    }
  }
}
