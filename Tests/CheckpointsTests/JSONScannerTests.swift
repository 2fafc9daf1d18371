import RunnelFiles
import Testing

@Suite("JSON is read from hostile bytes, and what nobody asked for is no fault")
struct JSONScannerTests {
  /// What the field "a" says after all that stands before it has been skipped.
  private func wanted(_ text: String, requireFinite: Bool = true) throws -> Double? {
    var scanner = JSONScanner(Array(text.utf8), file: "f", remedy: "mend it")
    var value: Double?
    try scanner.beginObject()
    while let key = try scanner.nextKey() {
      if key == "a" {
        value = try scanner.number(requireFinite: requireFinite)
      } else {
        try scanner.skipValue()
      }
    }
    try scanner.finish()
    return value
  }

  @Test(
    "a value of any kind, size and depth is skipped",
    arguments: [
      "NaN", "Infinity", "-Infinity", "1e400", "-1e-999", "123456789012345678901234567890", "[]", "{}",
      "[NaN, [Infinity, {\"x\": [-Infinity]}], {}, []]", "{\"a\": {\"a\": [1, {\"a\": 2}]}, \"b\": \"]}\"}",
      String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000),
      String(repeating: "{\"a\":[", count: 50_000) + "0" + String(repeating: "]}", count: 50_000),
    ])
  func skipped(value: String) throws {
    #expect(try wanted("{\"z\": \(value), \"a\": 7}") == 7)
    #expect(try wanted("\u{FEFF}{\"z\":\(value),\"y\":[\(value) , \(value)],\"a\":7}") == 7)
  }

  @Test(
    "what is no value is a fault even where it is skipped",
    arguments: [
      "[1 2]", "[1,]", "[", "{\"a\" 1}", "{\"a\":1,}", "[}", "{]", "[1}", "nan", "Nan", "-NaN", "Inf", "+1",
      "01", "1.", "", "[[[", "\"", "{\"a\":[1}",
    ])
  func faults(value: String) throws {
    #expect(throws: FileError.self) { try wanted("{\"z\": \(value), \"a\": 7}") }
  }

  @Test("numbers without bounds are there for those who want them, and refused by name to all others")
  func nonFinite() throws {
    for (text, number) in [
      ("Infinity", Double.infinity), ("-Infinity", -.infinity), ("1e400", .infinity), ("-2E+999", -.infinity),
    ] {
      #expect(try wanted("{\"a\": \(text)}", requireFinite: false) == number)
      #expect(
        throws: FileError(
          "f", at: "JSON at byte 6", expected: "a finite number", found: text, remedy: "mend it")
      ) { try wanted("{\"a\": \(text)}") }
    }
    #expect(try wanted("{\"a\": NaN}", requireFinite: false)?.isNaN == true)
    #expect(throws: FileError.self) { try wanted("{\"a\": NaN}") }
    #expect(throws: FileError.self) {
      var scanner = JSONScanner(Array("NaN".utf8), file: "f")
      _ = try scanner.integer()
    }
  }

  @Test("a document of nothing is called empty", arguments: ["", " \n\t"])
  func empty(text: String) {
    let error = #expect(throws: FileError.self) { try wanted(text) }
    #expect(error?.found == "nothing: it is empty")
  }
}
