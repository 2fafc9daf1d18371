import Foundation
import Testing

extension ToolTests {
  @Suite("corpus synth TASK, train on its answers, score --task") struct TaskTests {
    @Test("from nothing to an accuracy, in every form") func path() throws {
      let work = try Workplace()
      let made = try work.run(
        "corpus", "synth", "dyck", "d.tokens.zst", "--depth", "1", "--kinds", "3", "--length", "32",
        "--documents", "200", "--json"
      ).succeeded().json()
      let task = try #require(made["task"] as? [String: Any])
      #expect(task["name"] as? String == "dyck" && task["best_accuracy"] as? Double == 1)
      #expect((task["settings"] as? [String: Double]) == ["depth": 1, "kinds": 3, "length": 32])
      let shown = try work.run("corpus", "cat", "d.tokens.zst", "--document", "3").succeeded().text
      #expect(shown.split(separator: " ").count == 32 && shown.hasSuffix("\n"))
      #expect(shown.allSatisfy { "()[]{} \n".contains($0) }, "\(shown)")

      let training = Workplace.training("mingru", corpus: "d.tokens.zst", out: "run", steps: 60)
      let summary = try work.run(training + ["--validate-every", "20", "--json"]).succeeded().json()
      #expect((summary["validation_accuracy"] as? Double ?? 0) == 1)
      #expect(work.metrics("run").contains { $0["validation_accuracy"] != nil })
      var losses: [Double] = []
      for form in ["step", "mix", "parallel"] {
        let score = try work.run(
          "score", "run", "--corpus", "d.tokens.zst", "--task", "--form", form, "--json"
        ).succeeded().json()
        #expect(score["accuracy"] as? Double == 1 && score["document_accuracy"] as? Double == 1)
        #expect(score["tokens"] as? Int == 320 && score["documents"] as? Int == 20)
        losses.append(try #require(score["loss"] as? Double))
      }
      #expect(losses.allSatisfy { abs($0 - losses[0]) < 1e-5 })
      // Every token, opening brackets with them.
      let all = try work.run("score", "run", "--corpus", "d.tokens.zst", "--no-task", "--json").succeeded()
        .json()
      #expect(all["accuracy"] == nil && all["tokens"] as? Int == 639)
    }

    @Test("a task's corpus is the same for a seed") func seeds() throws {
      let work = try Workplace()
      for (name, seed) in [("a", "7"), ("b", "7"), ("c", "8")] {
        try work.run(
          "corpus", "synth", "mqar", name, "--pairs", "4", "--documents", "50", "--seed", seed
        ).succeeded()
      }
      #expect(try work.bytes(of: "a") == work.bytes(of: "b"))
      #expect(try work.bytes(of: "a") != work.bytes(of: "c"))
    }

    @Test("what a task does not have is refused by name") func refusals() throws {
      let work = try Workplace()
      func refused(_ arguments: String..., words: String) throws {
        try work.run(["corpus", "synth"] + arguments).failed(64, words)
      }
      try refused("riddles", "x", words: "there is no task riddles; it is one of selective-copy, induction")
      try refused(
        "dyck", "x", "--pairs", "3", words: "dyck has no --pairs; it has --length, --kinds, --depth")
      try refused("dyck", "x", "--megabytes", "3", words: "dyck has no --megabytes")
      try refused("stories", "x", "--fewest-terms", "3", words: "stories has no --fewest-terms")
      try refused("stories", "x", "--documents", "3", words: "stories has no --documents")
      try refused("mqar", "x", "--length", "9", words: "it must be at least 32")
      try refused("modular", "x", "--documents", "0", words: "--documents is 0")
      #expect(!work.exists("x"))
      let model = try work.makeModel(steps: 2)
      for options in [["--out", "new", "--mixer", "gla"], ["--out", model, "--resume"]] {
        try work.run(
          ["train", "--corpus", "story.tokens.zst", "--loss", "answers", "--steps", "1"] + options
        )
        .failed(1, "story.tokens.zst has none", "--loss all")
      }
      try work.run("score", model, "--task").failed(64, "--corpus")
      try work.run("score", model, "--task", "--corpus", "story.tokens.zst").failed(1, "is of no task")
    }

    @Test("the help names every task, its paper and its settings") func help() throws {
      let text = try Workplace().run("corpus", "synth", "--help").succeeded().text
      for words in [
        "selective-copy", "induction", "mqar", "dyck", "modular", "stories", "Gu and Dao 2023",
        "--fewest-terms 1",
      ] {
        #expect(text.contains(words), "\(words)")
      }
    }
  }
}
