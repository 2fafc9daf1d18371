/// What verbs take for text, and what writers of corpora and tokenizers may replace.

import Foundation
import RunnelFiles
import Testing

extension ToolTests {
  @Suite("Inputs and destinations of corpora") struct CorpusInputTests {
    private let place: Workplace
    init() throws { place = try Workplace() }

    private static let gzip: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3]
    private static func utf16(_ text: String, marked: Bool = true) -> [UInt8] {
      ((marked ? [0xFEFF] : []) + Array(text.utf16)).flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
    }

    @Test func `what is no text is refused by every verb that reads text, from a file and from stdin`() throws
    {
      let model = try place.makeModel(steps: 1)
      try place.write(Self.gzip, to: "packed.txt")
      let cases: [(bytes: [UInt8], way: String)] = [
        (Self.gzip, "zcat"), (Self.utf16("hello", marked: false), "iconv -f UTF-16LE"),
        (Array("%PDF-1.4\n".utf8), "pdftotext"),
      ]
      let readers = [
        ["corpus", "build", "out", "-"], ["corpus", "append", "story.tokens.zst", "-"],
        ["tokenizer", "train", "out", "-"], ["tokenizer", "encode", "bytes"],
        ["tokenizer", "encode", "bytes", "--lines"], ["tokenizer", "info", "bytes", "--measure"],
        ["generate", model], ["generate", model, "--follow"], ["generate", model, "--streams", "2"],
        ["score", model], ["score", model, "--per", "line"], ["score", model, "--follow"],
      ]
      let corpus = try place.bytes(of: "story.tokens.zst")
      for reader in readers {
        for (bytes, way) in cases {
          let outcome = try place.run(reader, input: bytes)
          #expect(outcome.code == 1 && outcome.errors.contains(way), "\(reader) \(outcome.errors)")
          #expect(outcome.errorLines.filter { $0.hasPrefix("Error: ") }.count == 1 && outcome.output.isEmpty)
        }
      }
      try place.run("corpus", "build", "out", "packed.txt").failed(
        1, "packed.txt: is gzip data", "--format bytes")
      try place.run("tokenizer", "train", "out", "packed.txt").failed(1, "packed.txt: is gzip data")
      try place.run("convert", model, "out", "--to", "recurrent", "--text", "packed.txt").failed(
        1, "packed.txt: is gzip data")
      #expect(try !place.exists("out") && place.bytes(of: "story.tokens.zst") == corpus)
      try place.run("corpus", "build", "out", "packed.txt", "--format", "bytes").succeeded()
      #expect(try place.run("corpus", "cat", "out").succeeded().output == Self.gzip)
    }

    @Test func `text in UTF-16, behind a mark or in zstd is the same text to every verb`() throws {
      let model = try place.makeModel(steps: 1)
      let text = "The red fox ran.\nThe old one, too.\n"
      try place.write(text.utf8, to: "a.txt")
      let forms = [Self.utf16(text), [0xEF, 0xBB, 0xBF] + Array(text.utf8)]
      for verb in [
        ["tokenizer", "encode", "bytes"], ["tokenizer", "encode", "bytes", "--lines"],
        ["score", model, "--follow"], ["generate", model, "--max-tokens", "9", "--seed", "1"],
      ] {
        let plain = try place.run(verb, input: Array(text.utf8)).succeeded().output
        for form in forms { #expect(try place.run(verb, input: form).succeeded().output == plain, "\(verb)") }
      }
      for form in forms {
        try place.run("corpus", "build", "c", "-", input: form).succeeded()
        #expect(try place.run("corpus", "cat", "c").succeeded().text == text)
      }
      let packed = try place.shell("zstd -qc a.txt | runnel tokenizer encode bytes || echo no zstd")
      #expect(
        try packed.text == place.run("tokenizer", "encode", "bytes", input: Array(text.utf8)).text
          || packed.errors.contains("not found"))
    }

