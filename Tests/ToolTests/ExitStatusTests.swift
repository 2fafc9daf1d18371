/// What an exit status of 0 says, for every verb: all was done, and whoever reads stdout has all of it.

import Foundation
import Runnel
import Testing

extension ToolTests {
  @Suite struct ExitStatus {
    let place: Workplace
    init() throws { place = try Workplace() }

    /// A verb with the files that the workplace of `prepare` has; what it writes begins with `new`.
    struct Verb: CustomTestStringConvertible, Sendable {
      let arguments: String
      let input: String
      var testDescription: String { arguments }
      init(_ arguments: String, input: String = "") { (self.arguments, self.input) = (arguments, input) }
    }

    static let verbs = [
      Verb("--help"), Verb("--version"), Verb("train --help"), Verb("help corpus build"),
      Verb("corpus build new.tokens.zst story.txt"),
      Verb("corpus build new.tokens.zst -", input: "some text"),
      Verb("corpus append copy.tokens.zst story.txt"), Verb("corpus merge new.tokens.zst story.tokens.zst"),
      Verb("corpus info story.tokens.zst"), Verb("corpus info story.tokens.zst --json"),
      Verb("corpus cat story.tokens.zst"), Verb("corpus cat story.tokens.zst --jsonl"),
      Verb("corpus cat story.tokens.zst --ids"), Verb("corpus cat task.tokens.zst"),
      Verb("corpus verify story.tokens.zst"), Verb("corpus repair story.tokens.zst new.tokens.zst"),
      Verb("corpus export story.tokens.zst new --format megatron"),
      Verb("corpus import new.tokens.zst ids.bin --vocabulary 256"),
      Verb("corpus synth induction new.tokens.zst --documents 20"),
      Verb("tokenizer train new.json story.txt --vocabulary 300"),
      Verb("tokenizer encode bytes", input: "some text"), Verb("tokenizer decode bytes", input: "65 66"),
      Verb("tokenizer encode bytes --jsonl", input: "{\"text\": \"a\"}\n"), Verb("tokenizer info bytes"),
      Verb("train --corpus story.tokens.zst --mixer lru --steps 2 --width 16 --layers 1 --out new"),
      Verb("train --corpus story.tokens.zst --out model --resume --steps 4 --json"),
      Verb("generate model --max-tokens 20", input: "The old"),
      Verb("generate model --max-tokens 20 --json", input: "The old"),
      Verb("generate model --max-tokens 20 --follow", input: "The old\nThe red\n"),
      Verb("generate model --max-tokens 20 --streams 2", input: "The old"),
      Verb("generate model --max-tokens 20 --streams 2 --follow", input: "The old\nThe red\n"),
      Verb("generate model --max-tokens 20 --save-state new.state", input: "The old"),
      Verb("generate model --max-tokens 20 --journal new", input: "The old"),
      Verb("state info a.state"), Verb("state diff a.state a.state"), Verb("state fork a.state new.state"),
      Verb("score model", input: "The old fox"), Verb("score model --json", input: "The old fox"),
      Verb("score model --per token", input: "The old fox"),
      Verb("score model --per line", input: "The\nold\nfox\n"),
      Verb("score model --follow", input: "The old\nfox\n"),
      Verb("score model --corpus story.tokens.zst --split validation"),
      Verb("score model --ids ids.safetensors --logits new.safetensors"),
      Verb("check model --tokens 40"), Verb("check --mixer gla --tokens 40 --json"),
      Verb("convert model new --to recurrent --dtype int8"), Verb("convert model new --to huggingface"),
      Verb("info model"), Verb("info --mixers"), Verb("info model --json"),
      Verb("bench decode --mixer lru --width 32 --layers 1 --vocabulary 64 --seconds 0.05"),
      Verb(
        "bench train --mixer lru --width 32 --layers 1 --vocabulary 64 --batch 1 --segment 16 --seconds 0.05"),
      Verb("bench prefill --mixer lru --width 32 --layers 1 --vocabulary 64 --seconds 0.05"),
      Verb("bench corpus story.tokens.zst --seconds 0.05"),
      Verb("hippo --measure legs --size 8 --reconstruct 4", input: "1\n2\n3\n"),
    ]

