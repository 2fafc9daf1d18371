/// Corpora from the command line: built from anything, appended to, merged.

import Foundation
import Testing

extension ToolTests {
  @Suite("Corpora by command") struct CorpusBuildingTests {
    private let place: Workplace
    init() throws { place = try Workplace() }

    private func cat(_ corpus: String, _ options: String...) throws -> String {
      try place.run(["corpus", "cat", corpus] + options).succeeded().text
    }

    @Test func `documents end where the separator says, through a pipe too`() throws {
      let text = "one\n<|endoftext|>\ntwo\nlines\n<|endoftext|>\nthree"
      let header = try place.run(
        "corpus", "build", "c", "-", "--separator", "<|endoftext|>", "--validation", "0", "--json",
        input: Array(text.utf8)
      ).succeeded().json()
      #expect(header["documents"] as? Int == 3)
      #expect(try cat("c", "--document", "1") == "two\nlines\n")
      try place.run(
        "corpus", "build", "c", "-", "--separator", #"\n<|endoftext|>\n"#, input: Array(text.utf8)
      )
      .succeeded()
      #expect(try cat("c", "--document", "1") == "two\nlines")
    }

    @Test func `a format given holds for any name, folders and fields`() throws {
      try FileManager.default.createDirectory(atPath: place("d/e"), withIntermediateDirectories: true)
      try place.write("# b\n".utf8, to: "d/b.md")
      try place.write("# c\n".utf8, to: "d/e/c.rst")
      try place.write(#"{"page": {"content": "deep"}}"#.utf8, to: "web.json")
      try place.run("corpus", "build", "c", "d").failed(1, "d: holds no .txt or .jsonl")
      try place.run("corpus", "build", "c", "d", "--format", "text").succeeded()
      #expect(try cat("c") == "# b\n# c\n")
      try place.run("corpus", "build", "c", "web.json", "--format", "jsonl", "--field", "page.content")
        .succeeded()
      #expect(try cat("c") == "deep")
      try place.run("corpus", "build", "c", "web.json", "--field", "a..b").failed(64, "--field")
      try place.run("corpus", "build", "c", "d/b.md", "--documents", "line", "--separator", "x").failed(64)
      try place.run("corpus", "build", "c", "d", "--frame-size", "7").failed(64, "--frame-size")
    }

    @Test func `append and merge keep what was for validation`() throws {
      let lines = (0..<200).map { "{\"text\": \"document \($0)\\n\"}\n" }
      try place.write(lines[..<120].joined().utf8, to: "a.jsonl")
      try place.write(lines[120...].joined().utf8, to: "b.jsonl")
      try place.write(lines.joined().utf8, to: "all.jsonl")
      for name in ["a", "b", "all"] {
        try place.run(
          "corpus", "build", name, "\(name).jsonl", "--validation", "0.25", "--validation-by", "document"
        ).succeeded()
      }
      try place.run("corpus", "merge", "ab", "a", "b").succeeded()
      try place.run("corpus", "append", "a", "b.jsonl").succeeded()
      for split in ["train", "validation"] {
        let whole = try cat("all", "--split", split)
        #expect(try cat("a", "--split", split) == whole)
        #expect(try cat("ab", "--split", split) == whole)
      }
      try place.run("corpus", "verify", "a").succeeded()
      try place.run("corpus", "append", "a", "none.txt").failed(1, "none.txt")
      try place.run("corpus", "merge", "x", "a", "a.jsonl").failed(1, "a.jsonl")
    }

    @Test func `an interrupted build leaves nothing`() throws {
      try place.write(Workplace.story, to: "story.txt")
      // A pipe that stays open keeps the build waiting.
      let outcome = try place.shell(
        """
        mkfifo pipe; sleep 30 > pipe & writer=$!
        runnel corpus build out story.txt - < pipe & build=$!
        while ! ls -A | grep -q runnel-; do sleep 0.02; done
        kill -TERM $build; wait $build; echo $?; kill $writer; ls -A | grep -c -e '^out$' -e runnel-
        """)
      #expect(outcome.text == "1\n0\n")
      #expect(outcome.errors.contains("interrupted: nothing was written"))
    }
  }
}
