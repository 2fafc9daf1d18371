import Foundation
import Testing

extension ToolTests {
  @Suite("A tokenizer of one's own") struct OwnTokenizer {
    @Test func `goes with the corpus into the run, and text comes out of it`() throws {
      let place = try Workplace()
      let text = String(
        repeating: "Once upon a time there was a mill by a river.\nThe miller slept.\n", count: 300)
      try place.write(text.utf8, to: "book.txt")
      try place.run("tokenizer", "train", "mine.json", "book.txt", "--vocabulary", "300").succeeded()
      try place.run("corpus", "build", "book.tokens.zst", "book.txt", "--tokenizer", "mine.json").succeeded()
      let trained = try place.run(
        "train", "--corpus", "book.tokens.zst", "--mixer", "mamba", "--width", "16", "--layers", "1",
        "--steps",
        "3", "--out", "run", "--json"
      ).succeeded().json()
      let loss = try #require(trained["validation_loss"] as? Double)
      let bits = try #require(trained["bits_per_byte"] as? Double)
      // Tokens stand for more than one byte each, so that a byte costs less than a token.
      #expect(bits > 0 && bits < 0.8 * loss / log(2))

      let told = try place.run(
        "generate", "run", "--prompt", "Once upon", "--max-tokens", "20", "--seed", "3"
      )
      .succeeded()
      #expect(!told.output.isEmpty)
      let score = try place.shell("runnel score run --json < book.txt").succeeded().json()
      let step = try place.shell("runnel score run --form step --json < book.txt").succeeded().json()
      let values = try [score, step].map { try #require($0["bits_per_byte"] as? Double) }
      #expect(abs(values[0] - values[1]) < 1e-4 * values[0])
      let lines = try place.shell("head -n 4 book.txt | runnel score run --per line").succeeded()
      #expect(lines.text.split(separator: "\n").count == 5)

      // Two tokens exchanged: a sound file, and another tokenizer.
      let json = try place.bytes(of: "run/tokenizer.json")
      var changed = String(decoding: json, as: UTF8.self)
      for (old, new) in [("\"A\"", "\"@@@@\""), ("\"B\"", "\"A\""), ("\"@@@@\"", "\"B\"")] {
        changed.replace(old, with: new)
      }
      try place.write(changed.utf8, to: "run/tokenizer.json")
      try place.run("score", "run", input: Array("Abc".utf8)).failed(1, "run: tokenizer", "--tokenizer")
      try place.run("train", "--from", "run", "--corpus", "book.tokens.zst", "--out", "new").failed(
        1, "run: tokenizer")
      try place.write(json, to: "run/tokenizer.json")
      try place.run("convert", "run", "small", "--to", "recurrent", "--dtype", "int8").succeeded()
      try place.write(changed.utf8, to: "small/tokenizer.json")
      try place.run("score", "small", input: Array("Abc".utf8)).failed(1, "small: tokenizer", "--tokenizer")

      try FileManager.default.removeItem(atPath: place.path + "/run/tokenizer.json")
      try place.run("generate", "run", "--prompt", "Once").failed(1, "tokenizer.json", "--tokenizer")
      let named = try place.run("score", "run", "--tokenizer", "mine.json", "--corpus", "book.tokens.zst")
      try named.succeeded()
    }

    @Test func `ids whose tokenizer nobody has are scored, but not in bytes`() throws {
      let place = try Workplace()
      let ids: [UInt8] = (0..<4000).flatMap { [UInt8($0 % 7), UInt8($0 % 2)] }
      try place.write(ids, to: "ids.bin")
      try place.run("corpus", "import", "ids.tokens.zst", "ids.bin", "--vocabulary", "300").succeeded()
      try place.run(
        "train", "--corpus", "ids.tokens.zst", "--mixer", "mingru", "--width", "16", "--layers", "1",
        "--steps", "3",
        "--out", "run"
      ).succeeded()
      let score = try place.run("score", "run", "--corpus", "ids.tokens.zst", "--json").succeeded().json()
      #expect(score["loss"] is Double && score["bits_per_byte"] == nil)
      try place.run("score", "run", "--corpus", "ids.tokens.zst", "--per", "line").failed(
        1, "keeps no tokenizer")
    }
  }
}