    /// Makes a folder `work` with all files that the verbs read.
    private func prepare() throws {
      try place.makeModel("mamba", steps: 2)
      try FileManager.default.createDirectory(atPath: place("base"), withIntermediateDirectories: true)
      for name in ["story.txt", "story.tokens.zst", "model"] {
        try FileManager.default.moveItem(atPath: place(name), toPath: place("base/" + name))
      }
      let made = try place.shell(
        """
        cd base && mkdir texts && echo one > texts/a.txt && echo two > texts/b.txt \
        && cp story.tokens.zst copy.tokens.zst && runnel corpus export story.tokens.zst ids.bin \
        && runnel tokenizer train tok.json story.txt --vocabulary 300 \
        && runnel corpus synth induction task.tokens.zst --documents 20 \
        && runnel generate model --prompt Once --max-tokens 9 --save-state a.state
        """)
      try made.succeeded()
      var ids = SafetensorsWriter()
      ids.add("ids", [1, 2, 3, 4], shape: [2, 2])
      try ids.write(to: place("base/ids.safetensors"))
    }

    /// Runs a line of shell in a fresh copy of the prepared folder.
    private func run(_ command: String, input: String, output: Pipe? = nil) throws -> Outcome {
      try place.copy("base", to: "work")
      return try place.start(
        ["-c", "cd work && exec runnel " + command], input: Array(input.utf8), output: output, shell: true
      ).wait()
    }

    private func contents() throws -> [String] {
      try FileManager.default.subpathsOfDirectory(atPath: place("work")).sorted()
    }

    @Test
    func `every verb that prints fails where stdout takes nothing, and not where its reader has left`() throws
    {
      try prepare()
      for verb in Self.verbs {
        let plain = try run(verb.arguments, input: verb.input)
        #expect(plain.code == 0 && !plain.isSignalled, "\(verb.arguments): \(plain.errors)")
        let files = try contents()
        for redirection in [" > /dev/full", " >&-"] {
          let outcome = try run(verb.arguments + redirection, input: verb.input)
          let last = outcome.errorLines.last ?? ""
          #expect(
            plain.output.isEmpty
              ? outcome.code == 0
              : outcome.code == 1 && last.hasPrefix("Error: stdout cannot be written: "),
            "\(verb.arguments)\(redirection): exit \(outcome.code), \(outcome.errors)")
          #expect(try contents() == files, "\(verb.arguments)\(redirection)")
        }
        let pipe = Pipe()
        try pipe.fileHandleForReading.close()
        let left = try run(verb.arguments, input: verb.input, output: pipe)
        #expect(left.code == 0 && !left.isSignalled, "\(verb.arguments) | true: \(left.errors)")
        #expect(try contents() == files, "\(verb.arguments) | true")
      }
    }

    /// What a slip of the hand writes to: an input, or something else that is there.
    static let slips = [
      "corpus build story.txt story.txt", "corpus build texts/a.txt texts/b.txt", "corpus build texts texts",
      "corpus build model/config.json texts",
      "corpus merge story.tokens.zst story.tokens.zst copy.tokens.zst",
      "corpus merge story.txt story.tokens.zst", "corpus import ids.bin ids.bin --vocabulary 256",
      "corpus import story.txt ids.bin --vocabulary 256",
      "corpus export story.tokens.zst story.tokens.zst", "corpus export story.tokens.zst story.txt",
      "corpus repair story.tokens.zst story.tokens.zst", "corpus repair story.tokens.zst story.txt",
      "corpus synth stories story.txt --megabytes 0.1", "corpus synth induction a.state --documents 9",
      "tokenizer train story.txt story.txt --vocabulary 300",
      "tokenizer train texts/a.txt story.txt --vocabulary 300",
      "tokenizer train tok.json - --vocabulary 300 < tok.json",
      "train --corpus story.tokens.zst --mixer lru --steps 1 --out texts",
      "train --corpus story.tokens.zst --mixer lru --steps 1 --out story.txt",
      "train --corpus story.tokens.zst --from model --steps 1 --out model",
      "generate model --prompt a --max-tokens 2 --save-state story.txt",
      "generate model --prompt a --max-tokens 2 --save-state model/model.safetensors",
      "generate model --prompt a --max-tokens 2 --journal texts",
      "score model --save-state story.txt", "score model --ids ids.safetensors --logits ids.safetensors",
      "score model --ids ids.safetensors --logits story.txt",
      "state fork a.state a.state", "state fork a.state story.txt",
      "state fork a.state model/model.safetensors",
      "convert model model --to recurrent", "convert model texts --to recurrent",
      "convert model story.txt --to recurrent",
      "convert model model --to huggingface", "convert model texts --to huggingface",
    ]

