/// `runnel state` and `runnel generate --journal`: streams on disk, there and back.

import Foundation
import Runnel
import Testing

extension ToolTests {
  @Suite struct States {
    let place: Workplace
    init() throws { place = try Workplace() }

    private func model() throws -> String {
      let corpus = try place.makeCorpus()
      try place.run(Workplace.training("mamba", corpus: corpus, out: "run")).succeeded()
      return "run"
    }
    private func generate(_ arguments: String..., input: [UInt8] = []) throws -> [UInt8] {
      try place.run(["generate", "run"] + arguments, input: input).succeeded().output
    }

    @Test func `a state is described, forked and compared`() throws {
      _ = try model()
      _ = try generate("--prompt", "The ", "--max-tokens", "20", "--save-state", "a")
      let info = try place.run("state", "info", "a", "--json").succeeded().json()
      #expect(info["position"] as? Int == 24 && info["mixer"] as? String == "mamba")
      let tensors = try #require(info["tensors"] as? [[String: Any]])
      #expect(
        tensors.contains { $0["name"] as? String == "layers.0.memory" && $0["norm"] as? Double ?? 0 > 0 })
      #expect(try place.run("state", "info", "a").succeeded().text.contains("24 tokens read"))

      try place.run("state", "fork", "a", "b").succeeded()
      #expect(try place.run("state", "diff", "a", "b", "--json").succeeded().json()["equal"] as? Bool == true)
      #expect(try generate("--load-state", "a") == generate("--load-state", "b"))
      try place.run("state", "fork", "a", "c", "--seed", "9").succeeded()
      let other = try place.run("state", "diff", "a", "c", "--json").succeeded().json()
      #expect(other["equal"] as? Bool == false && other["same_sampler"] as? Bool == false)
      #expect(other["same_model"] as? Bool == true)
      #expect(try generate("--load-state", "a") != generate("--load-state", "c"))

      _ = try generate("--load-state", "a", "--max-tokens", "1", "--save-state", "d")
      #expect(try place.run("state", "diff", "a", "d").succeeded().text.hasPrefix("different"))
    }

    @Test func `a journal goes on, back, and forks`() throws {
      _ = try model()
      let whole = try generate("--prompt", "The ", "--max-tokens", "90")
      let first = try generate(
        "--prompt", "The ", "--max-tokens", "40", "--journal", "j", "--journal-every", "16")
      // Going on takes nothing from a terminal or pipe that is empty.
      let second = try generate("--journal", "j", "--max-tokens", "50")
      #expect(first + second == whole)
      let info = try place.run("state", "info", "j", "--json").succeeded().json()
      #expect(info["position"] as? Int == 94 && info["first_position"] as? Int == 0)

      // From where 30 tokens had been drawn, the same 60 come again.
      try place.run("state", "fork", "j", "fork", "--at", "34", "--model", "run").succeeded()
      #expect(try generate("--load-state", "fork", "--max-tokens", "60") == whole.suffix(60))
      #expect(try generate("--journal", "j", "--rewind", "34", "--max-tokens", "60") == whole.suffix(60))
      #expect(
        try generate("--journal", "j", "--rewind", "34", "--seed", "8", "--max-tokens", "60")
          != whole.suffix(60))
    }

    @Test func `what is wrong is said in one line`() throws {
      _ = try model()
      _ = try generate("--prompt", "The ", "--max-tokens", "9", "--journal", "j", "--save-state", "a")
      try place.run("generate", "run", "--rewind", "3").failed(64, "--journal")
      try place.run("generate", "run", "--journal", "j", "--streams", "2", "--prompt", "x").failed(
        64, "one stream")
      try place.run("generate", "run", "--journal", "j", "--load-state", "a").failed(
        1, "holds a stream already")
      try place.run("generate", "run", "--journal", "j", "--rewind", "99", input: []).failed(1, "at most 13")
      try place.run("state", "info", "run/config.json").failed(1, "config.json")
      try place.run("state", "info", "run/model.safetensors").failed(1, "--save-state")
      try place.run("state", "fork", "j", "x").failed(1, "--model")
      try place.run("state", "fork", "a", "x", "--at", "3").failed(1, "no journal")
      try place.run("state", "diff", "a", "nowhere").failed(1, "nowhere")
      #expect(!place.exists("x"))
    }
  }
}
