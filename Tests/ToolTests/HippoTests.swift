import Foundation
import Testing

extension ToolTests {
  @Suite struct Hippo {
    let place: Workplace
    init() throws { place = try Workplace() }

    static func text(_ numbers: [Double]) -> [UInt8] {
      Array(numbers.map { "\($0)\n" }.joined().utf8)
    }
    static let wave = (0..<6000).map { 1 + sin(2 * .pi * (Double($0) + 0.5) / 1000) }

    /// The objects of a stream, one a line.
    static func objects(_ outcome: Outcome) throws -> [[String: Any]] {
      try outcome.output.split(separator: 10).map {
        try #require(JSONSerialization.jsonObject(with: Data($0)) as? [String: Any])
      }
    }

    @Test(arguments: [
      ["--measure", "legs"], ["--measure", "legs", "--discretization", "zoh"],
      ["--measure", "legt", "--window", "2000"],
      ["--measure", "fourier", "--step", "0.0005"],
      ["--measure", "legt", "--window", "2000", "--discretization", "0.7"],
    ])
    func `a signal comes back`(options: [String]) throws {
      let outcome = try place.run(
        ["hippo", "--size", "32", "--reconstruct", "100"] + options, input: Self.text(Self.wave)
      ).succeeded()
      let rows = outcome.text.split(separator: "\n").map {
        $0.split(separator: "\t").compactMap { Double($0) }
      }
      #expect(rows.count == 100 && rows.allSatisfy { $0.count == 2 })
      for row in rows where row.count == 2 {
        #expect(abs(row[1] - (1 + sin(2 * .pi * row[0] / 1000))) < 0.1, "at \(row[0])")
      }
    }

    @Test func `coefficients stream, and those of the end are those of the whole`() throws {
      let signal = Self.text(Self.wave)
      let every = try Self.objects(
        place.run("hippo", "--size", "8", "--every", "1400", "--json", input: signal).succeeded())
      #expect(every.compactMap { $0["samples"] as? Int } == [1400, 2800, 4200, 5600, 6000])
      let whole = try Self.objects(place.run("hippo", "--size", "8", "--json", input: signal).succeeded())
      #expect(whole.count == 1)
      let (a, b) = (every.last?["coefficients"] as? [Double], whole.last?["coefficients"] as? [Double])
      #expect(a?.count == 8 && a == b)
      let plain = try place.run("hippo", "--size", "8", input: signal).succeeded()
      let numbers = plain.text.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
      #expect(numbers.count == 8)
      for (number, expected) in zip(numbers, b ?? []) {
        #expect(abs(number - expected) <= 1e-14 * abs(expected))
      }

      let played = try Self.objects(
        place.run(
          "hippo", "--reconstruct", "5", "--every", "3000", "--json", input: signal
        ).succeeded())
      #expect(played.count == 2)
      #expect(played.allSatisfy { ($0["reconstruction"] as? [Double])?.count == 5 })
      #expect(played.first?["times"] as? [Double] == [300, 900, 1500, 2100, 2700])
      // The constant one has c_0 = 1; lines may end as in DOS, and the last not at all.
      let one = try place.run(
        "hippo", "--size", "1", "--discretization", "zoh", input: Array("1\r\n 1e0 \n+1".utf8)
      ).succeeded()
      #expect(abs((Double(one.text.trimmingCharacters(in: .newlines)) ?? 0) - 1) < 1e-12)
    }

    @Test(arguments: [
      ("1\n2\nthree\n", "line 3"), ("1\n\n2\n", "line 2"), ("1\nnan\n", "line 2"), ("inf\n", "line 1"),
      ("1 2\n", "line 1"), ("1\n2\n0x", "line 3"), ("1e999\n", "line 1"),
    ])
    func `what is no number is refused with its line`(text: String, line: String) throws {
      try place.run("hippo", input: Array(text.utf8)).failed(
        1, "stdin, " + line, "expected one finite number")
    }

    @Test func `bad bytes, endless lines and an empty stdin are refused`() throws {
      try place.run("hippo").failed(1, "empty", "one number per line")
      try place.run("hippo", input: [0xFF, 0xC0, 10]).failed(1, "line 1")
      try place.run("hippo", input: [UInt8](repeating: 49, count: 200_000)).failed(1, "line 1", "4096")
      try place.start(["hippo"], folderAsInput: true).wait().failed(1, "stdin", "cannot be read")
      let loud = [UInt8]((0..<400).flatMap { "\($0 % 2 == 0 ? "" : "-")1e308\n".utf8 })
      try place.run("hippo", "--size", "200", "--discretization", "forward-euler", input: loud).failed(
        1, "overflowed")
    }

    @Test(arguments: [
      (["--size", "0"], "--size"), (["--measure", "legt"], "--window"), (["--measure", "cheb"], "fourier"),
      (["--window", "-3"], "--window"), (["--window", "nan"], "--window"), (["--step", "0"], "--step"),
      (["--window", "3", "--step", "2"], "not both"), (["--every", "0"], "--every"),
      (["--reconstruct", "0"], "--reconstruct"), (["--discretization", "2"], "--discretization"),
    ])
    func `misuse is told`(options: [String], word: String) throws {
      try place.run(["hippo"] + options, input: Array("1\n".utf8)).failed(64, word)
    }
  }
}