    @Test func `no writer replaces its input, or a file of another kind, unless it is told to`() throws {
      try prepare()
      for slip in Self.slips {
        let outcome = try run(slip, input: "some text")
        #expect(outcome.code == 1 && !outcome.isSignalled, "\(slip): exit \(outcome.code) \(outcome.errors)")
        #expect(outcome.errorLines.last?.hasPrefix("Error: ") ?? false, "\(slip): \(outcome.errors)")
        let same = try place.shell("diff -r base work")
        #expect(same.code == 0, "\(slip): \(same.text)")
      }
    }

    /// Verbs that wait for stdin, or work for as long as nobody stops them.
    static let endless = [
      Verb("corpus build new.tokens.zst -", input: "some text"),
      Verb("corpus append copy.tokens.zst -", input: "some text"),
      Verb("corpus synth stories new.tokens.zst --megabytes 4000"),
      Verb("tokenizer encode bytes", input: "some text"), Verb("tokenizer decode bytes", input: "65 66"),
      Verb("generate model", input: "The old"),
      Verb("generate model --follow --max-tokens 9", input: "The old\n"),
      Verb("generate model --follow --streams 2 --max-tokens 9", input: "The old\n"),
      Verb("generate model --save-state new.state", input: "The old"),
      Verb("generate model --prompt The --max-tokens 0"),
      Verb("generate model --prompt The --max-tokens 0 --save-state new.state"),
      Verb("generate model --prompt The --max-tokens 0 --journal new"),
      Verb("score model", input: "The old"), Verb("score model --save-state new.state", input: "The old"),
      Verb("score model --follow", input: "The old\nfox"), Verb("check model --long 1000000000"),
      Verb("train --corpus story.tokens.zst --mixer lru --minutes 9 --width 16 --layers 1 --out new"),
      Verb("train --corpus story.tokens.zst --out model --resume --minutes 9"),
      Verb("bench decode --mixer lru --width 32 --layers 1 --vocabulary 64 --seconds 99"),
      Verb("hippo --measure legs --size 8 --reconstruct 4", input: "1\n2\n"),
    ]

    @Test(arguments: [SIGINT, SIGTERM])
    func `a signal ends every verb in every phase, and leaves nothing half-done`(signal: Int32) throws {
      try prepare()
      for verb in Self.endless {
        for delay: UInt32 in [20_000, 250_000] {
          try place.copy("base", to: "work")
          let source = Pipe()
          let running = try place.start(
            ["-c", "cd work && exec runnel " + verb.arguments], source: source, shell: true)
          try source.fileHandleForWriting.write(contentsOf: Data(verb.input.utf8))
          usleep(delay)
          running.send(signal)
          let outcome = try running.wait(seconds: 20)
          try source.fileHandleForWriting.close()
          let what = "\(verb.arguments) after \(delay) us: exit \(outcome.code), \(outcome.errors)"
          if outcome.isSignalled {
            #expect(outcome.code == signal, "\(what)")
          } else {
            #expect(outcome.code == 0 || outcome.code == 1, "\(what)")
            #expect(
              (outcome.code == 1) == (outcome.errorLines.last?.hasPrefix("Error: ") ?? false), "\(what)")
            #expect(try !contents().contains { $0.contains(".tmp") }, "\(what)")
          }
          // What is there is whole, and nothing but what was asked for has changed.
          let changes = try place.shell("diff -r -x 'new*' -x model -x '.runnel-*' base work")
          #expect(changes.code == 0, "\(what): \(changes.text)")
          for (name, proof) in [
            ("new.state", "state info new.state"), ("new.tokens.zst", "corpus verify new.tokens.zst"),
            ("new/model.safetensors", "info new"), ("model/model.safetensors", "info model"),
          ] where place.exists("work/" + name) {
            let whole = try place.shell("cd work && runnel " + proof)
            #expect(whole.code == 0, "\(what): \(whole.errors)")
          }
        }
      }
    }
  }
}
