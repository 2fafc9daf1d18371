/// Recipes are whole, and `tools/get-corpus` follows them: here from a package made on the spot, never from a network.

import Foundation
import Testing

@Suite("Recipes") struct Recipes {
  let place: Workplace
  init() throws { place = try Workplace() }

  static let keys: Set = [
    "what", "packages", "files", "except", "divide", "clean", "drop", "licence", "licence-file", "documents",
    "text", "validation",
  ]
  static let optional: Set = ["except", "drop"]

  @Test(arguments: try Project.recipes)
  func `a recipe has every key once, and its steps are known`(name: String) throws {
    let text = try String(contentsOfFile: "\(Project.root)/corpora/\(name).recipe", encoding: .utf8)
    var fields: [String: String] = [:]
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      try #require(parts.count == 2, "\(line)")
      #expect(Self.keys.contains(String(parts[0])), "\(parts[0])")
      #expect(
        fields.updateValue(parts[1].trimmingCharacters(in: .whitespaces), forKey: String(parts[0])) == nil)
    }
    for key in Self.keys.subtracting(Self.optional) {
      let value = try #require(fields[key], "no \(key)")
      #expect(!value.isEmpty || key == "clean", "\(key) is empty")
    }
    let share = try #require(fields["validation"].flatMap(Double.init))
    #expect(share > 0 && share <= 0.2)
    for pattern in fields["files", default: ""].split(separator: " ") {
      #expect(pattern.hasPrefix("usr/"), "\(pattern) is not within a package")
    }
    // An unknown step or division fails before anything is read.
    let division = try #require(fields["divide"]), steps = try #require(fields["clean"])
    #expect(try place.documents(divide: division, clean: steps).isEmpty)
  }

  @Test func `--list tells each recipe on a line`() throws {
    let lines = try place.getCorpus("--list").succeeded().output.split(separator: "\n")
    #expect(lines.dropFirst().map { String($0.prefix { $0 != " " }) } == (try Project.recipes))
    #expect(lines.count > 10 && lines[0].hasPrefix("name"))
  }

  @Test func `an unknown name lists those that are known`() throws {
    for name in ["novels", "../README", "linux-doc/"] {
      let outcome = try place.getCorpus(name)
      outcome.failed("no recipe \(name)", "anarchism, ", "wordnet")
    }
    #expect(try place.getCorpus().code == 64)
    #expect(try place.getCorpus("--help").succeeded().output.hasPrefix("Usage: "))
  }

  @Test func `without a package the error says which one, and nothing is left`() throws {
    try FileManager.default.createDirectory(atPath: place("empty"), withIntermediateDirectories: true)
    try place.getCorpus("jargon", "--text", "--from", "empty").failed("empty holds no package dict-jargon")
    try place.getCorpus("jargon", "--text", "--from", "nowhere").failed("--from nowhere")
    try place.getCorpus("jargon", "gone/out.zst", "--text", "--from", "empty").failed("gone/out.zst")
    try place.getCorpus("jargon", "--text", "--level", "3").failed("--level")
    #expect(try place.leftovers.isEmpty)
  }

  /// Makes fortunes' packages with texts of our own.
  private func makePackages() throws {
    for (package, file, text) in [
      ("fortunes", "kettles", "A watched kettle.\n%\nTwo\nlines.\n%\nA watched kettle.\n"),
      ("fortunes-min", "lids", "A lid.\n%\n"),
    ] {
      let root = "build/\(package)"
      try place.write(text.utf8, to: "\(root)/usr/share/games/fortunes/\(file)")
      try place.write("left out".utf8, to: "\(root)/usr/share/games/fortunes/\(file).dat")
      try place.write("left out".utf8, to: "\(root)/usr/share/doc/\(package)/copyright")
      try place.write(
        "Package: \(package)\nVersion: 1:2.0\nArchitecture: all\nMaintainer: Nobody <a@b.c>\nDescription: a test\n"
          .utf8, to: "\(root)/DEBIAN/control")
      for version in ["1.9", "1.10"] {
        try FileManager.default.createDirectory(atPath: place("debs"), withIntermediateDirectories: true)
        try place.run(
          "dpkg-deb", ["--root-owner-group", "-b", place(root), place("debs/\(package)_\(version)_all.deb")]
        ).succeeded()
      }
    }
  }

  /// In the place of `runnel`: keeps the text that it is given and prints the options.
  private func makeTool(_ end: String, help: String = "") throws {
    try place.write(
      "#!/bin/sh\nif [ $3 = --help ]; then echo '\(help)'; else \(end); fi\n".utf8, to: "runnel")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: place("runnel"))
  }

  @Test(.enabled(if: Project.has("dpkg-deb") && Project.has("zstd")))
  func `a package becomes documents with their sources, and options go on`() throws {
    try makePackages()
    try makeTool("cp \"$4\" \"$3\"; shift 4; echo \"$*\"")
    let tool = ["RUNNEL": place("runnel")]
    let expected = """
      {"text":"A watched kettle.\\n","source":"usr/share/games/fortunes/kettles"}
      {"text":"Two\\nlines.\\n","source":"usr/share/games/fortunes/kettles"}
      {"text":"A lid.\\n","source":"usr/share/games/fortunes/lids"}

      """
    let made = try place.getCorpus("fortunes", "--from", "debs", "--level", "3", environment: tool)
      .succeeded()
    #expect(made.output == "--validation 0.05 --level 3\n")
    #expect(try String(contentsOfFile: place("fortunes.tokens.zst"), encoding: .utf8) == expected)
    #expect(made.errors.contains("3 documents of 2 files, 1 duplicates dropped"), "\(made.errors)")
    #expect(made.errors.contains("licence: "))

    let own = try place.getCorpus(
      "fortunes", "out.zst", "--validation", "0.5", "--from", "debs", environment: tool
    ).succeeded()
    #expect(own.output == "--validation 0.5\n" && place.exists("out.zst"))

    // Whole documents are kept for validation where the tool can do that.
    try makeTool("shift 4; echo \"$*\"", help: "  --validation-by <unit>")
    let split = try place.getCorpus("fortunes", "--from", "debs", environment: tool).succeeded()
    #expect(split.output == "--validation-by document --validation 0.05\n")

    try place.getCorpus("fortunes", "text.jsonl.zst", "--text", "--from", "debs").succeeded()
    #expect(try place.run("zstd", ["-dc", "text.jsonl.zst"]).succeeded().output == expected)
    #expect(try place.leftovers.isEmpty)
  }

  @Test(.enabled(if: Project.has("dpkg-deb")))
  func `what fails or is interrupted leaves no file`() throws {
    try makePackages()
    try makeTool("echo 'Error: the disk is full' >&2; exit 1")
    try place.getCorpus("fortunes", "--from", "debs", environment: ["RUNNEL": place("runnel")])
      .failed("the disk is full")
    // The tool is struck with its parent, as by a key on a terminal.
    try makeTool("kill -TERM $PPID; exit 143")
    #expect(
      try place.getCorpus("fortunes", "--from", "debs", environment: ["RUNNEL": place("runnel")]).code == 143)
    try place.getCorpus("fortunes", "--from", "debs", environment: ["RUNNEL": place("nothing")])
      .failed("RUNNEL is")
    try place.write("not a package".utf8, to: "debs/dict-jargon_1_all.deb")
    try place.getCorpus("jargon", "--text", "--from", "debs").failed(
      "dict-jargon_1_all.deb cannot be unpacked")
    #expect(!place.exists("fortunes.tokens.zst") && !place.exists("jargon.jsonl.zst"))
    #expect(try place.leftovers.isEmpty)
  }
}