    @Test func `no writer replaces an input or a file of another kind, unless forced`() throws {
      try place.write(Workplace.story, to: "note.txt")
      let note = try place.bytes(of: "note.txt")
      try place.run("corpus", "build", "c", "note.txt").succeeded()
      let corpus = try place.bytes(of: "c")
      try place.run("corpus", "export", "c", "m.bin", "--format", "megatron").succeeded()
      try place.run("corpus", "export", "c", "l.bin", "--format", "llmc").succeeded()
      try place.run("tokenizer", "train", "t.json", "note.txt", "--vocabulary", "260").succeeded()
      // A writer, the file it shall not replace, and whether that is one of its inputs.
      let writers: [(command: [String], out: String, isInput: Bool)] = [
        (["corpus", "build", "note.txt", "note.txt"], "note.txt", true),
        (["corpus", "build", "t.json", "note.txt"], "t.json", false),
        (["corpus", "build", "c", "c", "--format", "bytes"], "c", true),
        (["corpus", "merge", "c", "c"], "c", true),
        (["corpus", "merge", "note.txt", "c"], "note.txt", false),
        (["corpus", "repair", "c", "c"], "c", true), (["corpus", "repair", "c", "l.bin"], "l.bin", false),
        (["corpus", "export", "c", "c"], "c", true),
        (["corpus", "export", "c", "note.txt"], "note.txt", false),
        (["corpus", "export", "c", "m.bin"], "m.bin", false),
        (["corpus", "export", "c", "note.txt", "--format", "llmc"], "note.txt", false),
        (["corpus", "export", "c", "l.bin", "--format", "megatron"], "l.bin", false),
        (["corpus", "import", "m.bin", "m.bin", "--tokenizer", "bytes"], "m.bin", true),
        (["corpus", "import", "m.idx", "m.bin", "--tokenizer", "bytes"], "m.idx", true),
        (["corpus", "import", "l.bin", "m.bin", "--tokenizer", "bytes"], "l.bin", false),
        (["corpus", "synth", "stories", "note.txt", "--megabytes", "0.01"], "note.txt", false),
        (["corpus", "synth", "dyck", "t.json", "--documents", "9"], "t.json", false),
        (["tokenizer", "train", "note.txt", "note.txt", "--vocabulary", "260"], "note.txt", true),
        (["tokenizer", "train", "c", "note.txt", "--vocabulary", "260"], "c", false),
      ]
      for (command, out, isInput) in writers {
        let before = try place.bytes(of: out)
        try place.run(command).failed(
          1, "\(out): writing: expected", isInput ? "found the input" : "of another kind", "--force")
        #expect(try place.bytes(of: out) == before, "\(command)")
      }
      // What a writer of the kind wrote is replaced; so is anything that is forced.
      for command in [
        ["corpus", "build", "c", "note.txt"], ["corpus", "export", "c", "m.bin", "--format", "megatron"],
        ["corpus", "export", "c", "l.bin", "--format", "llmc"],
        ["tokenizer", "train", "t.json", "note.txt", "--vocabulary", "260"],
        ["corpus", "repair", "c", "c", "--force"],
        ["corpus", "export", "c", "m.bin", "--force"],
      ] { try place.run(command).succeeded() }
      #expect(try place.bytes(of: "c") == corpus && place.bytes(of: "m.bin").count == 2 * note.count)
      try place.run("corpus", "merge", "c", "c", "c", "--force").succeeded()
      #expect(try place.run("corpus", "cat", "c").succeeded().output.count == 2 * note.count)
      try place.run("corpus", "build", "note.txt", "note.txt", "--force").succeeded()
      #expect(try place.bytes(of: "note.txt") == corpus)
    }

    @Test func `appends at the same time lose no text`() throws {
      let corpus = try place.makeCorpus()
      let appends = try (0..<4).map {
        try place.start(
          ["corpus", "append", corpus, "-", "--threads", "1"], input: Array("text \($0).".utf8))
      }
      for append in appends { try append.wait().succeeded() }
      try place.run("corpus", "verify", corpus).succeeded()
      // The boundary of the split cuts each text in two.
      let text = try place.run("corpus", "cat", corpus).succeeded().text
      let documents = try place.run("corpus", "info", corpus, "--json").succeeded().json()
      #expect((documents["header"] as? [String: Any])?["tokens"] as? Int == Workplace.story.count + 4 * 7)
      for number in 0..<4 { #expect(text.contains("text \(number)")) }
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: place.path).allSatisfy { !$0.hasPrefix(".") })
    }

    @Test func `documents that are not UTF-8 are printed as bytes, and built from that`() throws {
      let documents: [[UInt8]] = [Array("a\u{FFFD}".utf8), [0xFF, 0, 0x61], [0xC3], [], Array("é".utf8)]
      try place.write(documents.joined(separator: [0x0A, 0x25, 0x0A]), to: "a.txt")
      try place.run("corpus", "build", "c", "a.txt", "--separator", #"\n%\n"#).succeeded()
      let lines = try place.run("corpus", "cat", "c", "--jsonl").succeeded()
      #expect(
        lines.text == """
          {"text":"a\u{FFFD}"}
          {"bytes":"ff0061"}
          {"bytes":"c3"}
          {"text":"é"}

          """)
      try place.write(lines.output, to: "b.jsonl")
      try place.run("corpus", "build", "d", "b.jsonl").succeeded()
      #expect(
        try place.run("corpus", "cat", "d", "--ids").succeeded().text
          == place.run("corpus", "cat", "c", "--ids").succeeded().text)
    }

    @Test
    func
      `bad lines are left out with a count, pipes in folders are passed over, names are taken as they are`()
      throws
    {
      try FileManager.default.createDirectory(atPath: place("d"), withIntermediateDirectories: true)
      try place.write("{\"text\": \"a\"}\nno\n{\"text\": 1}\n".utf8, to: "d/a.JSONL")
      #expect(mkfifo(place("d/pipe.txt"), 0o600) == 0)
      for verb in [["corpus", "build", "out"], ["tokenizer", "train", "out.json"]] {
        let bad = try place.run(verb + ["d"])
        #expect(bad.code == 1 && bad.errors.contains("line 2 at byte 0"), "\(bad.errors)")
        let done = try place.run(verb + ["d", "--skip-bad-lines"]).succeeded()
        #expect(done.errors.contains("left out 2 bad lines; the first: d/a.JSONL: line 2"), "\(done.errors)")
        #expect(done.errors.contains("d: passed over pipe.txt: a pipe"), "\(done.errors)")
      }
      let outcome = try place.shell(#"runnel corpus build "$(printf 'caf\351')" d/a.JSONL"#)
      outcome.failed(64, "argument 3 is not UTF-8")
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: place.path).allSatisfy { !$0.hasPrefix("caf") })
    }
  }
}
